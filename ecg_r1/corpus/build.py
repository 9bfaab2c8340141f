"""Build a corpus: records -> measurements, pages, target texts. Parallel, resumable; bad records are quarantined."""

from __future__ import annotations

import json
import multiprocessing
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ecg_r1 import __version__
from ecg_r1.corpus.reports import Corruption, write_question, write_report
from ecg_r1.corpus.store import MICROVOLT, PAGES, SIGNALS, RecordStore, split_facts
from ecg_r1.datasets.card import Card
from ecg_r1.datasets.wfdb import record_cards
from ecg_r1.ecg.diagnosis import UnknownDiagnosis, vocabulary
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.record import ECGRecord, RecordError, read_record
from ecg_r1.ecg.render import render
from ecg_r1.ecg.simulate import simulate
from ecg_r1.files import write_atomically
from ecg_r1.recipe import CorpusRecipe, RecipeError, Source

CHUNK = 32


@dataclass(frozen=True)
class Job:
    """One record to make: the simulator's i-th of a seed, or a card."""

    seed: int
    index: int
    card: Card | None = None


def build(recipe: CorpusRecipe) -> list[Path]:
    """Build every split of the recipe that is not complete yet.

    Returns:
        The splits' folders, each readable by `RecordStore`.

    Raises:
        RecipeError: a folder holds a split of another recipe, or every record of a split was quarantined.
        RecordError: a record folder is missing or empty, or two records of a split have one name.
    """
    jobs = {name: _jobs(recipe, name, sources) for name, sources in recipe.splits.items()}
    return [_build_split(recipe, name, split) for name, split in jobs.items()]


def _jobs(recipe: CorpusRecipe, name: str, sources: list[Source]) -> list[Job]:
    seed = zlib.crc32(f"{recipe.seed}/{name}".encode())  # splits of one seed share no record
    jobs: list[Job] = []
    for source in sources:
        if source.simulate is not None:
            jobs += [Job(seed, len(jobs) + i) for i in range(source.simulate)]
        else:
            cards = record_cards(str(source.records), source.folds)
            jobs += [Job(seed, i, card) for i, card in enumerate(cards[: source.limit])]
    _check_names(job.card.path for job in jobs if job.card is not None)
    return jobs


def _check_names(paths: Iterable[Path]) -> None:
    known: dict[str, Path] = {}
    for path in paths:
        if known.setdefault(path.name, path) is not path:
            raise RecordError(f"{path}: a record of this name is in the split already, {known[path.name]}; rename one")


def _build_split(recipe: CorpusRecipe, name: str, jobs: list[Job]) -> Path:
    folder = Path(recipe.out) / name
    folder.mkdir(parents=True, exist_ok=True)
    facts = {
        "split": name,
        "seed": recipe.seed,
        "measured_with": f"ecg_r1 {__version__}, neurokit2 {version('neurokit2')}",
        "page_size": recipe.page_size,
        "reports": recipe.reports.model_dump(),
        "sources": [source.model_dump(exclude_none=True) for source in recipe.splits[name]],
    }
    _claim(folder, facts)
    if (folder / "complete.json").is_file():
        return folder
    with _Writer(folder, recipe.page_size) as writer:
        chunks = [jobs[i : i + CHUNK] for i in range(writer.jobs_done, len(jobs), CHUNK)]
        make = partial(_make_chunk, page_size=recipe.page_size, corruption=Corruption(**recipe.reports.model_dump()))
        with _progress() as progress:
            task = progress.add_task(name, total=len(jobs), completed=writer.jobs_done)
            for made in _map(make, chunks, recipe.workers):
                writer.write(made)
                progress.advance(task, len(made))
        if not writer.written:
            raise RecipeError(f"{folder}: none of the {len(jobs)} records could be used; see quarantine.jsonl")
        counts = {"records": writer.written, "quarantined": writer.quarantined}
    (folder / "complete.json").write_text(json.dumps(counts), encoding="utf-8")
    RecordStore(folder)
    return folder


def _claim(folder: Path, facts: dict[str, Any]) -> None:
    path = folder / "split.json"
    if path.is_file() and split_facts(folder) != facts:
        raise RecipeError(f"{folder}: holds a split of another recipe; choose another `out:` or move the folder away")
    write_atomically(path, json.dumps(facts, indent=1))


