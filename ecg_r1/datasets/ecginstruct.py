"""PULSE's ECGInstruct: LLaVA's row with `metadata` {subtask, type} and `source`, a page and no signal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ecg_r1.datasets import llava
from ecg_r1.datasets.example import Example
from ecg_r1.datasets.item import Format, Media, Row, row_of

MADE = {"metadata": {"subtask": "report", "type": "open-ended"}, "source": "ecg_r1"}


def _recognises(row: Row, file: str) -> bool:
    metadata = row.get("metadata")
    has_task = isinstance(metadata, Mapping) and "subtask" in metadata
    return llava.is_conversation(row) and (has_task or "source" in row or "ecginstruct" in file.lower())


def _write(example: Example, media: Media) -> dict[str, Any]:
    task = {"metadata": example.extra["task"]} if "task" in example.extra else {}
    return ({} if row_of(example) else MADE | task) | llava.write(example, media)


ECGINSTRUCT = Format("ecginstruct", "PULSE ECGInstruct", False, _recognises, llava.read, _write)
