"""What is to be made of a split: its records, each once, and the files of examples about them."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ecg_r1.corpus.balance import balanced_sample
from ecg_r1.datasets.entry import Entry
from ecg_r1.datasets.example import Example
from ecg_r1.datasets.folder import Folder, record_entries
from ecg_r1.datasets.formats import read_examples
from ecg_r1.datasets.item import FormatError
from ecg_r1.datasets.references import References
from ecg_r1.ecg.heart import population
from ecg_r1.ecg.record import RecordError, record_id
from ecg_r1.recipe import CorpusRecipe, Source
from ecg_r1.scoring.entities import has_conventions, report_labels


@dataclass(frozen=True)
class Job:
    """One record to make: the simulator's i-th of a seed, or an entry of a data set.

    Attributes:
        report: whether an example is written for it: its question, and a report as the response. Only then it needs
            labels.
        diagnoses: that the simulator takes in turn; None: its own.
    """

    seed: int
    index: int
    entry: Entry | None = None
    report: bool = True
    diagnoses: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ExampleFile:
    """A file of examples about the records of a source.

    Attributes:
        path: of the file, or a folder of `datasets`.
        records: of the source.
        wanted: its examples that are wanted, by position; None: all of them.
    """

    path: Path
    records: References
    wanted: frozenset[int] | None = None

    def read(self, taken: set[str]) -> Iterator[Example]:
        """The examples that are wanted; their ids are added to those that are taken."""
        for position, example in enumerate(read_examples(self.path, self.records, taken)):
            if self.wanted is None or position in self.wanted:
                yield example

    def digest(self) -> str:
        """SHA-256 of the file, or of those of a folder: another text makes another split."""
        digest = hashlib.sha256()
        for file in sorted(self.path.rglob("*")) if self.path.is_dir() else [self.path]:
            if file.is_file():
                with file.open("rb") as content:
                    while block := content.read(1 << 20):
                        digest.update(block)
        return digest.hexdigest()


@dataclass
class Plan:
    """A split before it is built: its records and its files of examples, in order."""

    jobs: list[Job] = field(default_factory=list)
    files: list[ExampleFile] = field(default_factory=list)

    def examples(self) -> Iterator[Example]:
        """The examples of the files."""
        taken = set[str]()
        for file in self.files:
            yield from file.read(taken)

    def digests(self) -> dict[str, str]:
        """Of each file of examples."""
        return {str(file.path): file.digest() for file in self.files}


def plan(recipe: CorpusRecipe, name: str, sources: Sequence[Source]) -> Plan:
    """Look up the records of a split and read its files of examples.

    Raises:
        RecordError: a record folder is missing or empty, or two records have one id.
        FormatError: an example is malformed, or has the id of another; one of this package's own format is about an
            unknown record, or no example of a file is about a record of its source.
        UserError: a diagnosis cannot be simulated.
    """
    seed = zlib.crc32(f"{recipe.seed}/{name}".encode())  # splits of one seed share no record
    made = Plan()
    places, taken = dict[str, int](), set[str]()
    for number, source in enumerate(sources):
        if source.simulate is not None:
            names = None if source.diagnoses is None else tuple(source.diagnoses)
            for one in names or ():
                population(one)  # unknown ones are refused before anything is built
            made.jobs += [Job(seed, len(made.jobs) + i, diagnoses=names) for i in range(source.simulate)]
            continue
        draw = np.random.default_rng([seed, number])
        folder = entries_of(source)
        if source.examples is None:
            entries = [folder.entries[i] for i in _records(folder, source, draw)]
        else:
            file = _example_file(Path(source.examples), folder, source.limit, draw, taken)
            made.files.append(file)
            asked = {record for example in file.read(set()) for record in example.records}
            entries = [entry for record, entry in file.records.entries.items() if record in asked]
        for index, entry in enumerate(entries):
            job = Job(seed, index, entry, report=source.examples is None)
            _add(made.jobs, places, job, entry)
    for job in made.jobs:
        if job.report and job.entry is not None and record_id(job.entry.path) in taken:
            raise RecordError(f"{job.entry.path}: its report has the id of an example of a file; rename that one")
    return made


def entries_of(source: Source) -> Folder:
    """The records of a source that is no simulator's."""
    folder = record_entries(
        str(source.records),
        source.folds,
        source.kinds,
        source.likelihood,
        dataset=source.dataset,
        labels=source.table,
        columns=source.columns,
        unit_mv=source.unit_mv,
    )
    if source.labels == "report":
        archive = folder.card.name if has_conventions(folder.card.name) else None
        folder.entries = [_labelled_by_report(entry, archive) for entry in folder.entries]
    return folder


def _labelled_by_report(entry: Entry, archive: str | None) -> Entry:
    labels = report_labels(entry.report or "", archive)
    return replace(entry, diagnoses=labels, likelihoods=None, unlabelled=())


def _example_file(
    path: Path, folder: Folder, limit: int | None, draw: np.random.Generator, taken: set[str]
) -> ExampleFile:
    """Read a file once, so that a mistake in it is named before anything is built.

    Of a limit, examples are drawn whose records are all there.
    """
    file = ExampleFile(path, References(folder.card, folder.entries))
    there, strange = list[int](), ""
    for position, example in enumerate(file.read(taken)):
        if all(record in file.records for record in example.records):
            there.append(position)
        elif not strange:
            strange = next(record for record in example.records if record not in file.records)
    if not there:
        raise FormatError(
            f"{path}: no example is about a record of this source"
            + (
                f"; the first is about {strange!r}, and records are called {next(iter(file.records))!r}"
                if strange
                else ""
            )
        )
    if limit is None:
        return file
    return replace(file, wanted=frozenset(there[i] for i in _sample(len(there), limit, draw)))


def _records(folder: Folder, source: Source, draw: np.random.Generator) -> list[int]:
    if source.balanced:
        labels = [entry.diagnoses or () for entry in folder.entries]
        return balanced_sample(labels, source.limit or len(labels), draw)
    return _sample(len(folder.entries), source.limit, draw)


def _sample(count: int, limit: int | None, draw: np.random.Generator) -> list[int]:
    """`limit` of so many places, drawn, in their order; all of them without a limit."""
    if limit is None or limit >= count:
        return list(range(count))
    return sorted(draw.choice(count, limit, replace=False).tolist())


def _add(jobs: list[Job], places: dict[str, int], job: Job, entry: Entry) -> None:
    """A record that several sources name is made once; a report is written where one of them asks for it.

    Raises:
        RecordError: another record has this id.
    """
    name = record_id(entry.path)
    place = places.setdefault(name, len(jobs))
    if place == len(jobs):
        jobs.append(job)
        return
    there: Any = jobs[place].entry
    if there.path.resolve() != entry.path.resolve():
        raise RecordError(f"{entry.path}: a record of this name is in the split already, {there.path}; rename one")
    jobs[place] = replace(jobs[place], report=jobs[place].report or job.report)
