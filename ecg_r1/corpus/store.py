"""RecordStore: record id -> signal, page, measurements, diagnoses. One decode per record, memory-mapped.

Only ids travel through datasets, prompts and logs; arrays are looked up here where they are used.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ecg_r1.corpus.example import Example
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.record import SAMPLES, ECGRecord
from ecg_r1.errors import UserError
from ecg_r1.files import read_json_lines
from ecg_r1.scoring.contract import Case

MICROVOLT = 1e-3  # mV
SIGNALS, PAGES = "signals.i16", "pages.u8"  # raw and headless: a build that was cut short goes on by appending


class CorpusError(UserError):
    """A corpus folder is missing, incomplete or of another layout."""


class RecordStore:
    """A split written by `ecg_r1.corpus.build`.

    Args:
        folder: holds `split.json`, `records.jsonl`, `examples.jsonl`, `signals.i16` (N, 12, 5000) int16 µV and
            `pages.u8` (N, S, S, 3) uint8.

    Raises:
        CorpusError: the folder is not such a split.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        if not (self.folder / "split.json").is_file():
            raise CorpusError(
                f"{self.folder}: no corpus split here (split.json is missing); run `ecg-r1 corpus RECIPE`"
            )
        self.facts = split_facts(self.folder)
        rows = read_json_lines(self.folder / "records.jsonl", CorpusError)
        self._rows = {row["record"]: (i, row) for i, (_, row) in enumerate(rows)}
        size = self.facts["page_size"]
        self._signals = self._map(SIGNALS, np.int16, (len(LEADS), SAMPLES))
        self._pages = self._map(PAGES, np.uint8, (size, size, 3))

    @property
    def ids(self) -> list[str]:
        return list(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def signal(self, record_id: str) -> np.ndarray:
        """float32 (12, 5000) in mV."""
        return self._signals[self._index(record_id)].astype(np.float32) * np.float32(MICROVOLT)

    def page(self, record_id: str) -> np.ndarray:
        """uint8 (S, S, 3), the whole 12-lead page padded to a square."""
        return np.asarray(self._pages[self._index(record_id)])

    def row(self, record_id: str) -> dict[str, Any]:
        self._index(record_id)
        return self._rows[record_id][1]

    def diagnoses(self, record_id: str) -> tuple[str, ...]:
        return tuple(self.row(record_id)["diagnoses"])

    def measurements(self, record_id: str) -> Measurements:
        return Measurements.from_json(self.row(record_id)["measurements"])

    def record(self, record_id: str) -> ECGRecord:
        row = self.row(record_id)
        return ECGRecord(
            record_id=record_id,
            signal=self.signal(record_id),
            lead_mask=np.array([lead in row["leads"] for lead in LEADS]),
            diagnoses=self.diagnoses(record_id),
            report=row.get("report"),
            source=row.get("source"),
            patient=row.get("patient"),
        )

    @cached_property
    def examples(self) -> list[Example]:
        """The examples, in the split's order."""
        return [
            Example(**row | {"records": tuple(row["records"])})
            for _, row in read_json_lines(self.folder / "examples.jsonl", CorpusError)
        ]

    def example(self, example_id: str) -> Example:
        """The example of this id.

        Raises:
            CorpusError: there is none.
        """
        try:
            return self._by_id[example_id]
        except KeyError:
            raise CorpusError(f"{self.folder}: no example {example_id!r}") from None

    @cached_property
    def _by_id(self) -> dict[str, Example]:
        return {example.id: example for example in self.examples}

    def case(self, example_id: str) -> Case:
        """What a reward may know of an example.

        Raises:
            CorpusError: there is no such example.
        """
        example = self.example(example_id)
        first, *others = (self._case_of(example, record) for record in example.records)
        return replace(first, others=tuple(others))

    def cluster(self, example_id: str) -> str:
        """What an example is sampled with: its patient where known, else its record; of several records, the first.

        Examples of one cluster are not independent: a bootstrap draws them together.

        Raises:
            CorpusError: there is no such example.
        """
        record = self.example(example_id).records[0]
        patient = self.row(record).get("patient")
        return f"record {record}" if patient is None else f"patient {patient}"

    def _case_of(self, example: Example, record_id: str) -> Case:
        row = self.row(record_id)
        return Case(
            record_id=record_id,
            diagnoses=self.diagnoses(record_id),
            measurements=self.measurements(record_id),
            leads=tuple(row["leads"]),
            expected=example.expected,
            question=example.question,
            extra=example.extra,
            example_id=example.id,
        )

    def _map(self, name: str, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
        wanted = (len(self._rows), *shape)
        try:
            return np.memmap(self.folder / name, dtype=dtype, mode="r", shape=wanted)
        except (OSError, ValueError) as error:
            raise CorpusError(
                f"{self.folder / name}: does not hold {wanted[0]} records ({error}); build the split again"
            ) from None

    def _index(self, record_id: str) -> int:
        try:
            return self._rows[record_id][0]
        except KeyError:
            raise CorpusError(f"{self.folder}: no record {record_id!r}") from None


def split_facts(folder: Path) -> dict[str, Any]:
    """How a split was made: its `split.json`.

    Raises:
        CorpusError: the file is not whole.
    """
    path = folder / "split.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, UnicodeDecodeError, TypeError, ValueError):
        raise CorpusError(f"{path}: cut short or damaged; remove {folder} and build the split again") from None
