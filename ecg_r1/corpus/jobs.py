"""What is to be made of a split: its records, each once, and the files of examples about them."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ecg_r1.corpus.example import Example
from ecg_r1.corpus.example_file import read_examples
from ecg_r1.datasets.card import Card
from ecg_r1.datasets.wfdb import record_cards
from ecg_r1.ecg.record import RecordError, record_id
from ecg_r1.recipe import CorpusRecipe, Source


@dataclass(frozen=True)
class Job:
    """One record to make: the simulator's i-th of a seed, or a card.

    Attributes:
        report: whether an example is written for it: its question, and a report as the response.
    """

    seed: int
    index: int
    card: Card | None = None
    report: bool = True


@dataclass
class Plan:
    """A split before it is built.

    Attributes:
        jobs: its records, in order.
        files: of examples, each with those of its examples that are wanted, by position; None: all of them.
    """

    jobs: list[Job] = field(default_factory=list)
    files: list[tuple[Path, frozenset[int] | None]] = field(default_factory=list)

    @property
    def ids(self) -> dict[str, Path]:
        """The ids of the records that lie on disk, and where."""
        return {record_id(job.card.path): job.card.path for job in self.jobs if job.card is not None}

    def examples(self) -> Iterator[Example]:
        """The examples of the files."""
        known, taken = self.ids, set[str]()
        for path, wanted in self.files:
            for position, example in enumerate(read_examples(path, known, taken)):
                if wanted is None or position in wanted:
                    yield example

    def digests(self) -> dict[str, str]:
        """SHA-256 of each file: another text makes another split."""
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path, _ in self.files}


def plan(recipe: CorpusRecipe, name: str, sources: Sequence[Source]) -> Plan:
    """Look up the records of a split and read its files of examples.

    Raises:
        RecordError: a record folder is missing or empty, or two records have one id.
        CorpusError: an example is malformed, of an unknown record, or has the id of another.
    """
    seed = zlib.crc32(f"{recipe.seed}/{name}".encode())  # splits of one seed share no record
    made = Plan()
    places, taken = dict[str, int](), set[str]()
    for number, source in enumerate(sources):
        if source.simulate is not None:
            made.jobs += [Job(seed, len(made.jobs) + i) for i in range(source.simulate)]
            continue
        draw = np.random.default_rng([seed, number])
        cards = record_cards(str(source.records), source.folds, source.kinds, source.likelihood, unit_mv=source.unit_mv)
        if source.examples is None:
            chosen = _sample(len(cards), source.limit, draw)
            cards = [cards[i] for i in chosen]
        else:
            file = Path(source.examples)
            known = {record_id(card.path): card for card in cards}
            examples = list(read_examples(file, known, taken))
            chosen = _sample(len(examples), source.limit, draw)
            made.files.append((file, frozenset(chosen) if source.limit else None))
            asked = {record for i in chosen for record in examples[i].records}
            cards = [card for name, card in known.items() if name in asked]
        for index, card in enumerate(cards):
            job = Job(seed, index, card, report=source.examples is None)
            _add(made.jobs, places, job, card)
    for job in made.jobs:
        if job.report and job.card is not None and record_id(job.card.path) in taken:
            raise RecordError(f"{job.card.path}: its report has the id of an example of a file; rename that one")
    return made


def _sample(count: int, limit: int | None, draw: np.random.Generator) -> list[int]:
    """`limit` of so many places, drawn, in their order; all of them without a limit."""
    if limit is None or limit >= count:
        return list(range(count))
    return sorted(draw.choice(count, limit, replace=False).tolist())


def _add(jobs: list[Job], places: dict[str, int], job: Job, card: Card) -> None:
    """A record that several sources name is made once; a report is written where one of them asks for it.

    Raises:
        RecordError: another record has this id.
    """
    name = record_id(card.path)
    place = places.setdefault(name, len(jobs))
    if place == len(jobs):
        jobs.append(job)
        return
    there: Any = jobs[place].card
    if there.path.resolve() != card.path.resolve():
        raise RecordError(f"{card.path}: a record of this name is in the split already, {there.path}; rename one")
    jobs[place] = replace(jobs[place], report=jobs[place].report or job.report)
