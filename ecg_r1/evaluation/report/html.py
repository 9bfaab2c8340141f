"""`report.html`: one file that holds everything (style, curves, ECGs) and opens anywhere, now and in ten years."""

from __future__ import annotations

import itertools
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from markupsafe import Markup

from ecg_r1.corpus.store import RecordStore
from ecg_r1.ecg.quantities import TABLE
from ecg_r1.evaluation.metrics import Judged
from ecg_r1.evaluation.report import curves, tables
from ecg_r1.evaluation.report.cases import UNCHECKED, cases
from ecg_r1.evaluation.report.template import our_own, rendered
from ecg_r1.evaluation.report.trace import PAPER, UNIT, page_size
from ecg_r1.evaluation.report.wording import HEADLINE, PER_QUANTITY, Shown
from ecg_r1.runs.read import Run, trained_on
from ecg_r1.scoring.judgement import LOOKS, VERDICTS

CORRUPTION = {
    "boilerplate": "boilerplate that ignores the signal",
    "rounded": "read from the signal, then rounded as clinicians do",
    "qt_from_qrs_end": "QT counted from the end of QRS, of the QT values read from the signal",
}
FILTERS = (
    ("win", "wins of the last model"),
    ("loss", "losses of the last model"),
    ("disagree", "models disagree"),
    ("right", "last model's diagnosis right"),
    ("wrong", "last model's diagnosis wrong"),
    ("contradicted", "with a contradicted value"),
    ("unverifiable", "with a value that cannot be checked"),
)


@dataclass(frozen=True)
class Comparison:
    """What the report shows.

    Attributes:
        runs: the models.
        judged: each model's answers by its name, all in one order.
        store: the split.
        result: what compare.json holds.
        answered: the day of the newest answers, as 2026-11-28; "" where it is not known.
    """

    runs: tuple[Run, ...]
    judged: Mapping[str, Sequence[Judged]]
    store: RecordStore
    result: Mapping[str, Any]
    answered: str = ""


def report_page(comparison: Comparison) -> str:
    """The comparison as a self-contained page. Model text is untrusted; the templates escape it wherever it appears.

    Args:
        comparison: what is shown.
    """
    result, store = comparison.result, comparison.store
    asked = len({example.question for example in store.examples}) > 1
    strip = PAPER.cells()[-1]
    head = rendered(
        "report.html.j2",
        title=_title(list(result["models"])),
        made=_made(comparison),
        style=our_own("report.css") + verdict_styles(),
        result=result,
        told=findings(result),
        tables=tables,
        sampled=tables.sampled(result),
        sections=_sections(comparison),
        details=_details(comparison),
        curves=curves.panels(comparison.runs),
        reliability=curves.reliability(result),
        legend=[(verdict, LOOKS[verdict].mark) for verdict in VERDICTS],
        truths=sorted(next(iter(result["models"].values()))["diagnoses"]),
        filters=FILTERS if len(comparison.runs) > 1 else FILTERS[3:],
    )
    parts = [head]
    for case in cases(comparison.judged, store, comparison.runs):
        parts.append(
            rendered(
                "case.j2",
                case=case,
                asked=asked,
                size=page_size(),
                strip_y=round(strip.top * UNIT),
                beat_x=lambda second: round(float(strip.x_mm(min(max(second, 0.0), PAPER.seconds))) * UNIT),
            )
        )
    tolerances = ", ".join(f"{q.title} ± {q.tolerance:g} {q.unit}" for q in TABLE.values())
    parts.append(rendered("end.j2", tolerances=tolerances, script=our_own("report.js")))
    return "".join(parts)


def verdict_styles() -> Markup:
    """The style sheet's part for the verdicts, in the colours that it names."""
    rules = [
        f"mark.{verdict} {{ background: var(--{look.colour}-back); border-bottom-style: {look.border}; "
        f"border-color: var(--{look.colour}); }} mark.{verdict} b {{ color: var(--{look.colour}); }} "
        f".calipers .{verdict} .quoted {{ stroke: var(--{look.colour}); }}"
        for verdict, look in LOOKS.items()
    ]
    unchecked = f"mark.{UNCHECKED} {{ background: var(--none-back); border-bottom-style: dotted; }}"
    return Markup("\n".join([*rules, unchecked]))


def _title(models: list[str]) -> str:
    last, *others = reversed(models)
    if not others:
        return last
    *most, first = others
    return f"{last}, compared with {', '.join(most)} and {first}" if most else f"{last}, compared with {first}"


def _made(comparison: Comparison) -> str:
    answered = f"Answers of {comparison.answered}; c" if comparison.answered else "C"
    return f"{answered}ompared on {platform.system()} {platform.machine()}, Python {platform.python_version()}."


