"""How fast a corpus is built: read, measure, draw, write, against neurokit2 and matplotlib; the cache; memory.

    python benchmarks/corpus.py [FOLDER] [--records 200] [--page-size 112] [--style full] [--memory 1000 10000]

FOLDER: records with a card; simulated ones, written as WFDB, unless given. Each step is timed by itself in processor
time of one thread, in the same run as the plain way to the same thing: `nk.ecg_process` on twelve leads and a 12-lead
page by matplotlib, of every tenth record. Then the same corpus is built twice, the second time with another wording.
`--memory` builds corpora of so many simulated records in a process each, and prints the most memory that it and its
workers took.

Prints a table and, as its last line, the same as JSON. docs/scale.md is computed from it.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when NumPy is imported

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from ecg_r1.corpus.build import build
from ecg_r1.corpus.cache import Cache
from ecg_r1.corpus.store import RecordStore
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.record import ECGRecord, find_records, read_record, write_record
from ecg_r1.ecg.render import render
from ecg_r1.ecg.simulate import simulate
from ecg_r1.recipe import CorpusRecipe

BASELINE = 10  # every so many records; the plain way takes a second each
FIRST, OTHERS = "What does this ECG show?", ("Please read this ECG.", "Interpret this ECG.", "Describe this tracing.")


def recipe(out: Path, source: dict[str, Any], question: str, **changes: Any) -> CorpusRecipe:
    values = {
        "stage": "corpus", "out": str(out), "cache": str(out.parent / "cache"), "workers": 1,
        "splits": {"train": [source]}, "prompts": {"question": [question]},
    }  # fmt: skip
    return CorpusRecipe.model_validate(values | changes)


def per_record(work: Callable[[Any], object], items: Iterable[Any]) -> float:
    """Milliseconds of processor time for each item; the first one, which imports and compiles, is not counted."""
    first, *rest = items
    work(first)
    began = time.process_time()
    for item in rest:
        work(item)
    return 1000 * (time.process_time() - began) / len(rest)


def by_neurokit2(record: ECGRecord) -> None:
    import neurokit2

    for row in record.signal[record.lead_mask]:
        try:
            neurokit2.ecg_process(row, sampling_rate=record.sampling_rate)
        except (ValueError, IndexError, ZeroDivisionError, TypeError):
            continue  # it gives up on this lead, as it does on many real ones


def by_matplotlib(record: ECGRecord) -> np.ndarray:
    """A page of the same layout: grid, twelve leads in four columns, and the rhythm strip."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.5), dpi=100)
    canvas, axes = FigureCanvasAgg(figure), figure.add_axes((0, 0, 1, 1))
    seconds = np.arange(record.signal.shape[1]) / record.sampling_rate
    for number, lead in enumerate(LEADS):
        column, row = divmod(number, 3)
        part = slice(1250 * column, 1250 * (column + 1))
        axes.plot(seconds[part], record.signal[number, part] - 3 * row, lw=0.8, color="k")
        axes.text(2.5 * column, 1 - 3 * row, lead)
    axes.plot(seconds, record.signal[1] - 9, lw=0.8, color="k")
    axes.set_xticks(np.arange(0, 10, 0.2))
    axes.set_yticks(np.arange(-11, 2, 0.5))
    axes.grid(color="#f0aaa8", lw=0.5)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def steps(paths: list[Path], size: int) -> dict[str, float]:
    """Milliseconds a record of each step, ours and the plain one."""
    records = [read_record(path) for path in paths]
    return {
        "read": per_record(read_record, paths),
        "measure": per_record(measure, records),
        "draw": per_record(lambda record: render(record, size=size), records),
        "neurokit2": per_record(by_neurokit2, records[::BASELINE]),
        "matplotlib": per_record(by_matplotlib, records[::BASELINE]),
    }


