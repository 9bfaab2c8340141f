"""Items of a benchmark and answers to them, as the field writes them: JSON lists and JSON lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ecg_r1.datasets.rows import read_rows
from ecg_r1.errors import UserError

Item = dict[str, Any]


class BenchmarkError(UserError):
    """A benchmark's file or the answers to it cannot be scored; the message names the file and the item."""


def read_items(path: Path) -> list[Item]:
    """The rows of a file, as `datasets.rows.read_rows` reads them, all at once.

    Raises:
        FormatError: the file is missing, or holds something else.
        BenchmarkError: it holds nothing.
    """
    items = [row for _, row in read_rows(path)]
    if not items:
        raise BenchmarkError(f"{path}: holds no items")
    return items


def value_of(item: Mapping[str, Any]) -> Any:
    """The right answer of a LLaVA item: what its second turn says. `conversation` is read like `conversations`.

    Raises:
        BenchmarkError: the item has no second turn; the message names the item.
    """
    turns = item.get("conversations", item.get("conversation"))
    try:
        return turns[1]["value"]  # type: ignore[index]
    except (TypeError, KeyError, IndexError):
        raise BenchmarkError(f"item {item.get('id', item.get('No'))!r}: no second turn in `conversations`") from None


def answer_of(row: Mapping[str, Any]) -> str:
    """The text of an answer: its `text`, else its `response`.

    Raises:
        BenchmarkError: it has neither; the message names the question.
    """
    for key in ("text", "response"):
        if isinstance(row.get(key), str):
            return str(row[key])
    raise BenchmarkError(f"answer to {question_of(row)!r}: neither `text` nor `response`")


def question_of(row: Mapping[str, Any]) -> Any:
    """The id of the question that an answer is to: its `question_id`, else its `id`; None where it has neither."""
    return row["question_id"] if "question_id" in row else row.get("id")


def paired(items: Sequence[Item], answers: Sequence[Item], key: str = "id") -> list[tuple[Item, Item]]:
    """Each answer with its item, in the order of the answers.

    Raises:
        BenchmarkError: an answer is to no item, or an item has no answer; the message names the question.
    """
    by_id = {str(item.get(key)): item for item in items}
    asked = [str(question_of(row)) for row in answers]
    if unknown := sorted(set(asked) - by_id.keys()):
        raise BenchmarkError(f"{len(unknown)} answers are to no item of the benchmark, e.g. {unknown[0]!r}")
    if missing := sorted(by_id.keys() - set(asked)):
        raise BenchmarkError(f"{len(missing)} items have no answer, e.g. {missing[0]!r}")
    return [(by_id[name], row) for name, row in zip(asked, answers, strict=True)]
