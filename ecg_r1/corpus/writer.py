"""Writes a split, record by record; a build that was cut short goes on with it and ends with the same bytes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ecg_r1.corpus.example import Example
from ecg_r1.corpus.rows import EXAMPLES, RECORDS, CorpusError, Ids, Rows, write_rows
from ecg_r1.corpus.store import EXAMPLE_ROWS, MICROVOLT, PAGES, RECORD_ROWS, SIGNALS, split_facts
from ecg_r1.ecg.doubts import is_doubt
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.record import SAMPLES, ECGRecord
from ecg_r1.files import read_json, read_json_lines, write_atomically
from ecg_r1.recipe import RecipeError

RECORD_LINES, EXAMPLE_LINES, QUARANTINE = "records.jsonl", "examples.jsonl", "quarantine.jsonl"


def as_stored(record: ECGRecord) -> ECGRecord:
    """The record with its signal as the store keeps it: whole µV, up to ±32.767 mV."""
    return replace(record, signal=_microvolts(record.signal).astype(np.float32) * np.float32(MICROVOLT))


def _microvolts(signal: np.ndarray) -> np.ndarray:
    return np.clip(np.round(signal / MICROVOLT), -32768, 32767).astype(np.int16)


class SplitWriter:
    """Appends to a split until it is finished.

    Rows are JSON lines until then, and Arrow afterwards: an Arrow file cannot be appended to. What `progress.json`
    counts is whole; opening a split that was interrupted cuts every file back to it.

    Args:
        folder: of the split; made where it is missing.
        facts: how the split is made; `page_size`, and `pages`: "stored" or "drawn".

    Raises:
        RecipeError: the folder holds a split of other facts.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any]):
        self.folder, self.facts = folder, facts
        folder.mkdir(parents=True, exist_ok=True)
        self._claim()
        self.complete = (folder / "complete.json").is_file()
        self.records = self.examples = self.quarantined = 0
        if self.complete:
            self._remove_lines()
            return
        if (progress := read_json(folder / "progress.json")) is not None:
            self.records, self.examples, self.quarantined = progress
        sizes = {SIGNALS: len(LEADS) * SAMPLES * 2}
        if facts["pages"] == "stored":
            sizes[PAGES] = facts["page_size"] ** 2 * 3
        lines = {RECORD_LINES: self.records, EXAMPLE_LINES: self.examples, QUARANTINE: self.quarantined}
        self._files = {name: (folder / name).open("ab+") for name in (*sizes, *lines)}
        for name, size in sizes.items():
            self._files[name].truncate(self.records * size)
        for name, count in lines.items():
            self._files[name].seek(0)
            self._files[name].truncate(sum(len(self._files[name].readline()) for _ in range(count)))

    def _claim(self) -> None:
        path, facts = self.folder / "split.json", json.loads(json.dumps(self.facts))
        if path.is_file() and split_facts(self.folder) != facts:
            raise RecipeError(
                f"{self.folder}: holds a split of another recipe; choose another `out:` or move the folder away"
            )
        write_atomically(path, json.dumps(facts, indent=1))

    def add(
        self,
        record: ECGRecord,
        measurements: Measurements,
        page: np.ndarray | None = None,
        unknown_labels: Sequence[str] = (),
    ) -> None:
        """Append a record.

        Args:
            record: its diagnoses are of the vocabulary.
            measurements: those a reward is to hold a text against.
            page: uint8 (S, S, 3), of `as_stored(record)`; None where pages are drawn.
            unknown_labels: codes of the record that the vocabulary does not know.
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
        write_atomically(self.folder / "progress.json", json.dumps([self.records, self.examples, self.quarantined]))

    def finish(self, more: Iterable[Example] = ()) -> None:
        """Turn the lines into Arrow files; nothing can be appended afterwards.

        Args:
            more: examples that come after those appended. One whose record is quarantined is left out, and counted.

        Raises:
            CorpusError: two records or two examples have one id.
        """
        self.flush()
        write_rows(self.folder / RECORD_ROWS, RECORDS, self._rows(RECORD_LINES))
        records = Rows(self.folder / RECORD_ROWS, RECORDS)
        known, left_out = Ids(records.table["record"], self.folder / RECORD_ROWS), Counter[bool]()

        def usable(example: dict[str, Any]) -> bool:
            whole = all(record in known for record in example["records"])
            left_out[whole] += 1
            return whole

        examples = chain(self._rows(EXAMPLE_LINES), map(asdict, more))
        write_rows(self.folder / EXAMPLE_ROWS, EXAMPLES, filter(usable, examples))
        Ids(Rows(self.folder / EXAMPLE_ROWS, EXAMPLES).table["id"], self.folder / EXAMPLE_ROWS)
        unknown = Counter(label for row in records.each("unknown_labels") for label in row["unknown_labels"])
        doubtful = sum(any(map(is_doubt, row["quality"])) for row in records.each("quality"))
        counts = {
            "records": self.records,
            "examples": left_out[True],
            "quarantined": self.quarantined,
            "examples_left_out": left_out[False],
            "unknown_labels": dict(unknown.most_common()),
            "doubtful": doubtful,
        }
        write_atomically(self.folder / "complete.json", json.dumps(counts))
        self.complete = True
        self.close()
        self._remove_lines()

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()

    def _rows(self, name: str) -> Iterator[dict[str, Any]]:
        return (row for _, row in read_json_lines(self.folder / name, CorpusError))

    def _remove_lines(self) -> None:
        for name in (RECORD_LINES, EXAMPLE_LINES):
            (self.folder / name).unlink(missing_ok=True)

    def _line(self, name: str, value: dict[str, Any]) -> None:
        self._files[name].write(json.dumps(value).encode() + b"\n")

    def __enter__(self) -> SplitWriter:
        return self

    def __exit__(self, *_: Any) -> None:
        if not self.complete:
            self.close()