def findings(result: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is better, worse and unclear in the last model against the one before it; None without a pair."""
    if not result["paired"]:
        return None
    pair = list(result["paired"])[-1]
    later, earlier = pair.split(" - ", 1)
    intervals = result["paired"][pair]
    told: dict[str, list[str]] = {"better": [], "worse": [], "changed": [], "unclear": []}
    for metric in (*HEADLINE, *PER_QUANTITY):
        interval = metric.of(intervals)
        if interval and any(metric.visible(interval[end]) for end in ("difference", "low", "high")):
            told[metric.verdict(interval)].append(_told(metric, interval))
    supported, models = HEADLINE[0], result["models"]
    titles = {"better": "Better", "worse": "Worse", "changed": "Different", "unclear": "No clear change"}
    return {
        "later": later,
        "earlier": earlier,
        "supported": [supported.number(supported.of(models[name])) for name in (later, earlier)],
        "kinds": {titles[kind]: said for kind, said in told.items() if said},
    }


def _told(metric: Shown, interval: Mapping[str, float]) -> str:
    title = metric.title[0].lower() + metric.title[1:] if metric.title[1:2].islower() else metric.title
    return f"{title} {metric.signed(interval['difference'])}"


def _sections(comparison: Comparison) -> list[dict[str, Any]]:
    """What was run: each model, the splits, how answers were made, and what the reports hold; title -> facts."""
    result = comparison.result
    found: list[dict[str, Any]] = [
        {"title": run.name, "colour": i % 6, "values": _run_facts(run)} for i, run in enumerate(comparison.runs)
    ]
    found += [
        {"title": title, "colour": None, "values": shown}
        for title, facts in _corpora(comparison).items()
        if (shown := _split_facts(facts))
    ]
    found.append({"title": "Answers", "colour": None, "values": _decoding(result["decoding"])})
    if corruption := result["corruption"]:
        shares = {CORRUPTION.get(name, name): f"{value:.0%}" for name, value in corruption.items()}
        found.append({"title": "Values in the SFT reports", "colour": None, "values": shares})
    return found


def _details(comparison: Comparison) -> list[dict[str, str]]:
    return [
        {
            "name": run.name,
            "recipe": yaml.safe_dump(dict(run.recipe), sort_keys=False, allow_unicode=True),
            "environment": yaml.safe_dump(dict(run.environment), sort_keys=False, allow_unicode=True),
        }
        for run in comparison.runs
        if run.recipe
    ]


def _decoding(decoding: Mapping[str, Any]) -> dict[str, Any]:
    greedy = decoding["temperature"] == 0
    sampled = {name: decoding[name] for name in ("temperature", "top_p", "n")}
    return {
        "engine": {"vllm": "vLLM", "hf": "transformers"}[decoding["engine"]],
        **({"decoding": "greedy"} if greedy else sampled),
        "limit": f"{decoding['max_tokens']} tokens",
    }


def _run_facts(run: Run) -> dict[str, Any]:
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
        "processor time": None if (minutes := processor_minutes(run)) is None else f"{minutes:.1f} min",
        "machine": run.environment.get("platform"),
        "commit": (run.environment.get("commit") or "unknown")[:10],
    }
    return {name: value for name, value in facts.items() if value is not None}


def _corpora(comparison: Comparison) -> dict[str, Mapping[str, Any]]:
    """Title -> facts of the split each model is evaluated on and of those that they were trained on, each once."""
    held_out = comparison.store.facts | {"records": len(comparison.store)}
    trained: dict[str, list[Run]] = {}
    for run in comparison.runs:
        trained.setdefault(str((run.recipe.get("corpus") or {}).get("train")), []).append(run)
    return {"Held-out records": held_out} | {
        f"Training records of {', '.join(run.name for run in runs)}": trained_on(runs[0]) for runs in trained.values()
    }


def _split_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    sources = "; ".join(", ".join(f"{key} {value}" for key, value in s.items()) for s in facts.get("sources") or ())
    shown = {"records": facts.get("records"), "quarantined": facts.get("quarantined"), "sources": sources or None}
    shown |= {"corpus seed": facts.get("seed")}
    return {name: value for name, value in shown.items() if value is not None} if facts else {}


def processor_minutes(run: Run) -> float | None:
    """Of the training process; its clock starts anew where a run was resumed. None where it was not logged."""
    times = [row["cpu_seconds"] for row in run.log if "cpu_seconds" in row]
    ends = [a for a, b in itertools.pairwise(times) if b < a] + times[-1:]
    return sum(ends) / 60 if times else None
