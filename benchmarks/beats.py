"""The rate of real records with irregular rhythms, against beats that other detectors count.

    python benchmarks/beats.py [--ptbxl FOLDER …] [--wrong]

Records of PTB-XL whose codes name fibrillation, flutter or ectopic beats. Beats are counted by wfdb's XQRS and GQRS,
which share no code with neurokit2 and ours, in leads I, II, V1 and V5: a beat is where at least three of these eight
find one within 100 ms, since broad beats show in few leads. The rate is that from the first to the last such beat.
Where ours differs by more than 3 bpm, look at the page: one of the two is wrong.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import csv
import io
from pathlib import Path

import numpy as np
from findings import DUPLICATES, PTBXL
from wfdb.processing import gqrs_detect, xqrs_detect

from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.record import SAMPLING_RATE, ECGRecord, read_record
from ecg_r1.terminal import say

CODES = {"AFIB", "AFLT", "PVC", "PAC", "BIGU", "TRIGU", "SVARR", "PRC(S)", "SARRH"}
COUNTED_IN = ("I", "II", "V1", "V5")
AGREEING = 3  # of eight
NEAR = SAMPLING_RATE // 10  # samples by which two detectors may differ about a beat
REFRACTORY = SAMPLING_RATE // 5  # samples between two beats, at least
ALLOWED = 3.0  # bpm


def counted(record: ECGRecord) -> np.ndarray:
    """The samples at which at least `AGREEING` of the detectors find a beat."""
    found = []
    for lead in COUNTED_IN:
        row = record.signal[LEADS.index(lead), : record.samples].astype(float)
        for detect in (_xqrs, gqrs_detect):
            with contextlib.redirect_stdout(io.StringIO()):
                found.append(np.asarray(detect(row, fs=SAMPLING_RATE), int))
    marks = np.zeros(record.samples + 2 * NEAR, int)
    for beats in found:
        around = np.unique((beats[:, None] + np.arange(-NEAR // 2, NEAR // 2 + 1)).ravel() + NEAR)
        marks[around[(around >= 0) & (around < len(marks))]] += 1
    beaten = np.concatenate([[False], marks >= AGREEING, [False]])
    starts, stops = (np.flatnonzero(np.diff(beaten.astype(int)) == step) for step in (1, -1))
    middles = (starts + stops) / 2 - NEAR
    return middles[np.append(True, np.diff(middles) > REFRACTORY)]  # two marks on one broad QRS are one beat


def _xqrs(row: np.ndarray, fs: int) -> np.ndarray:
    return xqrs_detect(row, fs=fs, verbose=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ptbxl", type=Path, nargs="*", default=PTBXL, help="folders of PTB-XL, each with its table")
    parser.add_argument("--wrong", action="store_true", help="name each record that differs by more than 3 bpm")
    options = parser.parse_args()
    right = every = 0
    for folder in options.ptbxl:
        with (folder / "ptbxl_database.csv").open(encoding="utf-8-sig") as file:
            rows = [row for row in csv.DictReader(file) if int(float(row["ecg_id"])) not in DUPLICATES]
        for row in rows:
            codes = CODES & set(ast.literal_eval(row["scp_codes"]))  # a Python dict; this runs no code
            paths = [folder / row[column] for column in ("filename_hr", "filename_lr")]
            at_hand = [path for path in paths if path.with_suffix(".hea").is_file()]
            if not codes or not at_hand:
                continue
            record = read_record(at_hand[0])
            beats, ours = counted(record), measure(record).value("heart_rate_bpm")
            if len(beats) < 3:
                say(f"{at_hand[0].name}: the detectors do not agree on three beats")
                continue
            rate = 60 * SAMPLING_RATE / float(np.diff(beats).mean())
            every += 1
            right += (near := ours is not None and abs(ours - rate) <= ALLOWED)
            if options.wrong and not near:
                say(f"{at_hand[0].name} {' '.join(sorted(codes))}: {ours} bpm, {rate:.1f} by {len(beats)} beats")
    say(f"{right} of {every} ({right / max(every, 1):.1%}) within {ALLOWED:g} bpm of the beats counted")


if __name__ == "__main__":
    main()