def cpu_and_wall(work: Callable[[], object]) -> dict[str, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return {"cpu_s": round(time.process_time() - cpu, 3), "wall_s": round(time.perf_counter() - wall, 3)}


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def builds(source: dict[str, Any], size: int, style: str, folder: Path) -> dict[str, Any]:
    """A first build, and the median of second ones with other wordings, which take a second each; and bytes on disk."""
    changes = {"page_size": size, "reports": {"style": style}}
    warm_up = recipe(folder / "warm-up", {"simulate": 2}, "?", **changes, cache=None)
    build(warm_up)
    found: dict[str, Any] = {}
    for pages in ("stored", "drawn"):
        made = recipe(folder / f"first-{pages}", source, FIRST, **changes, pages=pages)
        shutil.rmtree(folder / "cache", ignore_errors=True)
        found[f"first_{pages}"] = cpu_and_wall(lambda made=made: build(made))
        found[f"cache_bytes_{pages}"] = size_of(Cache(Path(str(made.cache))).folder)
        again = [recipe(folder / f"{n}-{pages}", source, text, **changes, pages=pages) for n, text in enumerate(OTHERS)]
        times = [cpu_and_wall(lambda made=made: build(made)) for made in again]
        found[f"second_{pages}"] = sorted(times, key=lambda one: one["cpu_s"])[len(times) // 2]
    found["records"] = len(RecordStore(folder / "first-stored" / "train"))
    for pages in ("stored", "drawn"):
        first, second = found[f"first_{pages}"], found[f"second_{pages}"]
        found[f"second_is_faster_by_{pages}"] = round(first["cpu_s"] / second["cpu_s"], 1)
        found[f"split_bytes_{pages}"] = size_of(folder / f"first-{pages}")
    return found


def peak(count: int, folder: Path) -> dict[str, float]:
    """The most memory that a build of so many records took, in MB: of its process, and with its workers."""
    command = [sys.executable, __file__, "--build", str(count), str(folder / str(count))]
    highest = {"process": 0.0, "all": 0.0}
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as running:
        process = psutil.Process(running.pid)
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(0.2):
                try:
                    own = process.memory_info().rss
                    others = sum(child.memory_info().rss for child in process.children(recursive=True))
                except psutil.NoSuchProcess:
                    continue
                highest["process"] = max(highest["process"], own / 1e6)
                highest["all"] = max(highest["all"], (own + others) / 1e6)

        watcher = threading.Thread(target=watch)
        watcher.start()
        began = time.perf_counter()
        running.wait()
        ended.set()
        watcher.join()
    shutil.rmtree(folder / str(count), ignore_errors=True)
    return {
        "records": count,
        "wall_s": round(time.perf_counter() - began, 1),
        **{k: round(v) for k, v in highest.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--records", type=int, default=200)
    parser.add_argument("--page-size", type=int, default=112)
    parser.add_argument("--style", choices=("brief", "full"), default="brief", help="of the texts")
    parser.add_argument("--memory", type=int, nargs="*", default=[])
    parser.add_argument("--build", nargs=2)
    given = parser.parse_args()
    if given.build:
        count, out = given.build
        build(recipe(Path(out) / "out", {"simulate": int(count)}, "?", pages="drawn", workers=2))
        return
    with tempfile.TemporaryDirectory() as place:
        folder, records = Path(place), given.folder
        if records is None:
            records = folder / "records"
            for simulated in simulate(given.records, seed=0):
                write_record(simulated.record, records)
        paths = find_records(records)[: given.records]
        timed = steps(paths, given.page_size)
        built = builds({"records": str(records), "limit": len(paths)}, given.page_size, given.style, folder)
        memory = [peak(count, folder) for count in given.memory]
    count = built["records"]
    ours = 1000 * built["first_stored"]["cpu_s"] / count
    timed["write"] = ours - timed["read"] - timed["measure"] - timed["draw"]
    plain = timed["neurokit2"] + timed["matplotlib"]
    console, table = Console(), Table("step", "ms a record", "records a second")
    for name in ("read", "measure", "draw", "write"):
        table.add_row(name, f"{timed[name]:.2f}", f"{1000 / max(timed[name], 1e-9):,.0f}")
    table.add_row("all of it", f"{ours:.2f}", f"{1000 / ours:,.1f}")
    table.add_row("nk.ecg_process + matplotlib", f"{plain:.1f}", f"{1000 / plain:,.2f}")
    console.print(table)
    found = {
        "records": count,
        "ms": {name: round(value, 3) for name, value in timed.items()},
        "ours_ms": round(ours, 3),
        "faster_than_plain_by": round(plain / ours, 1),
        "builds": built,
        "memory_mb": memory,
    }
    console.print(f"{plain / ours:.1f} times as fast as nk.ecg_process and matplotlib")
    for pages in ("stored", "drawn"):
        kb = [built[f"{what}_bytes_{pages}"] / count / 1000 for what in ("split", "cache")]
        console.print(
            f"pages {pages}: the second build is {built[f'second_is_faster_by_{pages}']} times as fast; "
            f"{kb[0]:.0f} kB a record in the split, {kb[1]:.0f} kB in the cache"
        )
    for row in memory:
        console.print(f"{row['records']:,} records: {row['process']} MB, {row['all']} MB with two workers")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
