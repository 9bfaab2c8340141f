"""Build a corpus: records -> measurements, pages, target texts. Parallel, resumable; bad records are quarantined."""

from __future__ import annotations

import multiprocessing
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn

from ecg_r1 import __version__
from ecg_r1.console import progress
from ecg_r1.corpus.jobs import Job, Plan, plan
from ecg_r1.corpus.store import RecordStore
from ecg_r1.corpus.summary import commonest_reasons
from ecg_r1.corpus.text.conflicts import conflicts
from ecg_r1.corpus.text.prompts import expected_steps, write_question
from ecg_r1.corpus.text.report import without_findings, write_report
from ecg_r1.corpus.text.subject import Subject
from ecg_r1.corpus.writer import SplitWriter, as_stored
from ecg_r1.datasets.example import Example
from ecg_r1.disk import writing
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.record import ECGRecord, RecordError, read_record
from ecg_r1.ecg.render import render
from ecg_r1.ecg.simulate import simulate
from ecg_r1.ecg.text import printable
from ecg_r1.recipe import CorpusRecipe, RecipeError
from ecg_r1.scoring.answers import unread
from ecg_r1.scoring.cases import case_from
from ecg_r1.scoring.labels import as_labels, read_labels

CHUNK = 32


@dataclass(frozen=True)
class Made:
    """A record that can be used: its signal as it is stored, and its diagnoses in the vocabulary's names."""

    record: ECGRecord
    measurements: Measurements
    page: np.ndarray | None
    unknown_labels: tuple[str, ...]
    unlabelled: tuple[str, ...]
    untold: tuple[str, ...]
    conflicts: tuple[dict[str, Any], ...]
    example: Example | None


@dataclass(frozen=True)
class Unusable:
    """A record that is quarantined, and why."""

    record: str
    reason: str


def build(recipe: CorpusRecipe) -> list[Path]:
    """Build every split of the recipe that is not complete yet.

    Returns:
        The splits' folders, each readable by `RecordStore`.

    Raises:
        RecipeError: a folder holds a split of another recipe, or nothing of a split can be used.
        RecordError: a record folder is missing or empty, or two records of a split have one id.
        FormatError: a file of examples is malformed, or names no record of its source.
        Locked: another process builds one of the splits.
        DiskError: a folder cannot be written to.
    """
    plans = {name: plan(recipe, name, sources) for name, sources in recipe.splits.items()}
    return [_build_split(recipe, name, split) for name, split in plans.items()]


def _build_split(recipe: CorpusRecipe, name: str, split: Plan) -> Path:
    folder = Path(recipe.out) / name
    facts = {
        "split": name,
        "seed": recipe.seed,
        "measured_with": f"ecg_r1 {__version__}, neurokit2 {version('neurokit2')}",
        "page_size": recipe.page_size,
        "pages": recipe.pages,
        "refuse_doubtful": recipe.refuse_doubtful,
        "reports": recipe.reports.model_dump(),
        "prompts": recipe.prompts.model_dump(),
        "sources": [source.model_dump(exclude_none=True) for source in recipe.splits[name]],
        "examples": split.digests(),
    }
    with writing(folder, "the build goes on after its last whole record"), SplitWriter(folder, facts) as writer:
        if not writer.complete:
            _fill(writer, recipe, name, split)
    if not RecordStore(folder).examples:
        raise RecipeError(f"{folder}: no example is left: each is of a record in quarantine.jsonl")
    return folder


