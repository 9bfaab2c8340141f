"""The records of a probe as a split: hearts with one thing moved. Resumable; an edit that does not hold is recorded.

Each example says what was moved: `extra` has `heart`, `move` and `step`. What is true of it are the measurements of its
case: of simulated hearts the values that they are made of, of edited records what was measured again.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ecg_r1 import __version__
from ecg_r1.console import track
from ecg_r1.corpus.cache import as_stored
from ecg_r1.corpus.jobs import entries_of
from ecg_r1.corpus.store import RecordStore
from ecg_r1.corpus.text.prompts import write_question
from ecg_r1.corpus.writer import SplitWriter
from ecg_r1.datasets.example import Example
from ecg_r1.disk import writing
from ecg_r1.ecg.counterfactual import STEPS, counterfactual
from ecg_r1.ecg.edits import Fiducials, Refused, check, fiducials, retime, scale, shift_p, stretch_qt, without_lead
from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.record import ECGRecord, RecordError, read_record
from ecg_r1.ecg.render import render
from ecg_r1.evaluation.probe.moves import chosen
from ecg_r1.recipe import ProbeRecipe, Source
from ecg_r1.runs import layout

WHOLE = "whole"  # the record as it is: one of the six steps of each of its moves
FLUSH = 32  # records after which a build goes on from here
Edit = Callable[[ECGRecord, float, Fiducials], tuple[ECGRecord, float]]
# What is done to a real record: by so many ms of PR, QT and RR; by a factor; by the lead that is removed.
TIMED: Mapping[str, tuple[Edit, tuple[float, ...]]] = {
    "pr_ms": (shift_p, (-20, 20, 40, 60, 80)),
    "qt_ms": (stretch_qt, (-60, -30, 30, 60, 90)),
    "heart_rate_bpm": (retime, (-100, 100, 200, 300, 400)),
}
GAINS = (0.5, 0.75, 1.25, 1.5, 2.0)
REMOVED = ("III", "V1", "V2", "V4", "V6")


@dataclass(frozen=True)
class Job:
    """One record to make.

    heart: its name. move: what is moved, or `WHOLE`. step: the place among the values of the move. make: of it.
    """

    heart: str
    move: str
    step: int
    make: Callable[[], tuple[ECGRecord, Measurements]]

    @property
    def name(self) -> str:
        """The record's id."""
        return f"{self.heart}_{self.move}" if self.move == WHOLE else f"{self.heart}_{self.move}_{self.step}"


def build_hearts(recipe: ProbeRecipe) -> RecordStore:
    """Make the records of a probe that are not there yet, in its folder.

    Raises:
        UserError: the records, a move or the folder is wrong, or no edit holds.
    """
    simulated = recipe.hearts.simulate is not None
    folder = Path(recipe.out) / f"{layout.PROBE}-{'hearts' if simulated else 'records'}"  # names a run's answers too
    moves = chosen(recipe.moves, simulated)
    jobs = _simulated(recipe, moves) if simulated else _edited(recipe, moves)
    facts = {
        "split": folder.name,
        "seed": recipe.seed,
        "measured_with": f"ecg_r1 {__version__}",
        "page_size": recipe.page_size,
        "pages": "stored",
        "prompts": {"question": [] if recipe.question is None else [recipe.question], "system": None},
        "sources": [recipe.hearts.model_dump(exclude_none=True)],
        "moves": list(moves),
    }
    with writing(folder, "the build goes on after its last whole record"), SplitWriter(folder, facts) as writer:
        if not writer.complete:
            done = writer.records + writer.quarantined
            for number, job in enumerate(track(jobs[done:], "hearts", len(jobs) - done)):
                _add(writer, job, recipe)
                if number % FLUSH == FLUSH - 1:
                    writer.flush()
            if not writer.examples:
                raise RecordError(f"{folder}: no record of these hearts can be used; see quarantine.jsonl")
            writer.finish()
    return RecordStore(folder)


def _add(writer: SplitWriter, job: Job, recipe: ProbeRecipe) -> None:
    try:
        record, true = job.make()
    except (Refused, RecordError) as reason:
        writer.quarantine(job.name, str(reason))
        return
    record = as_stored(replace(record, record_id=job.name, patient=job.heart))
    writer.add(record, true, render(record, size=recipe.page_size))
    rng = np.random.default_rng([recipe.seed, zlib.crc32(job.name.encode())])
    writer.add_example(
        Example(
            job.name,
            (job.name,),
            write_question(rng, [] if recipe.question is None else [recipe.question]),
            extra={"heart": job.heart, "move": job.move, "step": job.step},
        )
    )


def _simulated(recipe: ProbeRecipe, moves: Sequence[str]) -> list[Job]:
    def job(heart: int, move: str, step: int) -> Job:
        name = f"heart_{recipe.seed}_{heart:04d}"
        return Job(name, move, step, lambda: counterfactual(recipe.seed, heart, STEPS[move][step], name))

    hearts = range(recipe.hearts.simulate or 0)
    return [job(heart, move, step) for heart in hearts for move in moves for step in range(len(STEPS[move]))]


def _edited(recipe: ProbeRecipe, moves: Sequence[str]) -> list[Job]:
    asked = recipe.hearts.model_dump(exclude_none=True, exclude={"limit"})
    entries = entries_of(Source.model_validate(asked)).entries
    if recipe.hearts.limit is not None and recipe.hearts.limit < len(entries):
        drawn = np.random.default_rng(recipe.seed).choice(len(entries), recipe.hearts.limit, replace=False)
        entries = [entries[i] for i in sorted(drawn)]

    @lru_cache(maxsize=1)
    def opened(number: int) -> tuple[ECGRecord, Measurements, Fiducials]:
        record = read_record(entries[number].path, unit_mv=entries[number].unit_mv)
        record = as_stored(replace(record, diagnoses=(), report=None))  # the labels do not hold of what is moved
        return record, measure(record), fiducials(record)

    def job(number: int, move: str, step: int, by: float | str) -> Job:
        def make() -> tuple[ECGRecord, Measurements]:
            record, before, at = opened(number)
            return (record, before) if move == WHOLE else _edit(record, before, at, move, by)

        return Job(entries[number].path.name, move, step, make)

    jobs = []
    for number in range(len(entries)):
        jobs.append(job(number, WHOLE, 0, 0.0))
        for move in moves:
            jobs += [job(number, move, step, by) for step, by in _steps(move)]
    return jobs


def _steps(move: str) -> Iterator[tuple[int, float | str]]:
    """(step, by how much) of a move's edits; the record as it is has a step among them, see `whole_step`."""
    values: Sequence[Any] = {"gain": GAINS, "lead": REMOVED}.get(move) or TIMED[move][1]
    for number, value in enumerate(values):
        yield number + (number >= whole_step(move)), value


def whole_step(move: str) -> int:
    """The place of the record as it is among the steps of a move of real records."""
    if move == "lead":
        return 0
    return sum(value < 1 for value in GAINS) if move == "gain" else sum(value < 0 for value in TIMED[move][1])


def _edit(
    record: ECGRecord, before: Measurements, at: Fiducials, move: str, by: float | str
) -> tuple[ECGRecord, Measurements]:
    made = 0.0
    if isinstance(by, str):
        edited = without_lead(record, by)
    elif move == "gain":
        edited = scale(record, by)
    else:
        edited, made = TIMED[move][0](record, by, at)
    edited = as_stored(edited)
    after = measure(edited)
    check(before, after, move, made)
    return edited, after
