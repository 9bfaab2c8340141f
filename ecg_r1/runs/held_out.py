"""Metrics of held-out answers amid a training: what measures them, and what of them lies in the run's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ecg_r1.corpus.store import RecordStore
from ecg_r1.files import read_json, write_atomically
from ecg_r1.runs import layout
from ecg_r1.runs.predictions import Prediction

FACTS = "best.json"  # in the folder of the best checkpoint


@dataclass(frozen=True)
class Measured:
    """What held-out answers are worth.

    Attributes:
        values: metrics by their names in compare.json; one that does not exist for these answers is missing.
        errors: the standard error of each.
        signs: in words, that the answers hardly depend on the ECG: repeated texts, constant values, cut answers.
    """

    values: Mapping[str, float]
    errors: Mapping[str, float]
    signs: Sequence[str] = ()


class Measure(Protocol):
    """Measures answers. The command line passes one in, because training imports nothing of the evaluation."""

    higher_is_better: Mapping[str, bool]  # the metrics by which a checkpoint can be called the best

    def __call__(self, answers: Sequence[Prediction], store: RecordStore) -> Measured:
        """Measure answers to examples of a split."""
        ...


@dataclass
class Curve:
    """The evaluations of a run so far, in its file `held_out.jsonl`.

    Args:
        folder: of the run.
        metric: by which they are compared.
        higher: whether more of it is better.
    """

    folder: Path
    metric: str
    higher: bool
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """Of the file."""
        return self.folder / layout.HELD_OUT

    def read(self, step: int, *, write: bool) -> None:
        """Take up the evaluations up to a step; a resumed run makes the later ones again.

        Args:
            step: at which the run goes on.
            write: whether this process writes the file: it then forgets the later ones.
        """
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.is_file() else []
        rows = [row for row in map(_row, lines) if row is not None]
        self.rows = [row for row in rows if row["step"] <= step]
        if write and lines:
            write_atomically(self.path, "".join(json.dumps(row) + "\n" for row in self.rows))

    def add(self, row: dict[str, Any], *, write: bool) -> None:
        """Add an evaluation."""
        self.rows.append(row)
        if write:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    def value(self, row: Mapping[str, Any]) -> float | None:
        """The metric of an evaluation."""
        return row["values"].get(self.metric)

    def best(self) -> dict[str, Any] | None:
        """The first of the best evaluations; None where none has the metric."""
        known = [row for row in self.rows if self.value(row) is not None]
        sign = 1 if self.higher else -1
        return max(known, key=lambda row: (sign * row["values"][self.metric], -row["step"]), default=None)

    def since_best(self) -> int:
        """How many evaluations came after the best one."""
        best = self.best()
        return len(self.rows) if best is None else sum(row["step"] > best["step"] for row in self.rows)


def kept_best(folder: Path) -> dict[str, Any] | None:
    """What the best checkpoint of a run says of itself: `step`, `metric`, `value`; None where there is none."""
    facts = read_json(folder / layout.BEST / FACTS)
    return facts if isinstance(facts, dict) and {"step", "metric", "value"} <= facts.keys() else None


def _row(line: str) -> dict[str, Any] | None:
    """A killed process can leave half a line."""
    try:
        row = json.loads(line)
    except json.JSONDecodeError:
        return None
    whole = isinstance(row, dict) and isinstance(row.get("step"), int) and isinstance(row.get("values"), dict)
    return row if whole else None
