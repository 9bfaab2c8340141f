"""The exported set: questions, pages and truths in one folder, without any training library."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from ecg_r1.errors import UserError
from ecg_r1.evaluation.benchmarks.claims_table import ratios
from ecg_r1.evaluation.metrics import Judged, judge
from ecg_r1.files import read_json_lines
from ecg_r1.runs.predictions import Prediction
from ecg_r1.scoring.adapters import case_of_row
from ecg_r1.scoring.contract import Case

ITEMS, PAGES = "items.jsonl", "pages"
METRICS = (
    "supported", "contradicted", "unverifiable", "quoted_per_answer", "coverage", "invented", "consistent",
    "diagnosis_accuracy", "heart_rate_bpm.mae", "pr_ms.mae", "qrs_ms.mae", "qt_ms.mae", "qtc_ms.mae",
)  # fmt: skip


class HarnessError(UserError):
    """A folder holds no exported set; the message says what is missing."""


@dataclass(frozen=True)
class Item:
    """One question. row: as it stands in the file; page: its picture."""

    row: Mapping[str, Any]
    page: Path

    @property
    def id(self) -> str:
        """Of the example."""
        return str(self.row["id"])

    @property
    def question(self) -> str:
        """What is asked."""
        return str(self.row["question"])

    @cached_property
    def case(self) -> Case:
        """What is true of it."""
        return case_of_row(self.row)

    def judge(self, text: str) -> Judged:
        """An answer held against the truth."""
        return judge([Prediction(self.id, self.question, text, tokens=0, cut=False)], _Alone(self.case), "free")[0]

    def counts(self, text: str) -> dict[str, tuple[float, float]]:
        """Of each of `METRICS`, what an answer adds to the two sums whose ratio it is."""
        found = ratios([self.judge(text)])
        return {name: (float(found[name].counts[0, 0]), float(found[name].counts[0, 1])) for name in METRICS}


@dataclass(frozen=True)
class _Alone:
    """The cases of `metrics.judge`, where there is one."""

    one: Case

    def case(self, example_id: str) -> Case:
        return self.one


@lru_cache(maxsize=4)
def read_set(folder: Path) -> dict[str, Item]:
    """Read an exported set.

    Args:
        folder: that `ecg-r1 benchmark export` wrote.

    Returns:
        The items by id, in their order.

    Raises:
        HarnessError: the folder holds no set, or an item has no page.
    """
    items = {}
    for where, row in read_json_lines(folder / ITEMS, HarnessError):
        page = folder / PAGES / f"{row.get('page')}"
        if not page.is_file():
            raise HarnessError(f"{where}: no page {page}; export the set again")
        items[str(row["id"])] = Item(row, page)
    if not items:
        raise HarnessError(f"{folder / ITEMS}: holds no items; export the set again")
    return items


def pooled(counts: Iterable[tuple[float, float]]) -> float:
    """The metric over all answers: one sum over the other; NaN where nothing can be counted."""
    pairs = list(counts)
    above, below = sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
    return above / below if below else float("nan")
