"""ECG-QA (Oh et al., NeurIPS 2023; Jwoo5/ecg-qa): the set of answers must be the right one, exactly."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ecg_r1.evaluation.benchmarks.items import BenchmarkError, Item, answer_of, paired
from ecg_r1.scoring import Completion

_FRAME = " \t\r\n.*_`\"'"


def score(items: Sequence[Item], answers: Sequence[Item]) -> dict[str, Any]:
    """The figures, over all and by type of question.

    Args:
        items: of ECG-QA's files; `sample_id` is what answers name.
        answers: {`question_id` or `id`: a `sample_id`, `text` or `response`}.

    Returns:
        `accuracy`, `answers`, `invalid`, and `by_type` with the same for each `question_type`.

    Raises:
        BenchmarkError: items and answers do not fit to each other, or an item has no `answer`.
    """
    rows = paired(items, answers, "sample_id")
    by_type: dict[str, list[tuple[list[str], str]]] = defaultdict(list)
    for item, row in rows:
        gold = item.get("answer")
        if not isinstance(gold, list) or not gold:
            raise BenchmarkError(f"item {item.get('sample_id')!r}: its `answer` is no list of answers")
        by_type[str(item.get("question_type"))].append((list(map(str, gold)), answer_of(row)))
    every = [row for rows_of in by_type.values() for row in rows_of]
    return figures([gold for gold, _ in every], [text for _, text in every]) | {
        "by_type": {
            kind: figures([gold for gold, _ in rows_of], [text for _, text in rows_of])
            for kind, rows_of in sorted(by_type.items())
        }
    }


def figures(gold: Sequence[Sequence[str]], texts: Sequence[str]) -> dict[str, Any]:
    """`accuracy`, `answers`, and `invalid`, the share of answers that are empty."""
    right = sum(is_right(one, text) for one, text in zip(gold, texts, strict=True))
    empty = sum(not _whole(text) for text in texts)
    return {"answers": len(texts), "accuracy": right / len(texts), "invalid": empty / len(texts)}


def is_right(gold: Sequence[str], text: str) -> bool:
    """Whether an answer names the right answers and nothing else, in any order.

    Parts are parted by ";", a new line, a comma or "and"; a right answer may itself hold a comma ("bigeminal pattern
    (unknown origin, supraventricular, or ventricular)"), so those are looked for first.
    """
    rest = _whole(text)
    wanted = sorted({" ".join(one.lower().split()) for one in gold}, key=len, reverse=True)
    for name in wanted:
        rest, found = re.subn(rf"(?<![\w-]){re.escape(name)}(?![\w-])", ";", rest, count=1)
        if not found:
            return False
    return not any(part.strip(_FRAME) for part in re.split(r"[;,\n]|\band\b", rest))


def _whole(text: str) -> str:
    """The answer of a completion, in small letters with single spaces."""
    completion = Completion.parse(text)
    answer = completion.answer if completion.tags and completion.answer is not None else text
    return " ".join(answer.lower().split()).strip(_FRAME)
