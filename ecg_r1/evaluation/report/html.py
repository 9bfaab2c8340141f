"""`report.html`: one file that holds everything (style, curves, ECG pages) and opens anywhere, now and in ten years."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import yaml

from ecg_r1.corpus.store import RecordStore
from ecg_r1.ecg.quantities import TABLE
from ecg_r1.ecg.render import render
from ecg_r1.evaluation.metrics import Judged
from ecg_r1.evaluation.report import completions, curves, tables
from ecg_r1.evaluation.report.wording import HEADLINE, PER_QUANTITY, Shown
from ecg_r1.runs.read import Run, trained_on
from ecg_r1.scoring.judgement import LOOKS, VERDICTS

REPORTS = {
    "boilerplate": "boilerplate that ignores the signal",
    "rounded": "read from the signal, then rounded as clinicians do",
    "qt_from_qrs_end": "QT counted from the end of QRS, of the QT values read from the signal",
}
STYLE = Path(__file__).parents[2] / "data" / "report" / "report.css"


@dataclass(frozen=True)
class Comparison:
    """What the report shows.

    Attributes:
        runs: the models.
        judged: each model's answers by its name, all in one order.
        store: the split.
        result: what compare.json holds.
    """

    runs: tuple[Run, ...]
    judged: Mapping[str, Sequence[Judged]]
    store: RecordStore
    result: Mapping[str, Any]


def report_page(comparison: Comparison) -> str:
    """The comparison as a self-contained page. Model text is untrusted and is escaped wherever it appears.

    Args:
        comparison: what is shown.
    """
    result = comparison.result
    models = list(result["models"])
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(_title(models))}</title><style>{STYLE.read_text()}{completions.verdict_styles()}</style></head>
<body><main>
<h1>{escape(_title(models))}</h1>
{findings(result)}
{tables.headline(result)}
{tables.listens(result)}
{tables.seeds(result)}
{_caution(result)}
<h2>What was run</h2>
{_facts(comparison)}
<h2>How it went</h2>
<p class="soft">Faint: as logged. Strong: moving average over a tenth of the run.</p>
<div class="curves">{curves.panels(comparison.runs)}</div>
<h2>Each quantity</h2>
{tables.quantities(result)}
<h2>Each diagnosis</h2>
{tables.diagnoses(result)}
<details><summary>Every pair of models</summary>{tables.pairs(result)}</details>
<h2>Cases</h2>
{_cases(comparison)}
<h2>How this was judged</h2>
{JUDGED}
</main></body></html>
"""


_TOLERANCES = ", ".join(f"{q.title} ± {q.tolerance:g} {q.unit}" for q in TABLE.values())
JUDGED = f"""<p>Each completion is parsed by the parser that the rewards use, and each value it quotes is compared with
neurokit2's measurement of that record's own signal. A value is <em>supported</em> inside the quantity's tolerance
({_TOLERANCES}), <em>contradicted</em> outside it, and <em>unverifiable</em> where the signal gives nothing to compare
with. To say that a quantity cannot be measured is a claim like any other: supported where it is true (a PR interval in
atrial fibrillation). A diagnosis is right when the answer asserts the record's diagnoses, all of them and nothing else.
None of these figures depends on how rewards are weighted or shaped.</p>
<p>neurokit2's measurement is the yardstick, not the truth: it has its own errors, and a model trained against it can
learn them. Not a medical device; research only.</p>"""


def _title(models: list[str]) -> str:
    *earlier, last = models
    return f"{last}, compared with {' and '.join(reversed(earlier))}" if earlier else last


def findings(result: Mapping[str, Any]) -> str:
    """In words: what is better, worse and unclear in the last model against the one before it."""
    if not result["paired"]:
        return ""
    pair = list(result["paired"])[-1]
    later, earlier = pair.split(" - ", 1)
    intervals = result["paired"][pair]
    told: dict[str, list[str]] = {"better": [], "worse": [], "changed": [], "unclear": []}
    for metric in (*HEADLINE, *PER_QUANTITY):
        interval = metric.of(intervals)
        if interval and any(metric.visible(interval[end]) for end in ("difference", "low", "high")):
            told[metric.verdict(interval)].append(_told(metric, interval))
    supported = HEADLINE[0]
    models = result["models"]
    opening = (
        f"Of the values that <strong>{escape(later)}</strong> quotes, the signal supports "
        f"<strong>{supported.number(supported.of(models[later]))}</strong>; of those that {escape(earlier)} quotes, "
        f"{supported.number(supported.of(models[earlier]))}."
    )
    titles = {"better": "Better", "worse": "Worse", "changed": "Different", "unclear": "No clear change"}
    items = "".join(
        f"<li><strong>{titles[kind]}:</strong> {'; '.join(said)}.</li>" for kind, said in told.items() if said
    )
    return f'<p class="lead">{opening}</p><ul class="findings">{items}</ul>'


def _told(metric: Shown, interval: Mapping[str, float]) -> str:
    title = metric.title[0].lower() + metric.title[1:] if metric.title[1:2].islower() else metric.title
    return f"{title} {metric.signed(interval['difference'])}"


def _caution(result: Mapping[str, Any]) -> str:
    seeds = (
        ""
        if result["seeds"]
        else " Each model here was trained once: another training seed may differ by more than the interval."
    )
    return (
        '<p class="soft">The intervals cover the choice of records, not training luck.'
        f"{seeds} What holds on these records and reports need not hold on others.</p>"
    )


