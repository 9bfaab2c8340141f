"""Many records at once: measured, or simulated and written, in processes, in order."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from os.path import basename, exists, isdir, isfile, join, sep, splitext
from pathlib import Path
from typing import Any

from ecg_r1.disk import writing
from ecg_r1.ecg.heart import population
from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.ecg.record import READERS, WFDB_ENDINGS, RecordError, find_records, read_record, write_record
from ecg_r1.ecg.simulate import simulate
from ecg_r1.ecg.text import printable
from ecg_r1.ecg.wfdb_header import header_file
from ecg_r1.executors import mapped
from ecg_r1.files import PART
from ecg_r1.locks import FolderLock

CHUNK = 16  # records that are simulated at a time


def listed(paths: Sequence[str | Path]) -> list[str]:
    """The records that the paths stand for, as given; a folder stands for all in it, if any."""
    names = []
    for path in map(str, paths):
        try:
            found = find_records(path) if isdir(path) else []
        except RecordError:
            found = []  # reading the folder will say what is wrong
        names += [join(path, record.relative_to(path)) for record in found] or [path]
    return names


def measure_paths(
    paths: Sequence[str | Path],
    *,
    workers: int = 1,
    method: str = "consensus",
    plots: Path | None = None,
    refuse_doubtful: bool = False,
) -> Iterator[dict[str, Any]]:
    """Measures records in the order given; one dictionary each.

    `{"record": path without ending, **quantities or None, "unmeasurable": {quantity: reason}}`, and `"quality": [note]`
    where something was noticed (a missing lead, a gap …); or `{"record": …, "error": …}` where it cannot be read; the
    others are still measured.

    Args:
        paths: records or folders of them.
        workers: processes; 0 for one a core.
        plots: a folder for a page of each record with its delineation.
        refuse_doubtful: a record whose checksum or gain says that its signal is wrong is an error.

    Raises:
        UserError: `plots` cannot be written to, or another process writes there.
    """
    records = listed(paths)
    jobs = list(zip(records, _pages(records, plots), strict=True))
    with nullcontext() if plots is None else _locked(plots):
        yield from mapped(partial(_measure_one, method=method, refuse_doubtful=refuse_doubtful), jobs, workers=workers)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with writing(folder), FolderLock(folder):
        yield


def _pages(records: Sequence[str], plots: Path | None) -> list[Path | None]:
    """Where each record's page is drawn: under its own name, or under its whole path where several share the name."""
    if plots is None:
        return [None] * len(records)
    names = [basename(_without_ending(record)) for record in records]
    often = Counter(names)
    return [
        plots / f"{name if often[name] == 1 else _without_ending(record).strip('/').replace('/', '_')}.png"
        for record, name in zip(records, names, strict=True)
    ]


def _without_ending(path: str) -> str:
    root, ending = splitext(path)
    return root if ending.lower() in (*WFDB_ENDINGS, *READERS) else path


def _measure_one(job: tuple[str, Path | None], *, method: str, refuse_doubtful: bool) -> dict[str, Any]:
    path, page = job
    name = printable(_without_ending(path))
    try:
        # "x.mat" may be given as "x": a raw CPSC file is found by its ending
        mat = basename(path) and header_file(Path(path)) is None and isfile(path + ".mat")
        record = read_record(path + ".mat" if mat else path, refuse_doubtful=refuse_doubtful)
    except RecordError as error:
        return {"record": name, "error": _missing(path) or str(error)}
    if page is not None:
        from ecg_r1.ecg.annotate import annotate
        from ecg_r1.ecg.page_file import write_page

        write_page(annotate(record), page)
    found = measure(record, method=method).to_json()
    remarks = [*record.quality, *found["notes"]]
    noticed = {"quality": remarks} if remarks else {}
    return {"record": name, **{quantity: found[quantity] for quantity in (*QUANTITIES, "unmeasurable")}, **noticed}


def _missing(path: str) -> str | None:
    """The message for a missing path that may have been meant as a folder."""
    if exists(path) or (basename(path) and header_file(Path(path))) or _without_ending(path) != path:
        return None
    return f"{path}: no such folder" + ("" if path.endswith(sep) else f", and no record {path}.hea")


def simulate_to(
    folder: str | Path, n: int, *, seed: int, diagnoses: Sequence[str] | None = None, workers: int = 1
) -> Iterator[Path]:
    """Writes simulated records as WFDB, then `truth.csv`; yields each record's path once it is written.

    Raises:
        UserError: there is no such population, `folder` cannot be written to, or another process writes
            there.
    """
    folder = Path(folder)
    for name in diagnoses or ():
        population(name)
    starts = range(0, n, CHUNK)
    write = partial(_write_some, folder=folder, n=n, seed=seed, diagnoses=tuple(diagnoses) if diagnoses else None)
    truth = folder / "truth.csv"
    part = truth.with_name(truth.name + PART)
    with _locked(folder):
        with part.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, ["record", "diagnoses", *QUANTITIES])
            table.writeheader()
            for rows in mapped(write, starts, workers=workers, chunk=1):
                table.writerows(rows)
                yield from (folder / row["record"] for row in rows)
        part.replace(truth)


def _write_some(
    start: int, *, folder: Path, n: int, seed: int, diagnoses: Sequence[str] | None
) -> list[dict[str, Any]]:
    rows = []
    for simulated in simulate(min(CHUNK, n - start), seed=seed, diagnoses=diagnoses, start=start):
        write_record(simulated.record, folder)
        truth = {name: "" if value is None else round(value, 2) for name, value in simulated.truth.items()}
        rows.append({"record": simulated.record.record_id, "diagnoses": "; ".join(simulated.record.diagnoses), **truth})
    return rows
