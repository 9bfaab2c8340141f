"""Writes a split, record by record; a build that was cut short goes on with it and ends with the same bytes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ecg_r1.corpus.rows import EXAMPLES, RECORDS, CorpusError, Ids, Rows, write_rows
from ecg_r1.corpus.store import COMPLETE, EXAMPLE_ROWS, FACTS, MICROVOLT, PAGES, RECORD_ROWS, SIGNALS, split_facts
from ecg_r1.datasets.example import Example
from ecg_r1.disk import DiskError
from ecg_r1.ecg.doubts import is_doubt
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.record import SAMPLES, ECGRecord
from ecg_r1.files import read_json, read_json_lines, write_atomically
from ecg_r1.locks import LOCK, FolderLock, Locked
from ecg_r1.recipe import RecipeError

RECORD_LINES, EXAMPLE_LINES, QUARANTINE = "records.jsonl", "examples.jsonl", "quarantine.jsonl"
LEFT_OUT = "left-out.jsonl"  # examples without one of their records
CONFLICTS = "conflicts.jsonl"  # where a record's label and its signal disagree
PROGRESS = "progress.json"


def as_stored(record: ECGRecord) -> ECGRecord:
    """The record with its signal as the store keeps it: whole µV, up to ±32.767 mV."""
    return replace(record, signal=_microvolts(record.signal).astype(np.float32) * np.float32(MICROVOLT))


def _microvolts(signal: np.ndarray) -> np.ndarray:
    return np.clip(np.round(signal / MICROVOLT), -32768, 32767).astype(np.int16)


class SplitWriter:
    """Appends to a split until it is finished.

    Rows are JSON lines until then, and Arrow afterwards: an Arrow file cannot be appended to. What `progress.json`
    counts is whole; opening a split that was interrupted cuts every file back to it. The folder is locked until the
    writer is closed; nothing is written into a split that is complete.

    Args:
        folder: of the split; made where it is missing.
        facts: how the split is made; `page_size`, and `pages`: "stored" or "drawn".

    Raises:
        RecipeError: the folder holds a split of other facts.
        Locked: another process builds the split.
        DiskError: the folder cannot be written to.
        CorpusError: a file of an interrupted split holds less than `progress.json` counts.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any]):
        self.folder, self.facts = folder, json.loads(json.dumps(facts))
        self.records = self.examples = self.quarantined = 0
        self._files: dict[str, BinaryIO] = {}
        self._open = ExitStack()
        self._check_facts()
        if self.complete:
            self._tidy()
        else:
            with self._open:  # closes what was opened, if the beginning fails
                self._open.enter_context(FolderLock(folder))
                self._begin()
                self._open = self._open.pop_all()

    @property
    def complete(self) -> bool:
        """Whether all of the split is there."""
        return (self.folder / COMPLETE).is_file()

    def _check_facts(self) -> None:
        if (self.folder / FACTS).is_file() and split_facts(self.folder) != self.facts:
            raise RecipeError(
                f"{self.folder}: holds a split of another recipe; choose another `out:` or move the folder away"
            )

    def _begin(self) -> None:
        self._check_facts()  # again: another process may have built it meanwhile
        if self.complete:
            self._remove_lines()  # the build was killed before it did
            return
        if not (self.folder / FACTS).is_file():
            write_atomically(self.folder / FACTS, json.dumps(self.facts, indent=1))
        if (progress := read_json(self.folder / PROGRESS)) is not None:
            self.records, self.examples, self.quarantined = progress
        sizes = {SIGNALS: len(LEADS) * SAMPLES * 2}
        if self.facts["pages"] == "stored":
            sizes[PAGES] = self.facts["page_size"] ** 2 * 3
        lines = {RECORD_LINES: self.records, EXAMPLE_LINES: self.examples, QUARANTINE: self.quarantined}
        self._files = {name: self._opened(name) for name in (*sizes, *lines)}
        for name, size in sizes.items():
            self._cut(name, self.records * size)
        for name, count in lines.items():
            file = self._files[name]
            file.seek(0)
            whole = [len(line) for line in (file.readline() for _ in range(count)) if line.endswith(b"\n")]
            self._cut(name, sum(whole), holds_less=len(whole) < count)

    def _opened(self, name: str) -> BinaryIO:
        file = (self.folder / name).open("ab+")
        self._open.callback(file.close)
        return file

    def _cut(self, name: str, size: int, *, holds_less: bool = False) -> None:
        """Drop what an interrupted build wrote after its last whole record."""
        if holds_less or (self.folder / name).stat().st_size < size:
            raise CorpusError(
                f"{self.folder / name}: holds less than the {self.records} records and {self.quarantined} quarantined "
                f"ones that {PROGRESS} counts; remove {self.folder} and build the split again"
            )
        self._files[name].truncate(size)

    def add(
        self,
        record: ECGRecord,
        measurements: Measurements,
        page: np.ndarray | None = None,
        unknown_labels: Sequence[str] = (),
        unlabelled: Sequence[str] = (),
        untold: Sequence[str] = (),
        conflicts: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Append a record.

        Args:
            record: its diagnoses are of the vocabulary.
            measurements: those a reward is to hold a text against.
            page: uint8 (S, S, 3), of `as_stored(record)`; None where pages are drawn.
            unknown_labels: labels of the record, or parts of them, of which nothing is read.
            unlabelled: kinds of statement that its labels leave out.
            untold: diagnoses of which its report states no finding, because the signal contradicts it.
            conflicts: where label and signal disagree; see `text.conflicts`.
        """
        self.records += 1
        self._files[SIGNALS].write(_microvolts(record.signal).tobytes())
        if self.facts["pages"] == "stored":
            assert page is not None
            self._files[PAGES].write(page.tobytes())
        row = {
            "record": record.record_id,
            "source": record.source,
            "patient": record.patient,
            "diagnoses": list(record.diagnoses),
            "unknown_labels": list(unknown_labels),
            "unlabelled": list(unlabelled),
            "untold": list(untold),
            "conflicts": list(conflicts),
            "leads": [lead for lead, there in zip(LEADS, record.lead_mask, strict=True) if there],
            "samples": record.samples,
            "windows": None if record.windows is None else record.windows.tolist(),
            "quality": list(record.quality),
            "measurements": measurements.to_json(),
            "report": record.report,
        }
        self._line(RECORD_LINES, row)

    def add_example(self, example: Example) -> None:
        """Append an example; its records are in the split, or come before it is finished."""
        self.examples += 1
        self._line(EXAMPLE_LINES, asdict(example))

    def quarantine(self, record: str, reason: str) -> None:
        """Append a record that cannot be used."""
        self.quarantined += 1
        self._line(QUARANTINE, {"record": record, "quarantined": reason})

    def flush(self) -> None:
        """Count what was appended as whole."""
        for file in self._files.values():
            file.flush()
        write_atomically(self.folder / PROGRESS, json.dumps([self.records, self.examples, self.quarantined]))

    def finish(self, more: Iterable[Example] = ()) -> None:
        """Turn the lines into Arrow files; nothing can be appended afterwards.

        Args:
            more: examples that come after those appended. One whose record is quarantined or was never there is left
                out, and listed in `left-out.jsonl`.

        Raises:
            CorpusError: two records or two examples have one id.
        """
        self.flush()
        write_rows(self.folder / RECORD_ROWS, RECORDS, self._rows(RECORD_LINES))
        records = Rows(self.folder / RECORD_ROWS, RECORDS)
        known, left_out = Ids(records.table["record"], self.folder / RECORD_ROWS), Counter[bool]()

        with (self.folder / LEFT_OUT).open("w", encoding="utf-8") as missing:

            def usable(example: dict[str, Any]) -> bool:
                lacks = [record for record in example["records"] if record not in known]
                left_out[not lacks] += 1
                if lacks:
                    missing.write(json.dumps({"example": example["id"], "records": lacks}) + "\n")
                return not lacks

            examples = chain(self._rows(EXAMPLE_LINES), map(asdict, more))
            write_rows(self.folder / EXAMPLE_ROWS, EXAMPLES, filter(usable, examples))
        if not left_out[False]:
            (self.folder / LEFT_OUT).unlink()
        Ids(Rows(self.folder / EXAMPLE_ROWS, EXAMPLES).table["id"], self.folder / EXAMPLE_ROWS)
        unknown = Counter(label for row in records.each("unknown_labels") for label in row["unknown_labels"])
        untold = Counter(name for row in records.each("untold") for name in row["untold"])
        disagreements = Counter[str]()
        with (self.folder / CONFLICTS).open("w", encoding="utf-8") as listed:
            for row in records.each("record", "conflicts"):
                for one in row["conflicts"]:
                    listed.write(json.dumps({"record": row["record"], **one}) + "\n")
                    disagreements[one["kind"]] += 1
        if not disagreements:
            (self.folder / CONFLICTS).unlink()
        doubtful = sum(any(map(is_doubt, row["quality"])) for row in records.each("quality"))
        counts = {
            "records": self.records,
            "examples": left_out[True],
            "quarantined": self.quarantined,
            "examples_left_out": left_out[False],
            "unknown_labels": dict(unknown.most_common()),
            "untold": dict(untold.most_common()),
            "conflicts": dict(disagreements.most_common()),
            "doubtful": doubtful,
        }
        write_atomically(self.folder / COMPLETE, json.dumps(counts))
        self._remove_lines()
        self.close()

    def close(self) -> None:
        """Close the files and free the folder."""
        self._open.close()

    def _rows(self, name: str) -> Iterator[dict[str, Any]]:
        return (row for _, row in read_json_lines(self.folder / name, CorpusError))

    def _tidy(self) -> None:
        """Remove what a build leaves that was killed right before its end; whoever cannot write here can still read."""
        if any((self.folder / name).is_file() for name in (RECORD_LINES, EXAMPLE_LINES, LOCK)):
            with suppress(Locked, DiskError), FolderLock(self.folder):
                self._remove_lines()

    def _remove_lines(self) -> None:
        for name in (RECORD_LINES, EXAMPLE_LINES):
            (self.folder / name).unlink(missing_ok=True)

    def _line(self, name: str, value: dict[str, Any]) -> None:
        self._files[name].write(json.dumps(value).encode() + b"\n")

    def __enter__(self) -> SplitWriter:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