def _map(make: Any, chunks: list[list[Job]], workers: int) -> Iterator[list[dict[str, Any]]]:
    if workers == 1:
        yield from map(make, chunks)
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from pool.imap(make, chunks)


def _make_chunk(jobs: list[Job], page_size: int, corruption: Corruption) -> list[dict[str, Any]]:
    return [_make(job, page_size, corruption) for job in jobs]


def _make(job: Job, page_size: int, corruption: Corruption) -> dict[str, Any]:
    """One record's row, example and arrays, or the reason why it has none."""
    try:
        record = _read(job)
        diagnoses = record.diagnoses if job.card is None or job.card.diagnoses is None else job.card.diagnoses
        if not diagnoses:
            raise RecordError(f"{record.record_id}: no diagnosis of the vocabulary")
        measurements = measure(record)
        if (reason := measurements.reason("heart_rate_bpm")) is not None:
            raise RecordError(f"{record.record_id}: not even a rate can be measured: {reason}")
        measurements = _without_absent_waves(measurements, diagnoses)
    except (RecordError, UnknownDiagnosis) as error:
        return {"record": str(job.card.path if job.card else job.index), "quarantined": str(error)}
    rng = np.random.default_rng([job.seed, zlib.crc32(record.record_id.encode())])
    row = {
        "record": record.record_id,
        "source": record.source,
        "diagnoses": list(diagnoses),
        "leads": [lead for lead, shown in zip(LEADS, record.lead_mask, strict=True) if shown],
        "measurements": measurements.to_json(),
        "patient": (job.card.patient if job.card else None) or record.patient,
        "report": job.card.report if job.card else None,
    }
    example = {
        "id": record.record_id,
        "records": [record.record_id],
        "question": write_question(rng),
        "response": write_report(measurements, tuple(diagnoses), corruption, rng),
    }
    microvolts = np.clip(np.round(record.signal / MICROVOLT), -32768, 32767).astype(np.int16)
    return {"row": row, "example": example, "signal": microvolts, "page": render(record, size=page_size)}


def _read(job: Job) -> ECGRecord:
    if job.card is not None:
        if job.card.fault:
            raise RecordError(job.card.fault)
        return read_record(job.card.path)
    return next(iter(simulate(1, seed=job.seed, start=job.index))).record


def _without_absent_waves(measurements: Measurements, diagnoses: tuple[str, ...]) -> Measurements:
    """Where the label says that there are no P waves, no PR is measurable: neurokit2 finds one nearly always."""
    for name in diagnoses:
        if "P" in vocabulary().get(name).absent_waves:
            return measurements.without(("p_ms", "pr_ms"), f"no P waves ({name})", absent=True)
    return measurements


class _Writer:
    """Appends chunks; `progress.json` says what is whole, and a resumed build cuts the files back to it."""

    def __init__(self, folder: Path, page_size: int):
        self.progress = folder / "progress.json"
        self.written = self.quarantined = 0
        if self.progress.is_file():
            self.written, self.quarantined = json.loads(self.progress.read_text(encoding="utf-8"))
        sizes = {SIGNALS: 12 * 5000 * 2, PAGES: page_size * page_size * 3}
        lines = {"records.jsonl": self.written, "examples.jsonl": self.written, "quarantine.jsonl": self.quarantined}
        self._files = {name: (folder / name).open("ab+") for name in (*sizes, *lines)}
        for name, size in sizes.items():
            self._files[name].truncate(self.written * size)
        for name, count in lines.items():
            self._files[name].seek(0)
            self._files[name].truncate(sum(len(self._files[name].readline()) for _ in range(count)))

    @property
    def jobs_done(self) -> int:
        return self.written + self.quarantined

    def write(self, made: list[dict[str, Any]]) -> None:
        for item in made:
            if "quarantined" in item:
                self.quarantined += 1
                self._line("quarantine.jsonl", item)
                continue
            self.written += 1
            self._files[SIGNALS].write(item["signal"].tobytes())
            self._files[PAGES].write(item["page"].tobytes())
            self._line("records.jsonl", item["row"])
            self._line("examples.jsonl", item["example"])
        for file in self._files.values():
            file.flush()
        write_atomically(self.progress, json.dumps([self.written, self.quarantined]))

    def _line(self, name: str, value: dict[str, Any]) -> None:
        self._files[name].write(json.dumps(value).encode() + b"\n")

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: Any) -> None:
        for file in self._files.values():
            file.close()


def _progress() -> Progress:
    return Progress(TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
