"""Writes a split, record by record; a build that was cut short goes on with it and ends with the same bytes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ecg_r1.corpus.cache import microvolts
from ecg_r1.corpus.rows import EXAMPLES, RECORDS, CorpusError, Ids, Rows, RowWriter, shard, shards
from ecg_r1.corpus.store import COMPLETE, FACTS, PAGES, SIGNALS, split_facts
from ecg_r1.datasets.example import Example
from ecg_r1.disk import DiskError
from ecg_r1.ecg.doubts import is_doubt
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.record import SAMPLES, ECGRecord
from ecg_r1.files import PART, read_json, write_atomically
from ecg_r1.locks import LOCK, FolderLock, Locked
from ecg_r1.recipe import RecipeError

QUARANTINE = "quarantine.jsonl"
LEFT_OUT = "left-out.jsonl"  # examples without one of their records
CONFLICTS = "conflicts.jsonl"  # where a record's label and its signal disagree
REWRITES = "rewrites.jsonl"  # texts of a language model that were refused, each with the reason
PROGRESS = "progress.json"
SHARD = 4096  # records, or examples of files, whose rows are one file


class SplitWriter:
    """Appends to a split until it is finished.

    Rows are written in shards, each an Arrow file that is there as a whole or not at all. What `progress.json` counts
    is whole; opening a split that was interrupted cuts every other file back to it and removes later shards. The folder
    is locked until the writer is closed; nothing is written into a split that is complete.

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
        self._whole = {"records": 0, "examples": 0}  # shards
        self._shards: dict[str, RowWriter] = {}
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
        if not (self.folder / FACTS).is_file():
            return
        there = split_facts(self.folder)
        if other := [name for name in (*self.facts, *there) if there.get(name) != self.facts.get(name)]:
            raise RecipeError(
                f"{self.folder}: holds a split of another recipe ({', '.join(dict.fromkeys(other))} differ); choose "
                "another `out:` or move the folder away"
            )

    def _begin(self) -> None:
        self._check_facts()  # again: another process may have built it meanwhile
        if self.complete:
            return
        if not (self.folder / FACTS).is_file():
            write_atomically(self.folder / FACTS, json.dumps(self.facts, indent=1))
        if (progress := read_json(self.folder / PROGRESS)) is not None:
            self.records, self.examples, self.quarantined, *whole = progress
            self._whole = dict(zip(self._whole, whole, strict=True))
        self._remove_shards()
        sizes = {SIGNALS: len(LEADS) * SAMPLES * 2}
        if self.facts["pages"] == "stored":
            sizes[PAGES] = self.facts["page_size"] ** 2 * 3
        self._files = {name: self._opened(name) for name in (*sizes, QUARANTINE)}
        for name, size in sizes.items():
            self._cut(name, self.records * size)
        file = self._files[QUARANTINE]
        file.seek(0)
        lines = [len(line) for line in (file.readline() for _ in range(self.quarantined)) if line.endswith(b"\n")]
        self._cut(QUARANTINE, sum(lines), holds_less=len(lines) < self.quarantined)
        for name, count in (("records", self.records), ("examples", self.examples)):
            rows = Rows(shards(self.folder, name, self._whole[name]), RECORDS if name == "records" else EXAMPLES)
            if len(rows) != count:
                raise self._holds_less(name)

    def _remove_shards(self) -> None:
        """Those that an interrupted build had not counted yet, and what it was writing."""
        whole = {shard(self.folder, name, k) for name, count in self._whole.items() for k in range(count)}
        for pattern in ("*.arrow", f"*{PART}"):
            for path in self.folder.glob(pattern):
                if path not in whole:
                    path.unlink()

    def _opened(self, name: str) -> BinaryIO:
        file = (self.folder / name).open("ab+")
        self._open.callback(file.close)
        return file

    def _cut(self, name: str, size: int, *, holds_less: bool = False) -> None:
        """Drop what an interrupted build wrote after its last whole shard."""
        if holds_less or (self.folder / name).stat().st_size < size:
            raise self._holds_less(name)
        self._files[name].truncate(size)

    def _holds_less(self, name: str) -> CorpusError:
        return CorpusError(
            f"{self.folder / name}: holds less than the {self.records} records and {self.quarantined} quarantined ones "
            f"that {PROGRESS} counts; remove {self.folder} and build the split again"
        )

    def add(
        self,
        record: ECGRecord,
        measurements: Measurements | str,
        page: np.ndarray | None = None,
        *,
        signal: np.ndarray | None = None,
        unknown_labels: Sequence[str] = (),
        unlabelled: Sequence[str] = (),
        untold: Sequence[str] = (),
        conflicts: Sequence[Mapping[str, Any]] = (),
        rewrite: Mapping[str, Any] | None = None,
    ) -> None:
        """Append a record.

        Args:
            record: its diagnoses are of the vocabulary.
            measurements: those a reward is to hold a text against; or the JSON text of their `to_json`.
            page: uint8 (S, S, 3), of the record as stored; None where pages are drawn.
            signal: int16 (12, 5000) µV, of a record that comes without its own.
            unknown_labels: labels of the record, or parts of them, of which nothing is read.
            unlabelled: kinds of statement that its labels leave out.
            untold: diagnoses of which its report states no finding, because the signal contradicts it.
            conflicts: where label and signal disagree; see `text.conflicts`.
            rewrite: what became of its report at a language model; see `rewrite`.
        """
        self.records += 1
        self._files[SIGNALS].write(np.ascontiguousarray(microvolts(record.signal) if signal is None else signal).data)
        if self.facts["pages"] == "stored":
            assert page is not None
            self._files[PAGES].write(np.ascontiguousarray(page).data)
        row = {
            "record": record.record_id,
            "source": record.source,
            "patient": record.patient,
            "diagnoses": list(record.diagnoses),
            "unknown_labels": list(unknown_labels),
            "unlabelled": list(unlabelled),
            "untold": list(untold),
            "conflicts": list(conflicts),
            "rewrite": rewrite,
            "leads": list(record.leads),
            "samples": record.samples,
            "windows": None if record.windows is None else record.windows.tolist(),
            "quality": list(record.quality),
            "measurements": measurements if isinstance(measurements, str) else measurements.to_json(),
            "report": record.report,
        }
        self._shard("records", RECORDS).add(row)

    def add_example(self, example: Example) -> None:
        """Append an example; its records are in the split, or come before it is finished."""
        self.examples += 1
        self._shard("examples", EXAMPLES).add(vars(example))

    def quarantine(self, record: str, reason: str) -> None:
        """Append a record that cannot be used."""
        self.quarantined += 1
        line = json.dumps({"record": record, "quarantined": reason})
        self._files[QUARANTINE].write(line.encode() + b"\n")

    def flush(self) -> None:
        """End the shards: what was appended is whole."""
        self._end_shards()
        for file in self._files.values():
            file.flush()
        counts = [self.records, self.examples, self.quarantined, *self._whole.values()]
        write_atomically(self.folder / PROGRESS, json.dumps(counts))

    def finish(self, more: Iterable[Example] = ()) -> None:
        """End the split; nothing can be appended afterwards.

        Args:
            more: examples that come after those appended. One whose record is quarantined or was never there is left
                out, and listed in `left-out.jsonl`.

        Raises:
            CorpusError: two records or two examples have one id, or an example that was appended is about a record that
                is not there.
        """
        self.flush()
        records = Rows(shards(self.folder, "records", self._whole["records"]), RECORDS)
        known = Ids(records.table["record"], self.folder / "records-*.arrow")
        examples = Rows(shards(self.folder, "examples", self._whole["examples"]), EXAMPLES)
        if not pc.all(pc.is_in(pc.list_flatten(examples.table["records"]), known.array), min_count=0).as_py():
            raise CorpusError(f"{self.folder}: an example was appended whose record was not")
        left_out = self._add_more(more, known)
        examples = Rows(shards(self.folder, "examples", self._whole["examples"]), EXAMPLES)
        Ids(examples.table["id"], self.folder / "examples-*.arrow")
        unknown = Counter(pc.list_flatten(records.table["unknown_labels"]).to_pylist())
        untold = Counter(pc.list_flatten(records.table["untold"]).to_pylist())
        conflicts = ((row["record"], one) for row in records.each("record", "conflicts") for one in row["conflicts"])
        disagreements = self._listed(CONFLICTS, "kind", conflicts)
        worded = ((row["record"], row["rewrite"]) for row in records.each("record", "rewrite") if row["rewrite"])
        refusals = self._listed(REWRITES, "refused", ((record, one) for record, one in worded if "refused" in one))
        asked = len(records) - records.table["rewrite"].null_count
        doubtful = sum(any(map(is_doubt, row["quality"])) for row in records.each("quality"))
        counts = {
            "records": self.records,
            "examples": self.examples,
            "quarantined": self.quarantined,
            "examples_left_out": left_out,
            "unknown_labels": dict(unknown.most_common()),
            "untold": dict(untold.most_common()),
            "conflicts": dict(disagreements.most_common()),
            "rewritten": asked - refusals.total(),
            "rewrites_refused": dict(refusals.most_common()),
            "doubtful": doubtful,
            "record_shards": self._whole["records"],
            "example_shards": self._whole["examples"],
        }
        write_atomically(self.folder / COMPLETE, json.dumps(counts))
        self.close()

    def _listed(self, name: str, kind: str, found: Iterable[tuple[str, Mapping[str, Any]]]) -> Counter[str]:
        """Write what was found of records, a line each; counted by its kind. No file is left where there is nothing."""
        counted = Counter[str]()
        with (self.folder / name).open("w", encoding="utf-8") as listed:
            for record, one in found:
                listed.write(json.dumps({"record": record, **one}) + "\n")
                counted[one[kind]] += 1
        if not counted:
            (self.folder / name).unlink()
        return counted

    def _add_more(self, more: Iterable[Example], known: Ids) -> int:
        """Append the examples of files in shards of their own; how many are left out for lack of a record."""
        left_out = 0
        with (self.folder / LEFT_OUT).open("w", encoding="utf-8") as missing:
            for example in more:
                if lacks := [record for record in example.records if record not in known]:
                    left_out += 1
                    missing.write(json.dumps({"example": example.id, "records": lacks}) + "\n")
                    continue
                self.examples += 1
                rows = self._shard("examples", EXAMPLES)
                rows.add(vars(example))
                if rows.rows == SHARD:
                    self._end_shards()
        self._end_shards()
        if not left_out:
            (self.folder / LEFT_OUT).unlink()
        return left_out

    def _shard(self, name: str, schema: pa.Schema) -> RowWriter:
        """The shard that is being written; a new one where none is."""
        if name not in self._shards:
            rows = RowWriter(shard(self.folder, name, self._whole[name]), schema)
            self._open.callback(rows.close)
            self._shards[name] = rows
        return self._shards[name]

    def _end_shards(self) -> None:
        for name, rows in self._shards.items():
            rows.finish()
            self._whole[name] += 1
        self._shards = {}

    def close(self) -> None:
        """Close the files and free the folder."""
        self._open.close()

    def _tidy(self) -> None:
        """Remove the lock that a build leaves which was killed at its end; whoever cannot write here can still read."""
        if (self.folder / LOCK).is_file():
            with suppress(Locked, DiskError), FolderLock(self.folder):
                pass

    def __enter__(self) -> SplitWriter:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