def _facts(comparison: Comparison) -> str:
    result = comparison.result
    sections = [_section(run, i) for i, run in enumerate(comparison.runs)]
    sections += [_split(title, facts) for title, facts in _corpora(comparison).items() if facts]
    sections.append(f"<section><h4>Answers</h4>{_list(_decoding(result['decoding']))}</section>")
    if reports := result["reports"]:
        shares = {REPORTS.get(name, name): f"{value:.0%}" for name, value in reports.items()}
        sections.append(f"<section><h4>Values in the SFT reports</h4>{_list(shares)}</section>")
    details = "".join(
        f"<details><summary>{escape(run.name)}: the whole recipe and environment</summary>"
        f"<pre>{escape(yaml.safe_dump(dict(run.recipe), sort_keys=False, allow_unicode=True))}</pre>"
        f"<pre>{escape(yaml.safe_dump(dict(run.environment), sort_keys=False, allow_unicode=True))}</pre></details>"
        for run in comparison.runs
        if run.recipe
    )
    return f'<div class="facts">{"".join(sections)}</div>{details}'


def _decoding(decoding: Mapping[str, Any]) -> dict[str, Any]:
    greedy = decoding["temperature"] == 0
    sampled = {name: decoding[name] for name in ("temperature", "top_p", "n")}
    return {
        "engine": {"vllm": "vLLM", "hf": "transformers"}[decoding["engine"]],
        **({"decoding": "greedy"} if greedy else sampled),
        "limit": f"{decoding['max_tokens']} tokens",
    }


def _section(run: Run, colour: int) -> str:
    recipe, trainer = run.recipe, run.recipe.get("trainer") or {}
    rewards = ", ".join(f"{r['name']} × {r.get('weight', 1)}" for r in recipe.get("rewards") or ())
    facts = {
        "stage": recipe.get("stage"),
        "starts from": recipe.get("model"),
        "steps": max((row["step"] for row in run.log if "step" in row), default=None),
        "learning rate": trainer.get("learning_rate"),
        "group size": trainer.get("num_generations") if rewards else None,
        "rewards": rewards or None,
        "credit": recipe.get("credit") if rewards else None,
        "seed": recipe.get("seed"),
        "processor time": _processor_time(run),
        "commit": (run.environment.get("commit") or "unknown")[:10],
    }
    known = {name: value for name, value in facts.items() if value is not None}
    return f'<section><h4><span class="key c{colour % 6}">{escape(run.name)}</span></h4>{_list(known)}</section>'


def _corpora(comparison: Comparison) -> dict[str, Mapping[str, Any]]:
    """Title -> facts of the split each model is evaluated on and of those that they were trained on, each once."""
    held_out = comparison.store.facts | {"records": len(comparison.store)}
    trained: dict[str, list[Run]] = {}
    for run in comparison.runs:
        trained.setdefault(str((run.recipe.get("corpus") or {}).get("train")), []).append(run)
    return {"Held-out records": held_out} | {
        f"Training records of {', '.join(run.name for run in runs)}": trained_on(runs[0]) for runs in trained.values()
    }


def _split(title: str, facts: Mapping[str, Any]) -> str:
    sources = "; ".join(", ".join(f"{key} {value}" for key, value in s.items()) for s in facts.get("sources") or ())
    shown = {"records": facts.get("records"), "quarantined": facts.get("quarantined"), "sources": sources or None}
    shown |= {"corpus seed": facts.get("seed")}
    known = {name: value for name, value in shown.items() if value is not None}
    return f"<section><h4>{escape(title)}</h4>{_list(known)}</section>"


def _processor_time(run: Run) -> str | None:
    """Of the training process; its clock starts anew where a run was resumed."""
    times = [row["cpu_seconds"] for row in run.log if "cpu_seconds" in row]
    ends = [a for a, b in itertools.pairwise(times) if b < a] + times[-1:]
    return f"{sum(ends) / 60:.1f} min" if times else None


def _list(facts: Mapping[str, Any]) -> str:
    return "<dl>" + "".join(f"<dt>{escape(str(k))}</dt><dd>{escape(str(v))}</dd>" for k, v in facts.items()) + "</dl>"


def _cases(comparison: Comparison) -> str:
    store, seed, names = comparison.store, comparison.result["bootstrap"]["seed"], list(comparison.judged)
    chosen = completions.choose(comparison.judged, seed)
    rule = completions.RULE.format(seed=seed, later=names[-1], earlier=names[-2] if len(names) > 1 else "")
    answers: dict[str, dict[str, Judged]] = {}  # the first answer, where an example has several
    for name, rows in comparison.judged.items():
        for row in rows:
            answers.setdefault(row.example_id, {}).setdefault(name, row)
    asked = len({example.question for example in store.examples}) > 1
    articles = [
        completions.case(
            number,
            why,
            store.example(example),
            [(render(store.record(r), pixels_per_mm=6), store.measurements(r)) for r in store.example(example).records],
            answers[example],
            asked=asked,
        )
        for number, (example, why) in enumerate(chosen, start=1)
    ]
    legend = "".join(
        f'<mark class="{verdict}">{verdict}<b>{LOOKS[verdict].mark} measured value</b></mark>' for verdict in VERDICTS
    )
    return f'<p>{escape(rule)}</p><p class="legend">{legend}</p>{"".join(articles)}'
