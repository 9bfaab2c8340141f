"""ECG-Reasoning-Benchmark (arXiv 2603.14326, Jwoo5/ecg-reasoning-benchmark), from files with `model_response`.

Each step is asked with the right answers to all steps before it. So the accuracy of a step, and of the last decision,
is "with the right history"; Completion and Depth are those of a model that stops at its first wrong step.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecg_r1.evaluation.benchmarks.items import BenchmarkError, Item
from ecg_r1.scoring import Completion

# In the order in which they are asked; the older names of the authors' code are read too.
STEPS = {
    "criterion_selection": ("criterion_selection",),
    "finding_identification": ("finding_identification", "finding"),
    "ecg_grounding": ("ecg_grounding", "grounding"),
    "diagnostic_decision": ("diagnostic_decision", "decision"),
}
_FRAME = " \t\r\n-*_`\"'.:"
_LEAD = re.compile(r"\b(?:iii|ii|i|avr|avl|avf|v[1-6])\b")
_YES_NO = {"yes", "no"}


@dataclass(frozen=True)
class Walk:
    """One item, judged.

    Attributes:
        initial: whether the diagnosis before any reasoning is right.
        loops: of each criterion, (kind of step, whether it is right) in the order asked.
        grounded: of each criterion, whether it has a grounding step.
    """

    initial: bool
    loops: tuple[tuple[tuple[str, bool], ...], ...]
    grounded: tuple[bool, ...]

    @property
    def steps(self) -> list[tuple[str, bool]]:
        """All steps."""
        return [step for loop in self.loops for step in loop]

    @property
    def completed(self) -> bool:
        """Whether every step is right."""
        return all(right for _, right in self.steps)

    @property
    def decision(self) -> bool:
        """Whether the last decision, with the right history, is right."""
        return self.steps[-1][1]

    @property
    def depths(self) -> list[int]:
        """Of each criterion that is grounded: how many of its four stages are right before the first wrong step."""
        depths, going = [], True
        for loop, grounded in zip(self.loops, self.grounded, strict=True):
            stages: dict[str, bool] = {}
            for kind, right in loop:
                stage = "ecg_grounding" if kind.endswith("_grounding") else kind
                stages[stage] = stages.get(stage, True) and right
            depth = 0
            for right in stages.values():
                going = going and right
                depth += going
            if grounded:
                depths.append(depth)
        return depths


def score(items: Sequence[Item]) -> dict[str, Any]:
    """The figures over all items and by diagnosis.

    Args:
        items: the benchmark's, with a `model_response` in each question.

    Returns:
        `items`; `initial_accuracy`; `completion`, the share of items with every step right; `depth`, 0 to 4, the mean
        over grounded criteria; `decision_accuracy` with the right history; `alignment`, the share that is completed
        with the same, right initial diagnosis; `steps`, the accuracy of each kind of step; and `by_diagnosis`.

    Raises:
        BenchmarkError: an item lacks a part; the message names the item and the part.
    """
    walks: dict[str, list[Walk]] = defaultdict(list)
    for number, item in enumerate(items):
        name = str((item.get("metadata") or {}).get("target_dx", "unknown"))
        walks[name].append(walk(item, number))
    every = [one for group in walks.values() for one in group]
    return _figures(every) | {"by_diagnosis": {name: _figures(group) for name, group in sorted(walks.items())}}


def _figures(walks: Sequence[Walk]) -> dict[str, Any]:
    steps: dict[str, list[bool]] = defaultdict(list)
    for one in walks:
        for kind, right in one.steps:
            steps[kind].append(right)
    depths = [depth for one in walks for depth in one.depths]

    def share(values: Sequence[bool]) -> float:
        return sum(values) / len(values)

    return {
        "items": len(walks),
        "initial_accuracy": share([one.initial for one in walks]),
        "completion": share([one.completed for one in walks]),
        "depth": sum(depths) / len(depths) if depths else None,
        "decision_accuracy": share([one.decision for one in walks]),
        "alignment": share([one.initial and one.completed for one in walks]),
        "steps": {kind: share(values) for kind, values in steps.items()},
    }


def walk(item: Item, number: int = 0) -> Walk:
    """One item, judged; see `score`."""
    where = f"item {(item.get('metadata') or {}).get('id', number)!r}"
    data = item.get("data")
    if not isinstance(data, dict) or not data.get("reasoning"):
        raise BenchmarkError(f"{where}: no `data.reasoning`")
    loops, grounded = [], []
    for loop in data["reasoning"]:
        asked = list(_asked(loop, where))
        grounded.append(any(kind.endswith("_grounding") for kind, _ in asked))
        loops.append(tuple((kind, _right(question, where)) for kind, question in asked))
    initial = data.get("initial_diagnostic_question")
    if not isinstance(initial, dict):
        raise BenchmarkError(f"{where}: no `data.initial_diagnostic_question`")
    return Walk(_right(initial, where), tuple(loops), tuple(grounded))


def _asked(loop: Mapping[str, Any], where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for stage, names in STEPS.items():
        found = next((loop[name] for name in names if name in loop), None)
        if found is None:
            raise BenchmarkError(f"{where}: a criterion without `{stage}`")
        if stage == "ecg_grounding":
            yield from ((str(question.get("question_type", "lead_grounding")), question) for question in found)
        else:
            yield stage, found


def _right(question: Mapping[str, Any], where: str) -> bool:
    said, gold = question.get("model_response"), question.get("answer")
    if not isinstance(said, str) or gold is None:
        lacking = "model_response" if gold is not None else "answer"
        raise BenchmarkError(f"{where}: a question without `{lacking}`")
    return is_right(gold if isinstance(gold, list) else [gold], said, question.get("options") or ())


def is_right(gold: Sequence[str], said: str, options: Sequence[str] = ()) -> bool:
    """Whether a response names the right options and no other.

    The response is one or several options as written, a lead with or without "lead", or a sentence that holds the
    right options and no other one. A yes or no counts at the beginning or at the end of the response.

    Args:
        gold: the right options.
        said: the response; of a completion with tags, its answer.
        options: all options; where none are given, only the right ones as written are right.
    """
    completion = Completion.parse(said)
    text = _plain(completion.answer if completion.tags and completion.answer is not None else said)
    wanted, others = {_plain(one) for one in gold}, {_plain(one) for one in options}
    if text in wanted and len(wanted) == 1:
        return True
    if wanted <= _YES_NO:
        words = re.findall(r"[a-z]+", text)
        ends = {words[0], words[-1]} & _YES_NO if words else set()
        further = any(one not in _YES_NO and one in text for one in others)
        return ends == wanted and not further
    if all(_LEAD.fullmatch(one.removeprefix("lead ")) for one in wanted):
        named = set(_LEAD.findall(text))
        return named == {one.removeprefix("lead ") for one in wanted}
    held = set()
    for one in sorted(others | wanted, key=len, reverse=True):
        text, count = re.subn(rf"(?<!\w){re.escape(one)}(?!\w)", "|", text)
        if count:
            held.add(one)
    return held == wanted


def _plain(text: str) -> str:
    return " ".join(str(text).lower().split()).strip(_FRAME)
