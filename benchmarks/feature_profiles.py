"""Corruption profiles of the feature code that published corpora took their values from.

    python benchmarks/feature_profiles.py RECORDS [--featuredb FOLDER] [--out runs/profiles]       about 5 minutes

ECG-Chat's texts quote what its script finds on lead II with neurokit2 (data/preprocess/signal_analysis.py), GEM's what
FeatureDB finds (github.com/PKUDigitalHealth/FeatureDB; FOLDER is a clone of it, which this script runs, on lead II).
RECORDS is a folder of real records with a card. For each record a text is written that quotes the values of each code,
and `ecg-r1 corpus audit` holds it against the signal. OUT/<code>.json is the profile; those of PTB-XL come with the
package: `corruption: {profile: ecg-chat}`. OUT/<code>/nothing.txt lists the records of which the code finds nothing,
with its error where it raised one. What a language model made of the values afterwards is not in them, and
which revision of FeatureDB made GEM's is not known.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from rich.progress import track

from ecg_r1.corpus.audit.audit import PROFILE, audit
from ecg_r1.corpus.audit.terminal import print_tables
from ecg_r1.corpus.profile import read_profile
from ecg_r1.ecg.beats import LIBRARY_ERRORS, MS, RATE
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.library import delineate_lead
from ecg_r1.ecg.record import RecordError, find_records, read_record

LEAD = "II"
WORDED = {
    "rate": "Heart rate {} bpm",
    "pr": "PR interval {} ms",
    "qrs": "QRS duration {} ms",
    "qt": "QT interval {} ms",
}
QUESTION = "Measure this ECG."

Code = Callable[[np.ndarray], dict[str, float]]  # of one lead, (samples,) in mV at `RATE`: its values by `WORDED`


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path)
    parser.add_argument("--featuredb", type=Path, help="a clone of FeatureDB; without it, ECG-Chat's code alone")
    parser.add_argument("--out", type=Path, default=Path("runs/profiles"))
    given = parser.parse_args()
    codes = {"ecg-chat": ecg_chat} | ({"featuredb": featuredb(given.featuredb)} if given.featuredb else {})
    for name, code in codes.items():
        folder = given.out / name
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{name}.jsonl"
        nothing = dict[str, str]()
        rows = texts(given.records, name, code, nothing)
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        listed = "".join(f"{record}\t{reason}\n" for record, reason in nothing.items())
        (folder / "nothing.txt").write_text(listed, encoding="utf-8")
        print_tables(audit([file], folder, records=given.records))
        profile = read_profile(folder / PROFILE).model_copy(update={"source": f"{code.__doc__} {given.records}"})
        (given.out / f"{name}.json").write_text(profile.model_dump_json(indent=1) + "\n", encoding="utf-8")


def texts(records: Path, name: str, code: Code, nothing: dict[str, str]) -> Iterator[dict[str, str]]:
    """An example of each record of which the code finds something; `nothing` takes the others, each with the reason."""
    for path in track(find_records(records), name):
        try:
            record = read_record(path)
        except RecordError:
            continue  # the corpus of the audit lists it with the reason
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                values = code(record.signal[LEADS.index(LEAD), : record.samples].astype(float))
        except LIBRARY_ERRORS as error:
            nothing[record.record_id] = repr(error)
            continue
        said = [WORDED[key].format(f"{value:.0f}") for key, value in values.items() if np.isfinite(value) and value > 0]
        if said:
            yield {"record": record.record_id, "question": QUESTION, "response": ", ".join(said) + "."}
        else:
            nothing[record.record_id] = "no value"


def ecg_chat(row: np.ndarray) -> dict[str, float]:
    """As ECG-Chat's script counts: PR to the Q peak, QRS from the Q to the S peak."""
    peaks, waves = delineate_lead(row, "dwt")

    def mean(start: str, end: str) -> float:
        return float(np.nanmean(np.asarray(waves[end], float) - np.asarray(waves[start], float))) * MS

    return {
        "rate": 60000 / (float(np.diff(peaks).mean()) * MS),
        "pr": mean("ECG_P_Onsets", "ECG_Q_Peaks"),
        "qrs": mean("ECG_Q_Peaks", "ECG_S_Peaks"),
        "qt": mean("ECG_R_Onsets", "ECG_T_Offsets"),
    }


def featuredb(folder: Path) -> Code:
    """The delineation of a clone of FeatureDB; its QT begins where the QRS ends (`extract_features`)."""
    sys.path.insert(0, str(folder))
    from features.ECGAvgBeat import extract_avg_wave
    from tools.QRSDetector import simple_qrs_detector
    from tools.SingleBeatBounds import dwt_ecg_delineator

    def code(row: np.ndarray) -> dict[str, float]:
        """As FeatureDB counts on the average beat: QT from the end of the QRS."""
        beat, r_peak, cycle = extract_avg_wave(row, simple_qrs_detector(row, RATE), RATE)
        bounds = dwt_ecg_delineator(beat, r_peak, RATE)
        p, onset, offset, t = (bounds[f"ECG_{end}"] for end in ("P_Onset", "R_Onset", "R_Offset", "T_Offset"))
        return {
            "rate": 60000 / (cycle * MS),
            "pr": (onset - p) * MS,
            "qrs": (offset - onset) * MS,
            "qt": (t - offset) * MS,
        }

    return code


if __name__ == "__main__":
    main()
