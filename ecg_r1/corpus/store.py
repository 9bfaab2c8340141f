"""RecordStore: record id -> signal, page, measurements, diagnoses; example id -> question, case. Memory-mapped.

Only ids travel through datasets, prompts and logs; arrays are looked up here where they are used.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ecg_r1.corpus.cache import millivolts
from ecg_r1.corpus.rows import EXAMPLES, RECORDS, CorpusError, Ids, Rows, shards
from ecg_r1.datasets.example import Example
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.record import SAMPLES, ECGRecord
from ecg_r1.ecg.render import render
from ecg_r1.files import read_json
from ecg_r1.scoring.cases import case_from
from ecg_r1.scoring.contract import Case

__all__ = ["CorpusError", "RecordStore", "split_facts"]

Turns = tuple[tuple[str, str], ...]  # (question, response) of each turn
CACHED = 1024  # examples and cases in memory, a few kilobytes each: the G completions of a prompt ask for the same
COUNTED = ("records", "examples", "record_shards", "example_shards")  # of `complete.json`
FACTS, COMPLETE = "split.json", "complete.json"  # how a split was made; the counts of one that is finished
SIGNALS, PAGES = "signals.i16", "pages.u8"  # raw and headless: a build that was cut short goes on by appending


class RecordStore:
    """A split written by `ecg_r1.corpus.build`. Opening it reads the ids; a row, signal or page is read when asked for.

    Args:
        folder: holds `split.json`, `complete.json`, shards of rows (`records-00000.arrow` …, `examples-00000.arrow` …),
            `signals.i16` (N, 12, 5000) int16 µV and, where pages are stored, `pages.u8` (N, S, S, 3) uint8.

    Attributes:
        facts: how the split was made.
        ids: of the records, in the split's order.
        example_ids: of the examples, in the split's order.

    Raises:
        CorpusError: the folder is not such a split, a file is not as long as its rows say, the rows are not as
            many as were built, or an id occurs twice.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        if not (self.folder / FACTS).is_file():
            raise CorpusError(
                f"{self.folder}: no corpus split here (split.json is missing); run `ecg-r1 corpus RECIPE`"
            )
        self.facts = split_facts(self.folder)
        for fact in ("page_size", "pages", "prompts"):
            if fact not in self.facts:
                raise CorpusError(f'{self.folder / FACTS}: no "{fact}": another version; build the split again')
        counts = self._counts()
        self._rows = Rows(shards(self.folder, "records", counts["record_shards"]), RECORDS)
        self._examples = Rows(shards(self.folder, "examples", counts["example_shards"]), EXAMPLES)
        self.ids = Ids(self._rows.table["record"], self.folder / "records-*.arrow")
        self.example_ids = Ids(self._examples.table["id"], self.folder / "examples-*.arrow")
        self._check_counts(counts)
        self._signals = self._map(SIGNALS, np.int16, (len(LEADS), SAMPLES))
        size, stored = self.facts["page_size"], self.facts["pages"] == "stored"
        self._pages = self._map(PAGES, np.uint8, (size, size, 3)) if stored else None
        self._example = lru_cache(CACHED)(self._read_example)
        self._case = lru_cache(CACHED)(self._read_case)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def system(self) -> str | None:
        """The system prompt that the split's recipe gives its questions."""
        return self.facts["prompts"]["system"]

    def signal(self, record_id: str) -> np.ndarray:
        """The signal of a record.

        Returns:
            float32 (12, 5000) in mV, in the order of `LEADS`.
        """
        return millivolts(self._signals[self._index(record_id)])

    def page(self, record_id: str) -> np.ndarray:
        """The 12-lead page of a record, padded to a square; drawn now where the split does not store pages.

        Returns:
            uint8 (S, S, 3).
        """
        if self._pages is None:
            return render(self.record(record_id), size=self.facts["page_size"])
        return np.asarray(self._pages[self._index(record_id)])

    def row(self, record_id: str) -> dict[str, Any]:
        """What is kept of a record but its arrays; the keys are the columns of `ecg_r1.corpus.rows.RECORDS`."""
        return self._rows[self._index(record_id)]

    def rows(self, *columns: str) -> Iterator[dict[str, Any]]:
        """The rows of all records in the split's order, of each the named columns alone."""
        return self._rows.each(*columns)

    def diagnoses(self, record_id: str) -> tuple[str, ...]:
        """In the vocabulary's names."""
        return tuple(self.row(record_id)["diagnoses"])

    def measurements(self, record_id: str) -> Measurements:
        """Those that a text about the record is held against."""
        return Measurements.from_json(self.row(record_id)["measurements"])

    def record(self, record_id: str) -> ECGRecord:
        """The record with its signal."""
        row = self.row(record_id)
        return ECGRecord(
            record_id=record_id,
            signal=self.signal(record_id),
            lead_mask=np.array([lead in row["leads"] for lead in LEADS]),
            samples=row["samples"],
            windows=None if row["windows"] is None else np.array(row["windows"]),
            quality=tuple(row["quality"]),
            diagnoses=tuple(row["diagnoses"]),
            report=row["report"],
            source=row["source"],
            patient=row["patient"],
        )

    @property
    def examples(self) -> Sequence[Example]:
        """The examples in the split's order, each read when it is asked for."""
        return _Examples(self._examples)

    def drawn(self, count: int, seed: int) -> Sequence[Example]:
        """So many examples, drawn with a seed, in the split's order; all where there are no more."""
        if count >= len(self.example_ids):
            return self.examples
        places = np.random.default_rng(seed).choice(len(self.example_ids), count, replace=False)
        return [self.examples[place] for place in sorted(places.tolist())]

    def example(self, example_id: str) -> Example:
        """The example of this id.

        Raises:
            CorpusError: the id is missing.
        """
        return self._example(example_id)

    def _read_example(self, example_id: str) -> Example:
        return self.examples[self.example_index(example_id)]

    def example_index(self, example_id: str) -> int:
        """The place of an example in `examples`.

        Raises:
            CorpusError: there is no such example.
        """
        place = self.example_ids.position(example_id)
        if place is None:
            raise CorpusError(f"{self.folder}: no example {str(example_id)!r}")
        return place

    def questions(self) -> list[tuple[str, int, Turns]]:
        """Each question once with the number of records it is asked about, and the turns before it."""
        table = self._examples.table
        asked = {
            "question": table["question"],
            "records": pc.list_value_length(table["records"]),
            "turns": table["turns"],
        }
        distinct = pa.table(asked).group_by(list(asked)).aggregate([]).to_pylist()
        return [(row["question"], row["records"], _turns(json.loads(row["turns"] or "[]"))) for row in distinct]

    def case(self, example_id: str) -> Case:
        """What a reward may know of an example.

        Raises:
            CorpusError: there is no such example.
        """
        return self._case(example_id)

    def _read_case(self, example_id: str) -> Case:
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
        patient = self.row(record)["patient"]
        return f"record {record}" if patient is None else f"patient {patient}"

    def _case_of(self, example: Example, record_id: str) -> Case:
        row = self.row(record_id)
        return case_from(
            record_id,
            example.expected.get("diagnoses", row["diagnoses"]),
            Measurements.from_json(row["measurements"]),
            leads=tuple(row["leads"]),
            unlabelled=tuple(row["unlabelled"]),
            expected=example.expected,
            question=example.question,
            extra=example.extra,
            example_id=example.id,
        )

    def _counts(self) -> dict[str, int]:
        counts = read_json(self.folder / COMPLETE)
        if not isinstance(counts, dict) or not all(isinstance(counts.get(name), int) for name in COUNTED):
            raise CorpusError(f"{self.folder / COMPLETE}: missing or damaged; run `ecg-r1 corpus` to finish the split")
        return counts

    def _check_counts(self, counts: Mapping[str, int]) -> None:
        """Rows of another build, or of one that was not finished, are noticed by their number."""
        for what, rows in (("records", self.ids), ("examples", self.example_ids)):
            if counts[what] != len(rows):
                raise CorpusError(
                    f"{self.folder / what}-*.arrow: has {len(rows)} {what}, and {COMPLETE} counts {counts[what]}; "
                    "remove the folder and build the split again"
                )

    def _map(self, name: str, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
        path, wanted = self.folder / name, (len(self), *shape)
        size = int(np.prod(wanted)) * np.dtype(dtype).itemsize
        found = path.stat().st_size if path.is_file() else None
        if found != size:
            has = "is missing" if found is None else f"has {found} bytes"
            raise CorpusError(f"{path}: {has}, and its {len(self)} records are {size} bytes; build the split again")
        return np.memmap(path, dtype=dtype, mode="r", shape=wanted)

    def _index(self, record_id: str) -> int:
        place = self.ids.position(record_id)
        if place is None:
            raise CorpusError(f"{self.folder}: no record {str(record_id)!r}")
        return place


class _Examples(Sequence[Example]):
    def __init__(self, rows: Rows):
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, position: int) -> Example: ...
    @overload
    def __getitem__(self, position: slice) -> list[Example]: ...
    def __getitem__(self, position: int | slice) -> Example | list[Example]:
        found = self._rows[position]
        return _example(found) if isinstance(found, dict) else list(map(_example, found))

    def __iter__(self) -> Iterator[Example]:
        return map(_example, self._rows)


def _example(row: Mapping[str, Any]) -> Example:
    return Example(**{**row, "records": tuple(row["records"]), "turns": _turns(row["turns"] or ())})


def _turns(given: Iterable[Sequence[str]]) -> Turns:
    return tuple((question, response) for question, response in given)


def split_facts(folder: Path) -> dict[str, Any]:
    """How a split was made: its `split.json`.

    Raises:
        CorpusError: the file is not whole.
    """
    path = folder / FACTS
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, UnicodeDecodeError, TypeError, ValueError):
        raise CorpusError(f"{path}: cut short or damaged; remove {folder} and build the split again") from None
