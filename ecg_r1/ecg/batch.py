"""Many records at once: measured, or simulated and written, in processes, in order."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from os.path import isdir, isfile
from pathlib import Path
from typing import Any

from .measure import measure
from .measurements import QUANTITIES
from .record import WFDB_ENDINGS, RecordError, find_records, read_record, write_record
from .simulate import simulate

CHUNK = 16  # records a process takes at a time


def listed(paths: Sequence[str | Path]) -> list[str]:
    """The records that the paths stand for, as given and without ending; a folder stands for all in it, if any."""
    names = []
    for path in map(Path, paths):
        if isdir(path):
            try:
                names += [str(record) for record in find_records(path)]
            except RecordError:
                names.append(str(path))  # reading it will say what is wrong
        else:
            names.append(str(path.with_suffix("") if path.suffix.lower() in WFDB_ENDINGS else path))
    return names


def measure_paths(
    paths: Sequence[str | Path], *, workers: int = 1, method: str = "consensus", plots: Path | None = None
) -> Iterator[dict[str, Any]]:
    """Measures records in the order given; one dictionary each.

    `{"record": path without ending, **quantities or None, "unmeasurable": {quantity: reason}}`, or
    `{"record": …, "error": …}` where it cannot be read; the others are still measured.

    Args:
        paths: records or folders of them.
        workers: processes; 0 for one a core.
        plots: a folder for a page of each record with its delineation.
    """
    if plots is not None:
        plots.mkdir(parents=True, exist_ok=True)
    yield from _mapped(partial(_measure_one, method=method, plots=plots), listed(paths), workers)


def _measure_one(path: str, *, method: str, plots: Path | None) -> dict[str, Any]:
    try:
        # "x.mat" may be given as "x": a raw CPSC file is found by its ending
        record = read_record(path if isfile(path + ".hea") or not isfile(path + ".mat") else path + ".mat")
    except RecordError as error:
        return {"record": path, "error": str(error)}
    if plots is not None:
        from PIL import Image

        from .annotate import annotate

        Image.fromarray(annotate(record)).save(plots / f"{record.record_id}.png")
    found = measure(record, method=method).to_json()
    return {"record": path, **{name: found[name] for name in (*QUANTITIES, "unmeasurable")}}


def simulate_to(
    folder: str | Path, n: int, *, seed: int, diagnoses: Sequence[str] | None = None, workers: int = 1
) -> Iterator[Path]:
    """Writes simulated records as WFDB, then `truth.csv`; yields each record's path once it is written.

    Raises:
        UnknownDiagnosis: there is no population of that name.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    starts = range(0, n, CHUNK)
    write = partial(_write_some, folder=folder, n=n, seed=seed, diagnoses=tuple(diagnoses) if diagnoses else None)
    with (folder / "truth.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["record", "diagnoses", *QUANTITIES])
        table.writeheader()
        for rows in _mapped(write, starts, workers, chunk=1):
            table.writerows(rows)
            yield from (folder / row["record"] for row in rows)


def _write_some(
    start: int, *, folder: Path, n: int, seed: int, diagnoses: Sequence[str] | None
) -> list[dict[str, Any]]:
    rows = []
    for simulated in simulate(min(CHUNK, n - start), seed=seed, diagnoses=diagnoses, start=start):
        write_record(simulated.record, folder)
        truth = {name: "" if value is None else round(value, 2) for name, value in simulated.truth.items()}
        rows.append({"record": simulated.record.record_id, "diagnoses": "; ".join(simulated.record.diagnoses), **truth})
    return rows


def _mapped(function: Callable, items: Sequence, workers: int, chunk: int = CHUNK) -> Iterator:
    """`map` in processes. Only a few chunks are under way at a time, so that a long list does not fill the memory."""
    workers = workers or os.cpu_count() or 1
    if workers == 1 or len(items) <= chunk:
        yield from map(function, items)
        return
    rest = iter(items)
    with ProcessPoolExecutor(workers) as pool:
        while batch := list(islice(rest, 4 * workers * chunk)):
            yield from pool.map(function, batch, chunksize=chunk)
