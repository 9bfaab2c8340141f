"""What is made of one record: read and measured, or taken from the cache; then its labels, its page and its texts.

The cache holds what follows from the signal alone. Labels, wording and corruption come after it.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ecg_r1.corpus.cache import Cache, Measured, microvolts, without_signal
from ecg_r1.corpus.jobs import Job
from ecg_r1.corpus.text.conflicts import conflicts
from ecg_r1.corpus.text.prompts import expected_steps, write_question
from ecg_r1.corpus.text.questions import questions
from ecg_r1.corpus.text.report import without_findings, write_report
from ecg_r1.corpus.text.subject import Subject
from ecg_r1.corpus.unchanged import content_of
from ecg_r1.datasets.example import Example
from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.record import SAMPLING_RATE, ECGRecord, RecordError, read_record, refuse_doubts
from ecg_r1.ecg.render import render
from ecg_r1.ecg.simulate import simulate
from ecg_r1.ecg.text import printable
from ecg_r1.recipe import CorpusRecipe
from ecg_r1.scoring.answers import unread
from ecg_r1.scoring.cases import case_from
from ecg_r1.scoring.labels import as_labels, read_labels


@dataclass(frozen=True)
class Made:
    """A record that can be used.

    Attributes:
        record: without its signal; its diagnoses in the vocabulary's names.
        signal: int16 (12, 5000) µV.
        measurements: as JSON text, of those that a text is held against.
        is_new: whether it was measured now; False where the cache had it.
        rewrite: what became of its report at a language model; None where none was asked. See `rewrite`.
    """

    record: ECGRecord
    signal: np.ndarray
    measurements: str
    page: np.ndarray | None
    unknown_labels: tuple[str, ...]
    unlabelled: tuple[str, ...]
    untold: tuple[str, ...]
    conflicts: tuple[dict[str, Any], ...]
    examples: tuple[Example, ...]
    is_new: bool
    rewrite: dict[str, Any] | None = None


@dataclass(frozen=True)
class Unusable:
    """A record that is quarantined, and why."""

    record: str
    reason: str


class Origin(NamedTuple):
    """Where a record comes from: the key of its content, and how it is read."""

    key: str
    read: Callable[[], ECGRecord]


def make(job: Job, recipe: CorpusRecipe) -> Made | Unusable:
    """Make what is kept of a record, or say why it cannot be used."""
    cache = None if recipe.cache is None else Cache(Path(recipe.cache))
    try:
        origin = _origin(job, cache)
        known = None if cache is None else cache.measured(origin.key)
        read = origin.read() if known is None else known.record
        if recipe.refuse_doubtful and job.entry is not None:
            refuse_doubts(read, job.entry.path)
        record, unknown = _labelled(read, job)  # before it is measured: most exams of CODE-15% have no label
        found = known or _measured(read, origin.key, cache)
        record = record if known else without_signal(record)
        if (reason := found.measurements.reason("heart_rate_bpm")) is not None:
            raise RecordError(f"{record.record_id}: not even a rate can be measured: {reason}")
    except RecordError as error:
        return Unusable(printable(job.entry.path if job.entry else job.index), str(error))
    measurements = case_from(record.record_id, record.diagnoses, found.measurements).measurements
    text = found.text if measurements is found.measurements else json.dumps(measurements.to_json())
    page = _page(found, recipe.page_size, origin.key, cache) if recipe.pages == "stored" else None
    subject = _subject(record, measurements, job)
    disagree = tuple(one.to_json() for one in conflicts(subject))
    if recipe.refuse_conflicts and disagree:
        said = "; ".join(f"{one['diagnosis']}: {one['kind']}" for one in disagree)
        return Unusable(printable(job.entry.path if job.entry else job.index), f"label and signal disagree: {said}")
    examples = _examples(record, subject, job, recipe) if job.report else ()
    unlabelled = job.entry.unlabelled if job.entry else ()
    left_out = without_findings(subject, recipe.reports) if examples else ()
    return Made(
        record, found.signal, text, page, unknown, unlabelled, left_out, disagree, examples, is_new=known is None
    )


def _origin(job: Job, cache: Cache | None) -> Origin:
    """
    Raises:
        RecordError: the data set says that the record cannot be used, or a file of it is missing or malformed.
    """
    entry = job.entry
    if entry is None:
        return Origin(
            _key("simulated", job.seed, job.index, *job.diagnoses or ()),
            lambda: next(iter(simulate(1, seed=job.seed, start=job.index, diagnoses=job.diagnoses))).record,
        )
    if entry.fault:
        raise RecordError(entry.fault)
    key = _key(content_of(entry.path, cache), entry.unit_mv)
    return Origin(key, lambda: read_record(entry.path, unit_mv=entry.unit_mv))


def _key(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _measured(record: ECGRecord, key: str, cache: Cache | None) -> Measured:
    # As the store will give them back: texts are written of what they are held against.
    text = json.dumps(measure(record).to_json())
    signal = microvolts(record.signal)
    made = Measured(without_signal(record), signal, Measurements.from_json(json.loads(text)), text)
    if cache is not None:
        cache.keep(key, made)
    return made


def _page(found: Measured, size: int, key: str, cache: Cache | None) -> np.ndarray:
    """uint8 (size, size, 3)."""
    if cache is not None and (page := cache.page(key, size)) is not None:
        return page
    page = render(found.whole, size=size)
    if cache is not None:
        cache.keep_page(key, page)
    return page


def _labelled(record: ECGRecord, job: Job) -> tuple[ECGRecord, tuple[str, ...]]:
    """The record with what its data set says of it, and the labels, or parts of them, of which nothing is read.

    Raises:
        RecordError: no label is left, and a report is to be written of them.
    """
    given, report, patient = record.diagnoses, record.report, record.patient
    if job.entry is not None:
        given = given if job.entry.diagnoses is None else job.entry.diagnoses
        report = report if job.entry.report is None else job.entry.report
        patient = job.entry.patient or patient
    unknown = tuple(part for label in given for part in unread(label))
    known = as_labels(read_labels(tuple(given)))
    if not known and job.report:
        among = f" among {', '.join(unknown)}" if unknown else ""
        raise RecordError(f"{record.record_id}: no diagnosis of the vocabulary{among}")
    return replace(record, diagnoses=known, report=report, patient=patient), unknown


def _subject(record: ECGRecord, measurements: Measurements, job: Job) -> Subject:
    entry = job.entry
    sure = (
        zip(entry.diagnoses, entry.likelihoods, strict=True) if entry and entry.diagnoses and entry.likelihoods else ()
    )
    seconds = record.samples / SAMPLING_RATE
    return Subject(measurements, record.diagnoses, dict(sure), record.quality, record.leads, seconds)


def _examples(record: ECGRecord, subject: Subject, job: Job, recipe: CorpusRecipe) -> tuple[Example, ...]:
    """A report on the record, and questions about it; the wording is drawn from the corpus seed and the record's id."""
    rng = np.random.default_rng([job.seed, zlib.crc32(record.record_id.encode())])
    report = Example(
        id=record.record_id,
        records=(record.record_id,),
        question=write_question(rng, recipe.prompts.question, recipe.reports.language),
        response=write_report(subject, recipe.reports, recipe.corruption, rng),
        expected=expected_steps(subject.measurements),
    )
    asked = tuple(one.example(record.record_id) for one in questions(subject, recipe.reports, rng))
    return (report, *asked) if recipe.reports.report else asked
