"""How well and how fast ECGs are measured: LUDB's cardiologists and simulated truth, against plain neurokit2.

    python benchmarks/measurement.py [--json measurement.json] [--records 330] [--ludb FOLDER] [--ptbxl FOLDER]
                                     [--chapman FOLDER] [--muse FILE] [--quick]

LUDB v1.0.1 (Kalyakulina et al., IEEE Access 2020) with the experts' intervals in `reference_intervals_median12.csv`, in
halves by record number. How the P wave, QRS and T wave are bounded, and how leads are weighed, was chosen on
`number % 4 == 0` alone; whether there is a P wave, R peaks, the beats counted for the rate and pacemaker spikes were
looked at on both halves (and on PTB-XL and the challenge's records).

LUDB's experts marked single leads, so its QT is held against `qt_lead_ms`. GE MUSE counts QT and QRS over all leads;
its values of records of Chapman-Shaoxing (Zheng et al., Sci Data 2020) are held against `qt_ms`, whose end of T was
fitted to 12 of them.

Amplitudes have no experts' values, and LUDB's gains put every lead about 1 mV too high. How far they repeat is measured
on PTB-XL: the first half of a record's beats against the second, lead by lead. `ecg_r1.ecg.quantities` has its
tolerances from this table.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import findings
import numpy as np
from rich.console import Console
from rich.table import Table

from ecg_r1.ecg import library
from ecg_r1.ecg.beats import Unmeasurable
from ecg_r1.ecg.delineate import delineate
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.morphology import lead_beats
from ecg_r1.ecg.paper import Paper
from ecg_r1.ecg.quantities import LEAD_QUANTITIES
from ecg_r1.ecg.record import ECGRecord, find_records, read_record
from ecg_r1.ecg.render import render
from ecg_r1.ecg.simulate import DIAGNOSES, simulate
from ecg_r1.files import write_atomically

METHODS = ("consensus", "neurokit2", "neurokit2-prominence")
INTERVALS = ("p_ms", "pr_ms", "qrs_ms", "qt_ms")
MARKED = {"p_ms": "p_ms", "pr_ms": "pr_ms", "qrs_ms": "qrs_ms", "qt_lead_ms": "qt_ms"}  # ours: LUDB's column
MUSE = {"heart_rate_bpm": "VentricularRate", "qrs_ms": "QRSDuration", "qt_ms": "QTInterval"}  # ours: its column
SHARED = Path(os.environ.get("ECG_R1_RECORDS", Path(__file__).parents[1] / "../shared/ecg"))
LUDB, PTBXL, CHAPMAN = SHARED / "ludb", SHARED / "ptb-xl" / "records500", SHARED / "cinc2021"
MUSE_ROWS = SHARED / "tables" / "chapman_muse_measurements.csv"
SHOWN = ("p_ms", "pr_ms", "qrs_ms", "qt_ms", "qt_lead_ms", "heart_rate_bpm")
FEWEST_BEATS = 6  # of a record whose halves are compared
Truth = dict[str, float | None]
SEED = 2026  # of the simulated records; none was used to choose a parameter


def ludb(folder: Path) -> dict[str, list[tuple[ECGRecord, Truth]]]:
    """The two halves of the records at hand, with the experts' intervals."""
    halves: dict[str, list[tuple[ECGRecord, Truth]]] = {"LUDB, bounds chosen on": [], "LUDB, bounds not chosen on": []}
    with (folder / "reference_intervals_median12.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            path = folder / "data" / row["record"]
            truth = {name: float(row[column]) if row[column] else None for name, column in MARKED.items()}
            truth["heart_rate_bpm"] = marked_rate(path)
            half = "LUDB, bounds chosen on" if int(row["record"]) % 4 == 0 else "LUDB, bounds not chosen on"
            halves[half].append((read_record(path), truth))
    return halves


def marked_rate(path: Path) -> float:
    """The mean rate of the beats that LUDB's experts marked in lead II, bpm."""
    import wfdb

    marks = wfdb.rdann(str(path), "ii")
    beats = [sample for sample, symbol in zip(marks.sample, marks.symbol, strict=True) if symbol == "N"]
    return 60 * marks.fs / float(np.mean(np.diff(beats)))


def muse(folder: Path, rows: Path) -> list[tuple[ECGRecord, Truth]]:
    """The records at hand with what GE MUSE measured on them."""
    with rows.open(encoding="utf-8") as file:
        known = {
            row["record"]: {name: float(row[column]) for name, column in MUSE.items()} for row in csv.DictReader(file)
        }
    return [(read_record(path), known[path.name]) for path in map(Path, find_records(folder)) if path.name in known]


def errors(pairs: Iterable[tuple[Measurements, Truth]], name: str) -> dict[str, Any]:
    """Errors of a quantity where the truth has it, and what is said where it has none."""
    rows = [(m.value(name), t[name]) for m, t in pairs]
    both = np.array([found - true for found, true in rows if found is not None and true is not None])
    present, absent = [f for f, t in rows if t is not None], [f for f, t in rows if t is None]
    return {
        "n": len(both),
        "median_error": round(float(np.median(np.abs(both))), 2) if len(both) else None,
        "bias": round(float(np.median(both)), 2) if len(both) else None,
        "within_20": round(float(np.mean(np.abs(both) <= 20)), 3) if len(both) else None,
        "within_2": round(float(np.mean(np.abs(both) <= 2)), 3) if len(both) else None,
        "reported_where_present": round(float(np.mean([f is not None for f in present])), 3) if present else None,
        "withheld_where_absent": round(float(np.mean([f is None for f in absent])), 3) if absent else None,
    }


def raising(records: Iterable[tuple[ECGRecord, Truth]]) -> dict[str, int]:
    """Records on which a method raises: ours anywhere, neurokit2 in any of the leads that it is used on."""
    count = dict.fromkeys(METHODS, 0)
    for record, _ in records:
        try:
            measure(record)
        except Exception:  # whatever it is, it counts
            count["consensus"] += 1
        signal = record.signal[:, : record.samples].astype(float)
        for method in METHODS[1:]:
            delineation, leads = library.METHODS[method]
            rows = [signal[i] for i, lead in enumerate(LEADS) if lead in leads and record.lead_mask[i]]
            count[method] += not all(library.measure_lead(row, delineation) for row in rows)
    return count


def accuracy(records: Sequence[tuple[ECGRecord, Truth]], methods: Sequence[str]) -> dict[str, Any]:
    found, names = {}, list(records[0][1])
    for method in methods:
        pairs = [(measure(record, method=method), truth) for record, truth in records]
        found[method] = {name: errors(pairs, name) for name in names if name in SHOWN}
    return found


def repeatability(folder: Path) -> dict[str, dict[str, float]]:
    """How much the two halves of each record differ, in mV over all leads: |difference| at the median, 90% and 95%."""
    apart: dict[str, list[float]] = {name: [] for name in LEAD_QUANTITIES}
    for path in find_records(folder):
        record = read_record(path)
        try:
            found = delineate(record.signal[:, : record.samples].astype(float), record.lead_mask)
        except Unmeasurable:
            continue
        peaks = found.beat.peaks
        if len(peaks) < FEWEST_BEATS:
            continue
        halves = [lead_beats(found, part) for part in (peaks[: len(peaks) // 2], peaks[len(peaks) // 2 :])]
        for lead in halves[0]:
            for name, values in apart.items():
                one, other = (getattr(half[lead], name) for half in halves)
                values += [] if one is None else [abs(one - other)]
    quantiles = {"median": 0.5, "90%": 0.9, "95%": 0.95}
    return {
        name: {"n": len(values)} | {title: round(float(np.quantile(values, q)), 3) for title, q in quantiles.items()}
        for name, values in apart.items()
    }


def by_diagnosis(records: Sequence[tuple[ECGRecord, Truth]]) -> dict[str, Any]:
    pairs = [(record.diagnoses[0], measure(record), truth) for record, truth in records]
    return {
        name: {quantity: errors([(m, t) for d, m, t in pairs if d == name], quantity) for quantity in INTERVALS}
        for name in DIAGNOSES
    }


def seconds(work: Callable[[], object], times: int) -> float:
    """Processor time of the fastest of `times` runs, so that what else the machine does counts as little as it can."""
    taken = []
    for _ in range(times):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def speed(record: ECGRecord, times: int) -> dict[str, float]:
    """Milliseconds of processor time a record, of one process; simulated records a second."""
    import neurokit2

    def every_lead() -> None:
        for row in record.signal:
            neurokit2.ecg_process(row, sampling_rate=record.sampling_rate)

    measure(record), render(record)
    count = 100
    found = {
        "measure_ms": 1000 * seconds(lambda: measure(record), 5 * times),
        "ecg_process_on_12_leads_ms": 1000 * seconds(every_lead, times),
        "render_ms": 1000 * seconds(lambda: render(record), 5 * times),
        "matplotlib_ms": 1000 * seconds(lambda: matplotlib_page(record), times),
        "simulated_a_second_on_one_core": count / seconds(lambda: list(simulate(count, seed=SEED)), times),
    }
    found["measuring_is_faster_by"] = found["ecg_process_on_12_leads_ms"] / found["measure_ms"]
    found["rendering_is_faster_by"] = found["matplotlib_ms"] / found["render_ms"]
    return {name: round(value, 2) for name, value in found.items()}


def matplotlib_page(record: ECGRecord) -> np.ndarray:
    """The same page by matplotlib, as fast as it goes: a line collection for each grid, and one for the traces."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    paper = Paper()
    height, width = paper.size_mm
    figure = Figure(figsize=(width * 4 / 100, height * 4 / 100), dpi=100)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    for step, colour, weight in ((1, "#fadedc", 0.3), (5, "#eeaaa8", 0.6)):
        lines = [np.array([(x, 0), (x, height)]) for x in np.arange(0, width, step)]
        lines += [np.array([(0, y), (width, y)]) for y in np.arange(0, height, step)]
        axes.add_collection(LineCollection(lines, colors=colour, linewidths=weight))
    traces = []
    for cell in paper.cells():
        a, b = int(cell.start * 500), int(cell.end * 500)
        trace = record.signal[LEADS.index(cell.lead), a:b]
        traces.append(np.column_stack([cell.x_mm(np.arange(a, b) / 500), cell.top + 0.55 * paper.row - 10 * trace]))
        axes.text(cell.left + 1, cell.top + 4, cell.lead)
    axes.add_collection(LineCollection(traces, colors="#0c0c1e", linewidths=0.9))
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def show(console: Console, title: str, found: dict[str, Any]) -> None:
    table = Table(title=title, title_justify="left")
    for column in ("", "quantity", "n", "median error", "bias", "≤ 20 ms", "reported if present", "withheld if absent"):
        table.add_column(column, justify="left" if column in ("", "quantity") else "right")
    for method, quantities in found.items():
        for name, e in quantities.items():
            near = e["within_2"] if name == "heart_rate_bpm" else e["within_20"]
            known = (
                e["n"],
                e["median_error"],
                e["bias"],
                near,
                e["reported_where_present"],
                e["withheld_where_absent"],
            )
            label = f"{name} (≤ 2 bpm)" if name == "heart_rate_bpm" else name
            table.add_row(method, label, *("–" if cell is None else str(cell) for cell in known))
            method = ""
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    parser.add_argument("--records", type=int, default=330, help="simulated records")
    parser.add_argument("--ludb", type=Path, default=LUDB, help="folder of LUDB")
    parser.add_argument("--chapman", type=Path, default=CHAPMAN, help="folder of Chapman-Shaoxing's records")
    parser.add_argument("--muse", type=Path, default=MUSE_ROWS, help="table of GE MUSE's measurements of them")
    parser.add_argument("--ptbxl", type=Path, default=PTBXL, help="folder of PTB-XL's records at 500 Hz")
    parser.add_argument("--quick", action="store_true", help="ours only, without neurokit2 beside it")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 130)
    methods = METHODS[:1] if options.quick else METHODS
    numbers: dict[str, Any] = {}
    if options.ludb.is_dir():
        for half, records in ludb(options.ludb).items():
            numbers[half] = accuracy(records, methods)
            show(console, f"{half}: {len(records)} records", numbers[half])
            if not options.quick:
                numbers[half]["raising"] = raising(records)
                console.print(f"records on which a method raises: {numbers[half]['raising']}\n")
    else:
        console.print(f"no LUDB at {options.ludb}; --ludb FOLDER names it")
    if options.muse.is_file() and (records := muse(options.chapman, options.muse)):
        numbers["GE MUSE"] = accuracy(records, methods)
        show(console, f"GE MUSE: {len(records)} records", numbers["GE MUSE"])
    if options.ptbxl.is_dir():
        numbers["amplitudes"] = repeatability(options.ptbxl)
        console.print("Amplitudes: difference between the halves of a record, mV")
        for name, row in numbers["amplitudes"].items():
            console.print(f"{name:8} {'  '.join(f'{title} {value}' for title, value in row.items())}")
    simulated = [(s.record, s.truth) for s in simulate(options.records, seed=SEED)]
    # The library takes 12 leads times 60 ms a record: a third of the records shows how it does.
    numbers["simulated"] = accuracy(simulated if options.quick else simulated[: len(simulated) // 3], methods)
    show(console, "Simulated truth", numbers["simulated"])
    numbers["simulated by diagnosis"] = by_diagnosis(simulated)
    show(
        console, f"Simulated truth by diagnosis, consensus: {len(simulated)} records", numbers["simulated by diagnosis"]
    )
    numbers["findings"] = findings.report(console, 10 * options.records, findings.PTBXL)
    numbers["speed"] = speed(simulated[0][0], times=3)
    console.print("Speed (processor time)")
    for name, value in numbers["speed"].items():
        console.print(f"{name.replace('_', ' '):40} {value:10.2f}")
    if options.json:
        write_atomically(options.json, json.dumps(numbers, indent=1) + "\n")


if __name__ == "__main__":
    main()
