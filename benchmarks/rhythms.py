"""Hearts that are not regular: is the rate right, and is each interval right or withheld with a reason?

    python benchmarks/rhythms.py [--records 520] [--seed 1] [--wrong]

Each record repeats a pattern of beats: `N` conducted from the sinus node, `A` premature from the atria, `V` premature
from the ventricles, `-` a sinus P wave that is not conducted. It begins anywhere in the pattern. The beats are those of
`ecg.heart`, and an atrial one has a P wave of its own. Right are: the rate within 3 bpm of that from the first to the
last beat of the record, or of that of whole patterns, or between these two; PR and QRS within 20 ms, and QT within
25 ms, of those of the conducted beats; in Wenckebach's block any PR that occurs. Seed 3 was looked at; others were not.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from ecg_r1.ecg.heart import DOWER, left_bundle, narrow, p_wave, right_bundle, ventricular_ectopic
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.lobes import Beat
from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.noise import electrode_noise
from ecg_r1.ecg.record import SAMPLES, SAMPLING_RATE, ECGRecord
from ecg_r1.ecg.simulate import draw_beat, place, twelve, vary

MS = 1000 / SAMPLING_RATE
ALLOWED = {"heart_rate_bpm": 3.0, "pr_ms": 20.0, "qrs_ms": 20.0, "qt_ms": 25.0}
DRAWS = 200
EDGE = 60.0  # ms; a QRS that begins nearer to the record's end may be cut off
CYCLES = 40  # more than ten seconds of each pattern
BROAD, BUNDLE_BRANCH_BLOCK = 120.0, 0.15  # ms; share of the hearts that have such a block
SOONEST, LATEST, REFRACTORY = 340.0, 0.78, 0.6  # coupling of premature beats: ms, and shares of the sinus node's cycle


@dataclass(frozen=True)
class Kind:
    """A kind of rhythm.

    patterns: of which one is drawn. pause: how long after a premature beat the next sinus beat comes: `compensatory`
    (the sinus node keeps its time), `reset` (it begins anew) or `none` (the premature beat is interpolated).
    wenckebach: the PR interval grows from beat to beat. rate: of the sinus node, a minute.
    """

    patterns: tuple[str, ...]
    pause: tuple[str, ...] = ("compensatory",)
    wenckebach: bool = False
    rate: tuple[float, float] = (55.0, 95.0)


KINDS = {
    "atrial bigeminy": Kind(("NA",), ("compensatory", "reset")),
    "atrial trigeminy": Kind(("NNA", "NNNA"), ("compensatory", "reset")),
    "atrial pairs": Kind(("NAA", "NNAA", "NNNAA"), ("reset",)),
    "atrial, single": Kind(("NNNNNA", "NNNNA"), ("compensatory", "reset")),
    "ventricular bigeminy": Kind(("NV",)),
    "ventricular trigeminy": Kind(("NNV", "NNNV")),
    "ventricular pairs": Kind(("NVV", "NNVV", "NNNVV")),
    "ventricular runs": Kind(("NNNVVV", "NNNNVVVV")),
    "ventricular, interpolated": Kind(("NNV", "NNNV", "NNNNV"), ("none",), rate=(45.0, 66.0)),
    "ventricular and atrial": Kind(("NNVNNA", "NNANV", "NVNNNA")),
    "2:1 block": Kind(("N-",), rate=(70.0, 125.0)),
    "Mobitz": Kind(("NN-", "NNN-", "NNNN-"), rate=(60.0, 100.0)),
    "Wenckebach": Kind(("NN-", "NNN-", "NNNN-"), wenckebach=True, rate=(60.0, 100.0)),
}


@dataclass(frozen=True)
class Drawn:
    """A record with the range of values that are right of each quantity."""

    kind: str
    record: ECGRecord
    right: dict[str, tuple[float, float]]


def draw(records: int, seed: int) -> Iterator[Drawn]:
    """So many records, of each kind in turn."""
    for i in range(records):
        name = list(KINDS)[i % len(KINDS)]
        yield _one(f"{name.replace(' ', '_')}_{seed}_{i}", name, np.random.default_rng([seed, i]))


def _one(record_id: str, name: str, rng: np.random.Generator) -> Drawn:
    kind = KINDS[name]
    rr, beat = _fitting(kind, rng)
    pattern, pause = str(rng.choice(kind.patterns)), str(rng.choice(kind.pause))
    times = _times(pattern, pause, kind.wenckebach, rr, rng)
    view = rng.uniform(0.75, 1.25) * rng.uniform(0.92, 1.08, 8)[:, None] * DOWER
    ventricles = (left_bundle, right_bundle)[int(rng.integers(2))] if beat.qrs > BROAD else narrow
    own = Beat(pr=rng.uniform(100, 170), p=rng.uniform(65, 95), qrs=beat.qrs, qt=beat.qt)
    broad = Beat(pr=None, p=None, qrs=rng.uniform(130, 175), qt=rng.uniform(370, 430))
    conducted, sinus_p, other_p, ectopic = (
        draw_beat(vary(waves, rng), view)[0]
        for waves in (ventricles(beat), p_wave(beat), p_wave(own), ventricular_ectopic(broad))
    )
    drawn = {
        "N": [conducted],
        "P": [sinus_p],
        "A": [conducted, -np.float32(rng.uniform(0.5, 1.0)) * other_p],
        "V": [np.float32(rng.choice([-1.0, 1.0])) * ectopic],
    }
    cycle = pattern.count("N")
    start = times["N"][cycle] + rng.uniform(0, times["N"][2 * cycle] - times["N"][cycle])
    leads = electrode_noise(SAMPLES, SAMPLING_RATE, rng)
    for letter, templates in drawn.items():
        for time in times[letter] - start:
            for template in templates:
                place(template * np.float32(rng.normal(1, 0.02)), round(time / MS), leads)
    every = np.sort(np.concatenate([times[letter] for letter in "NAV"])) - start
    whole = every[(every > EDGE) & (every < SAMPLES * MS - EDGE)]
    in_cycles = 60000 * len(pattern.replace("-", "")) / float(np.diff(times["N"][::cycle]).mean())
    rates = sorted([in_cycles, 60000 / float(np.diff(whole).mean())])
    delays = times["N"] - times["P"][np.searchsorted(times["P"], times["N"], side="right") - 1]
    right = {
        "heart_rate_bpm": (rates[0], rates[1]),
        "pr_ms": (beat.pr + float(delays.min()), beat.pr + float(delays.max())),  # type: ignore[operator]
        "qrs_ms": (beat.qrs, beat.qrs),
        "qt_ms": (beat.qt, beat.qt),
    }
    return Drawn(name, ECGRecord(record_id, twelve(leads), np.ones(len(LEADS), bool), source="drawn"), right)


def _fitting(kind: Kind, rng: np.random.Generator) -> tuple[float, Beat]:
    """The sinus node's cycle, ms, and a beat that fits into it.

    Raises:
        ValueError: none fits.
    """
    for _ in range(DRAWS):
        rr = 60000 / rng.uniform(*kind.rate)
        qrs = rng.uniform(BROAD + 4, 160) if rng.uniform() < BUNDLE_BRANCH_BLOCK else rng.uniform(76, 104)
        pr, qt = rng.uniform(125, 210), rng.uniform(340, 440)
        if pr + qt + 60 < rr * len(kind.patterns[0]) / kind.patterns[0].count("N"):
            return rr, Beat(pr=pr, p=rng.uniform(85, 115), qrs=qrs, qt=qt)
    raise ValueError("no beat fits into this rhythm")


def _times(pattern: str, pause: str, wenckebach: bool, rr: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """When, in ms, the QRS of each kind comes, by letter; and under P each sinus P wave, as the QRS that it would set
    off at the usual PR interval.
    """
    coupling = {letter: rng.uniform(max(least, SOONEST / rr), LATEST) for letter, least in (("A", 0.5), ("V", 0.42))}
    if pause == "none":
        coupling["V"] = rng.uniform(SOONEST / rr, 1 - 1.2 * SOONEST / rr)
    again = rng.uniform(max(0.45, SOONEST / rr), 0.75)  # coupling of premature beats to others
    step, delay, sinus, last = rng.uniform(25, 70), 0.0, 0.0, 0.0
    times: dict[str, list[float]] = {letter: [] for letter in "NPAV"}
    for k, letter in enumerate(CYCLES * pattern):
        if letter in "N-":
            times["P"].append(sinus)
            if letter == "N":
                last = sinus + delay
                times["N"].append(last)
            delay = delay + step if wenckebach and letter == "N" else 0.0
            sinus += rr * rng.normal(1, 0.01)
            continue
        in_a_row = k > 0 and (CYCLES * pattern)[k - 1] in "AV"
        last += rr * (again if in_a_row else coupling[letter] + rng.normal(0, 0.008))
        times[letter].append(last)
        if pause == "reset" and letter == "A":
            sinus = last + rr * rng.uniform(1.0, 1.1)
        elif pause != "none":
            while sinus < last + REFRACTORY * rr:  # the sinus node keeps its time, and is not heard
                times["P"] += [sinus] if letter == "V" else []
                sinus += rr
    return {letter: np.array(found) for letter, found in times.items()}


def judged(drawn: Drawn) -> dict[str, str]:
    """`right`, `withheld` or `wrong`, with the values, for each quantity."""
    found, told = measure(drawn.record), {}
    for name, (low, high) in drawn.right.items():
        value = found.value(name)
        if value is None:
            told[name] = "withheld" if found[name].reason and name != "heart_rate_bpm" else "wrong: no reason"
        elif low - ALLOWED[name] <= value <= high + ALLOWED[name]:
            told[name] = "right"
        else:
            told[name] = f"wrong: {value:.0f} for {low:.0f}" + (f" to {high:.0f}" if high > low else "")
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=520)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=list(KINDS), help="only this kind")
    parser.add_argument("--wrong", action="store_true", help="name each wrong value")
    options = parser.parse_args()
    report(
        Console(width=None if sys.stdout.isatty() else 130), options.records, options.seed, options.kind, options.wrong
    )


def report(console: Console, records: int, seed: int, kind: str | None = None, wrong: bool = False) -> dict[str, int]:
    """Prints how many records of each kind are right; returns the number of them, and of all."""
    counts: dict[str, Counter[str]] = {}
    for drawn in draw(records, seed):
        if kind not in (None, drawn.kind):
            continue
        told = judged(drawn)
        count = counts.setdefault(drawn.kind, Counter())
        count["records"] += 1
        count["right"] += not any(verdict.startswith("wrong") for verdict in told.values())
        count.update(name for name, verdict in told.items() if verdict.startswith("wrong"))
        count.update(f"{name} withheld" for name, verdict in told.items() if verdict == "withheld")
        if wrong and any(verdict.startswith("wrong") for verdict in told.values()):
            shown = ", ".join(f"{name} {verdict}" for name, verdict in told.items() if verdict.startswith("wrong"))
            console.print(f"{drawn.record.record_id}: {shown}")
    table = Table(title=f"Rhythms of several kinds of beats, seed {seed}: wrong (withheld)", title_justify="left")
    for head in ("kind", "records", "all right", *ALLOWED):
        table.add_column(head, justify="left" if head == "kind" else "right")
    for name, count in counts.items():
        cells = (f"{count[quantity]} ({count[f'{quantity} withheld']})" for quantity in ALLOWED)
        table.add_row(name, str(count["records"]), str(count["right"]), *cells)
    console.print(table)
    right, every = (sum(count[key] for count in counts.values()) for key in ("right", "records"))
    console.print(
        f"{right} of {every} ({right / max(every, 1):.1%}) have the rate and each interval right or withheld\n"
    )
    return {"right": right, "records": every}


if __name__ == "__main__":
    main()
