"""ECG-QA (Oh et al., NeurIPS 2023; Jwoo5/ecg-qa): the set of answers must be the right one, exactly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ecg_r1.evaluation.benchmarks.items import BenchmarkError, Item, answer_of, paired
from ecg_r1.scoring.answer_sets import answer_text, is_right


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
    empty = sum(not answer_text(text) for text in texts)
    return {"answers": len(texts), "accuracy": right / len(texts), "invalid": empty / len(texts)}