def _fill(writer: SplitWriter, recipe: CorpusRecipe, name: str, split: Plan) -> None:
    jobs, done = split.jobs, writer.records + writer.quarantined
    chunks = [jobs[i : i + CHUNK] for i in range(done, len(jobs), CHUNK)]
    with progress("description", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as shown:
        task = shown.add_task(f"{name:>10}", total=len(jobs), completed=done)
        for chunk in _map(partial(_make_chunk, recipe=recipe), chunks, recipe.workers):
            _write(chunk, writer)
            shown.advance(task, len(chunk))
    if not writer.records:
        why = "; ".join(f"{count} x {reason}" for reason, count in commonest_reasons(writer.folder))
        raise RecipeError(
            f"{writer.folder}: none of the {len(jobs)} records could be used ({why}); see quarantine.jsonl"
        )
    writer.finish(split.examples())


def _write(chunk: list[Made | Unusable], writer: SplitWriter) -> None:
    for made in chunk:
        if isinstance(made, Unusable):
            writer.quarantine(made.record, made.reason)
            continue
        writer.add(
            made.record,
            made.measurements,
            made.page,
            made.unknown_labels,
            made.unlabelled,
            made.untold,
            made.conflicts,
        )
        if made.example is not None:
            writer.add_example(made.example)
    writer.flush()


def _map(make: Any, chunks: list[list[Job]], workers: int) -> Iterator[list[Made | Unusable]]:
    if workers == 1:
        yield from map(make, chunks)
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from pool.imap(make, chunks)


def _make_chunk(jobs: list[Job], recipe: CorpusRecipe) -> list[Made | Unusable]:
    return [_make(job, recipe) for job in jobs]


def _make(job: Job, recipe: CorpusRecipe) -> Made | Unusable:
    """What is kept of a record, or the reason why it is not."""
    try:
        record, unknown = _labelled(_read(job, recipe.refuse_doubtful), job)
        measured = measure(record)
        if (reason := measured.reason("heart_rate_bpm")) is not None:
            raise RecordError(f"{record.record_id}: not even a rate can be measured: {reason}")
    except RecordError as error:
        return Unusable(printable(job.entry.path if job.entry else job.index), str(error))
    record = as_stored(record)
    measurements = case_from(record.record_id, record.diagnoses, measured).measurements
    page = render(record, size=recipe.page_size) if recipe.pages == "stored" else None
    subject = _subject(record, measurements, job)
    example = _example(record, subject, job, recipe) if job.report else None
    unlabelled = job.entry.unlabelled if job.entry else ()
    left_out = without_findings(subject, recipe.reports) if example else ()
    disagree = tuple(one.to_json() for one in conflicts(subject))
    return Made(record, measurements, page, unknown, unlabelled, left_out, disagree, example)


def _labelled(record: ECGRecord, job: Job) -> tuple[ECGRecord, tuple[str, ...]]:
    """The record with what its data set says of it, and the labels, or parts of them, of which nothing is read.

    Raises:
        RecordError: no label is left, and a report is to be written of them.
    """
    given = record.diagnoses
    if job.entry is not None:
        given = given if job.entry.diagnoses is None else job.entry.diagnoses
        report = record.report if job.entry.report is None else job.entry.report
        record = replace(record, report=report, patient=job.entry.patient or record.patient)
    unknown = tuple(part for label in given for part in unread(label))
    known = as_labels(read_labels(tuple(given)))
    if not known and job.report:
        among = f" among {', '.join(unknown)}" if unknown else ""
        raise RecordError(f"{record.record_id}: no diagnosis of the vocabulary{among}")
    return replace(record, diagnoses=known), unknown


def _subject(record: ECGRecord, measurements: Measurements, job: Job) -> Subject:
    entry = job.entry
    sure = zip(entry.diagnoses, entry.likelihoods, strict=True) if entry and entry.diagnoses and entry.likelihoods else ()
    leads = tuple(lead for lead, there in zip(LEADS, record.lead_mask, strict=True) if there)
    return Subject(measurements, record.diagnoses, dict(sure), record.quality, leads)


def _example(record: ECGRecord, subject: Subject, job: Job, recipe: CorpusRecipe) -> Example:
    """A report on the record; its wording is drawn from the corpus seed and the record's id."""
    rng = np.random.default_rng([job.seed, zlib.crc32(record.record_id.encode())])
    return Example(
        id=record.record_id,
        records=(record.record_id,),
        question=write_question(rng, recipe.prompts.question, recipe.reports.language),
        response=write_report(subject, recipe.reports, rng),
        expected=expected_steps(subject.measurements),
    )


def _read(job: Job, refuse_doubtful: bool) -> ECGRecord:
    if job.entry is not None:
        if job.entry.fault:
            raise RecordError(job.entry.fault)
        return read_record(job.entry.path, unit_mv=job.entry.unit_mv, refuse_doubtful=refuse_doubtful)
    return next(iter(simulate(1, seed=job.seed, start=job.index))).record
