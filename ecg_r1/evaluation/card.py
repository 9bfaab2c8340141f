"""The RL card: one page that says what was trained from what, held against what, with which result and which doubts.

What is missing is said, not left out: a comparison without an equal-compute control, other seeds or a test without the
ECG is marked. Written beside compare.json as card.html, card.md (for a model card), card.csv and card.tex.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecg_r1.evaluation.conditions import LESS, NOTHING, SHUFFLED
from ecg_r1.evaluation.metrics import Judged
from ecg_r1.evaluation.report.html import processor_minutes
from ecg_r1.evaluation.report.template import our_own, rendered
from ecg_r1.evaluation.report.wording import CLASSES, HEADLINE, PER_QUANTITY, Shown
from ecg_r1.evaluation.report.wording import NOTHING as NO_VALUE
from ecg_r1.evaluation.watched import signs
from ecg_r1.runs.read import Run, find, stages, trained_on

EQUAL = 0.9  # of the compute of the trained model, that a control needs at least
LONGER, COLLAPSED = 1.5, 0.1  # of the first tenth's length and entropy, past which the last tenth's are an alarm
ABSTAINS = 0.9  # share of the answers to no ECG that are to say so
QUALITY = ("supported", "diagnosis_accuracy", "diagnosis_macro_f1")
METRICS: tuple[Shown, ...] = (*HEADLINE, *PER_QUANTITY, *CLASSES)


@dataclass(frozen=True)
class Fact:
    """One line of the card. flagged: it is a doubt that a reader has to know."""

    name: str
    value: str
    flagged: bool = False


@dataclass(frozen=True)
class Card:
    """What a card says.

    Attributes:
        title: of the page.
        facts: in order.
        head, rows: the table of metrics: one column a model, then the last against each earlier one.
    """

    title: str
    facts: tuple[Fact, ...]
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def make_card(runs: Sequence[Run], judged: Mapping[str, Sequence[Judged]], result: Mapping[str, Any]) -> Card:
    """The card of a comparison; it is about the last model.

    Args:
        runs: the models, earlier first.
        judged: each model's answers by its name.
        result: what compare.json holds.
    """
    *earlier, last = runs
    facts = [
        Fact("model", last.name),
        Fact("stage", str(last.recipe.get("stage", "unknown: a checkpoint by itself"))),
        Fact("base", str(last.recipe.get("model", "unknown")), flagged=not last.recipe),
        _data(last),
        *_rewards(last),
        _seeds(last, result),
        _control(earlier, last),
        Fact("compared on", f"{result['examples']} examples, {result['records']} records of {result['split']}; 95% "
             f"intervals by paired bootstrap over {result['clusters']} clusters ({result['bootstrap']['interval']})"),
        *_mirage(last, result),
        _divergence(last, result),
        *_alarms(last, judged[last.name], result),
        _cost(last),
        *_asked(result["models"][last.name]),
    ]  # fmt: skip
    return Card(f"RL card: {last.name}", tuple(facts), *_table(result))


def _data(run: Run) -> Fact:
    facts = trained_on(run)
    if not facts:
        return Fact("data", "not on this machine", flagged=True)
    sources = "; ".join(", ".join(f"{k} {v}" for k, v in source.items()) for source in facts.get("sources") or ())
    shares = ", ".join(f"{name} {share:.0%}" for name, share in (facts.get("corruption") or {}).items() if share)
    wrong = f"; wrong on purpose: {shares}" if shares else ""
    return Fact("data", f"{facts.get('records', 'unknown')} records ({sources}){wrong}")


def _rewards(run: Run) -> list[Fact]:
    rewards = run.recipe.get("rewards")
    if not rewards:
        return []
    listed = ", ".join(f"{reward['name']} × {reward.get('weight', 1)}" for reward in rewards)
    return [Fact("rewards", listed), Fact("credit", str(run.recipe.get("credit", "sequence")))]


def _seeds(run: Run, result: Mapping[str, Any]) -> Fact:
    own = run.recipe.get("seed", "unknown")
    others = [seed["name"] for seed in result["seeds"]]
    if not others:
        return Fact("seeds", f"{own} alone: another training seed may differ by more than the intervals", flagged=True)
    return Fact("seeds", f"{own}, and {', '.join(others)}")


def _control(earlier: Sequence[Run], last: Run) -> Fact:
    """The model that was trained on from the same base without rewards, for as long.

    Where the last model was trained in several stages, the base may be that of any of them; what they took counts.
    """
    name = "equal-compute control"
    if not last.recipe.get("rewards"):
        return Fact(name, "none needed: the model was not trained with rewards")
    line = stages(last)
    spent = _spent_since(line)
    for run in reversed(earlier):
        if any(run.folder.samefile(stage.folder) for stage in line):  # what the last one was trained from
            continue
        without = list(itertools.takewhile(lambda stage: not stage.recipe.get("rewards"), stages(run)))
        took = _spent_since(without)
        shared = next((base for base in spent if base in took), None)
        if shared is not None and took[shared] >= EQUAL * spent[shared]:
            return Fact(
                name, f"{run.name}: {took[shared]:.1f} processor minutes, {last.name} {spent[shared]:.1f}, from "
                f"{shared.name}",
            )  # fmt: skip
    return Fact(
        name, f"missing: no model without rewards, from the same base, with at least {EQUAL:.0%} of the processor time",
        flagged=True,
    )  # fmt: skip


def _spent_since(line: Sequence[Run]) -> dict[Path, float]:
    """{what a stage started from: processor minutes since}, last stage first, as far back as their times are known."""
    spent, sum_of = {}, 0.0
    for stage in line:
        minutes, base = processor_minutes(stage), stage.recipe.get("model")
        if not minutes or base is None:
            break
        sum_of += minutes
        spent[(find(base, stage) or Path(base)).resolve()] = sum_of
    return spent


def _mirage(run: Run, result: Mapping[str, Any]) -> list[Fact]:
    """Whether the ECG is used, and what the model answers without it."""
    model, percent = result["models"][run.name], Shown("", "")
    found = model["mirage"].get("conditions", {})
    accuracy = {name: condition["diagnosis_accuracy"] for name, condition in found.items()}
    own, chance = percent.number(model["diagnosis_accuracy"]), percent.number(model["chance_accuracy"])
    if SHUFFLED.name not in accuracy:
        text = f"own ECG {own}, chance {chance}; with another patient's ECG: not measured"
        facts = [Fact("is the ECG used?", text, flagged=True)]
    else:
        shuffled = accuracy[SHUFFLED.name]
        text = (
            f"diagnosis accuracy {own} with its own ECG, {percent.number(shuffled)} with another's, {chance} by chance"
        )
        facts = [Fact("is the ECG used?", text, flagged=(model["diagnosis_accuracy"] or 0) <= (shuffled or 0))]
    name = "without signal, page or both"
    if NOTHING.name not in found:
        return [*facts, Fact(name, "not measured", flagged=True)]
    parts = [f"{c.title} {percent.number(accuracy[c.name])}" for c in LESS if c.name in accuracy]
    nothing = found[NOTHING.name]
    parts.append(f"says that there is no ECG where there is none: {percent.number(nothing['abstained'])}")
    if not nothing["trained"]:
        parts.append("its recipe never trained it without an ECG")
    text = f"diagnosis accuracy on {nothing['examples']} examples: {'; '.join(parts)}"
    return [*facts, Fact(name, text, flagged=nothing["abstained"] < ABSTAINS)]


def _pair(run: Run, result: Mapping[str, Any]) -> Mapping[str, Any]:
    """The last model against the one before it; empty where it is alone."""
    pairs = [pair for name, pair in result["paired"].items() if name.startswith(f"{run.name} - ")]
    return pairs[-1] if pairs else {}


def _tenths(run: Run, key: str) -> tuple[float, float] | None:
    """The mean of a logged value over the first and over the last tenth of the run."""
    values = [float(row[key]) for row in run.log if isinstance(row.get(key), int | float)]
    if len(values) < 2:
        return None
    tenth = max(1, len(values) // 10)
    return sum(values[:tenth]) / tenth, sum(values[-tenth:]) / tenth


def _divergence(run: Run, result: Mapping[str, Any]) -> Fact:
    """Whether the reward rose in training while a metric fell."""
    name, reward, pair = "reward against metrics", _tenths(run, "reward"), _pair(run, result)
    if reward is None or not pair:
        return Fact(name, "no reward was logged, or no earlier model is compared")
    rose = reward[1] > reward[0]
    worse = [metric for metric in METRICS if metric.key in QUALITY and metric.verdict(metric.of(pair)) == "worse"]
    text = f"reward {reward[0]:.2f} to {reward[1]:.2f}"
    if rose and worse:
        fell = "; ".join(f"{metric.title.lower()} {metric.signed(metric.of(pair)['difference'])}" for metric in worse)
        return Fact(name, f"{text}, and yet {fell}", flagged=True)
    return Fact(name, f"{text}; no held-out metric is worse beyond its interval")


def _alarms(run: Run, judged: Sequence[Judged], result: Mapping[str, Any]) -> list[Fact]:
    """Signs that a reward was played."""
    alarms = []
    length, entropy, pair = _tenths(run, "completions/mean_length"), _tenths(run, "entropy"), _pair(run, result)
    if length and length[1] > LONGER * length[0]:
        alarms.append(f"answers grew from {length[0]:.0f} to {length[1]:.0f} tokens in training")
    if entropy and entropy[1] < COLLAPSED * entropy[0]:
        alarms.append(f"entropy fell from {entropy[0]:.2f} to {entropy[1]:.2f} nats")
    for metric in HEADLINE:
        interval = metric.of(pair) if pair else None
        if interval and interval["difference"] is not None:
            fewer = metric.key == "quoted_per_answer" and (interval["high"] or 0) < 0
            if fewer or (metric.key in ("format", "cut") and metric.verdict(interval) == "worse"):
                alarms.append(f"{metric.title.lower()}: {metric.signed(interval['difference'])}")
    alarms += signs(judged)
    return [Fact("alarm", alarm, flagged=True) for alarm in alarms] or [Fact("alarms", "none")]


def _cost(run: Run) -> Fact:
    minutes = processor_minutes(run)
    steps = max((row["step"] for row in run.log if "step" in row), default=None)
    parts = [f"{steps} steps" if steps is not None else "", f"{minutes:.1f} processor minutes" if minutes else ""]
    machine = run.environment.get("platform")
    known = ", ".join(part for part in (*parts, str(machine or "")) if part)
    return Fact("cost of training", known or "unknown", flagged=not known)


def _asked(model: Mapping[str, Any]) -> list[Fact]:
    """What the answers of an endpoint took."""
    if not (usage := model.get("usage")):
        return []
    words = f"{usage['prompt_tokens']:,} tokens of prompts, {usage['completion_tokens']:,} of answers"
    return [Fact("cost of the answers", words + (f"; {usage['cost']:.4f}" if "cost" in usage else ""))]


def _table(result: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    models = result["models"]
    last = list(models)[-1]
    pairs = {name: pair for name, pair in result["paired"].items() if name.startswith(f"{last} - ")}
    shown = [metric for metric in METRICS if any(metric.of(model) is not None for model in models.values())]
    rows = [
        (
            metric.title,
            *(metric.number(metric.of(model)) for model in models.values()),
            *(_interval(metric, metric.of(pair)) for pair in pairs.values()),
        )
        for metric in shown
    ]
    return ("metric", *models, *(name.replace(" - ", " − ") for name in pairs)), tuple(rows)


def _interval(metric: Shown, interval: Mapping[str, float | None] | None) -> str:
    if not interval or interval["difference"] is None:
        return NO_VALUE
    low, high = (metric.signed(interval[end]).removesuffix(" points") for end in ("low", "high"))
    return f"{metric.signed(interval['difference'])} ({low}, {high})"


def as_html(card: Card) -> str:
    """The card as a page by itself."""
    return rendered("card.html.j2", card=card, style=our_own("report.css"))


def as_markdown(card: Card) -> str:
    """The card for a model card on the Hub."""
    lines = [f"# {md(card.title)}", ""]
    lines += [f"- **{md(fact.name)}**: {'⚠ ' if fact.flagged else ''}{md(fact.value)}" for fact in card.facts]
    lines += ["", *("| " + " | ".join(map(md, row)) + " |" for row in (card.head,))]
    lines += ["|" + "---|" * len(card.head), *("| " + " | ".join(map(md, row)) + " |" for row in card.rows)]
    return "\n".join(lines) + "\n"


def as_csv(card: Card) -> str:
    """The table of metrics. A cell that a spreadsheet would take for a formula begins with an apostrophe."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [
            [f"'{cell}" if re.match(r"[=@\t\r]|[+-](?![\d.])", cell) else cell for cell in row]
            for row in (card.head, *card.rows)
        ]
    )
    return text.getvalue()


def as_latex(card: Card) -> str:
    """The table of metrics as a `tabular`, for booktabs."""
    lines = [rf"\begin{{tabular}}{{l{'r' * (len(card.head) - 1)}}}", r"\toprule"]
    lines += [" & ".join(map(_tex, card.head)) + r" \\", r"\midrule"]
    lines += [" & ".join(map(_tex, row)) + r" \\" for row in card.rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def md(text: str) -> str:
    """Plain text in Markdown: nothing of it is markup, a link or HTML."""
    return re.sub(r"([\\`*_{}\[\]<>#|!&~])", r"\\\1", " ".join(text.split()))


_TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "–": "--", "°": r"$^\circ$", "×": r"$\times$",
    "µ": r"$\mu$",
}  # fmt: skip


def _tex(text: str) -> str:
    """Plain text in LaTeX."""
    return "".join(_TEX.get(character, character) for character in " ".join(text.split()))
