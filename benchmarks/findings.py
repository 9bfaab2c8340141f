"""Sensitivity and specificity of each finding: against simulated truth, and against PTB-XL's codes on real records.

    python benchmarks/findings.py [--records 3300] [--ptbxl FOLDER …] [--json findings.json]

Simulated: every population of `ecg.heart`, a hundred records each, so that no finding has fewer than 70 cases; each
finding in each lead. A finding that is borderline by its truth is left out; one that is measured as borderline counts
as neither right nor wrong, and the table says how often that happens.

Real: a record has a finding if it has one of the finding's codes. Codes that may imply the finding without saying so
(an ischaemia with inverted T waves) are left out on the other side. The halves are told apart by patient: thresholds
that no guideline gives were chosen on the first half.
"""

from __future__ import annotations

import argparse
import ast
import csv
import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ecg_r1.ecg.definitions import definitions
from ecg_r1.ecg.findings import Findings, State
from ecg_r1.ecg.heart import POPULATIONS
from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.record import read_record
from ecg_r1.ecg.simulate import simulate
from ecg_r1.files import write_atomically

SHARED = Path(os.environ.get("ECG_R1_RECORDS", Path(__file__).parents[1] / "../shared/ecg"))
PTBXL = (SHARED / "ptb-xl", SHARED / "ptb-xl-100")
SEED = 20261128  # no threshold was chosen on it
# Rows of v1.0.1 that v1.0.3 dropped as duplicates.
DUPLICATES = {137, 139, 141, 142, 143, 456, 458, 459, 461, 462}
INFARCTED = "AMI IMI ASMI ALMI ILMI LMI PMI IPMI IPLMI"
ISCHAEMIC = "ISC_ ISCAL ISCAS ISCAN ISCIN ISCIL ISCLA INJAS INJAL INJIN INJIL INJLA ANEUR DIG EL NDT NST_ NT_ TAB_"
BROAD = "CLBBB CRBBB ILBBB IRBBB IVCD PACE WPW"


@dataclass(frozen=True)
class Coded:
    """A finding and the codes of PTB-XL that state it; `besides`: those that may imply it and are left out."""

    finding: str
    codes: str
    besides: str = ""


CODED = (
    Coded("lbbb_morphology", "CLBBB", "ILBBB PACE WPW"),
    Coded("lbbb_morphology", "CLBBB ILBBB", "PACE WPW"),
    Coded("rbbb_morphology", "CRBBB", "IRBBB"),
    Coded("rbbb_morphology", "CRBBB IRBBB"),
    Coded("late_r_v1", "IRBBB CRBBB", "IVCD PACE"),
    Coded("qrs_broad", "CLBBB CRBBB", "IVCD PACE WPW"),
    Coded("t_inversion", "INVT", f"{ISCHAEMIC} {INFARCTED} {BROAD} LVH LOWT"),
    Coded("t_flat", "LOWT", f"{ISCHAEMIC} INVT"),
    Coded("st_depression", "STD_", f"{ISCHAEMIC} {BROAD} LVH"),
    Coded("st_elevation", "STE_", f"{INFARCTED} {ISCHAEMIC} {BROAD} LVH"),
    Coded("q_pathological", "QWAVE", f"{INFARCTED} {BROAD}"),
    Coded("r_progression_poor", "ASMI AMI", BROAD),
    Coded("low_voltage_limb", "LVOLT"),
    Coded("low_voltage_precordial", "LVOLT"),
    Coded("lvh_voltage", "VCLVH", "LVH HVOLT"),
    Coded("lvh_sokolow_lyon", "VCLVH", "LVH HVOLT"),
    Coded("lvh_cornell", "VCLVH", "LVH HVOLT"),
    Coded("pacing_spikes", "PACE"),
    Coded("delta_wave", "WPW"),
    Coded("notched_qrs", "IVCD", "CLBBB CRBBB PACE"),
    Coded("axis_left", "LAFB", "CLBBB PACE"),
    Coded("axis_right", "LPFB"),
    Coded("p_pulmonale", "RAO/RAE"),
    Coded("p_mitrale", "LAO/LAE"),
    Coded("p_absent", "AFIB AFLT", "PACE SVTAC PSVT"),
    Coded("af_pattern", "AFIB", "AFLT PACE"),
    Coded("rhythm_irregular", "AFIB SARRH", "PVC PAC BIGU TRIGU AFLT PRC(S)"),
    Coded("ectopic_beats", "PVC PAC BIGU TRIGU PRC(S)"),
    Coded("pr_prolonged", "1AVB LPR"),
    Coded("qt_prolonged", "LNGQT"),
    Coded("bradycardia", "SBRAD"),
    Coded("tachycardia", "STACH SVTAC PSVT", "AFIB AFLT"),
)


def agreement(pairs: Iterable[tuple[bool, State]]) -> dict[str, Any]:
    """Sensitivity and specificity where the measurement decides, and how often it does not."""
    count = Counter(pairs)
    present, absent = (sum(n for (true, _), n in count.items() if true is side) for side in (True, False))
    found, missed = count[True, State.PRESENT], count[True, State.ABSENT]
    wrong, right = count[False, State.PRESENT], count[False, State.ABSENT]
    sensitivity = found / (found + missed) if found + missed else None
    specificity = right / (right + wrong) if right + wrong else None
    both = sensitivity is not None and specificity is not None
    return {
        "present": present,
        "absent": absent,
        "sensitivity": sensitivity,
        "specificity": specificity,
        "balanced": (sensitivity + specificity) / 2 if both else None,  # type: ignore[operator]
        "borderline_if_present": count[True, State.BORDERLINE],
        "borderline_if_absent": count[False, State.BORDERLINE],
        "unmeasurable": count[True, State.UNMEASURABLE] + count[False, State.UNMEASURABLE],
    }


def simulated(records: int, seed: int = SEED) -> dict[str, dict[str, Any]]:
    """The agreement of each finding with simulated truth, over records and leads."""
    pairs: dict[str, list[tuple[bool, State]]] = {name: [] for name in definitions()}
    for one in simulate(records, seed=seed, diagnoses=list(POPULATIONS)):
        found = measure(one.record).findings
        for name, lead in one.findings.measured:
            true = one.findings[name, lead].state
            if true in (State.PRESENT, State.ABSENT):
                pairs[name].append((true is State.PRESENT, found[name, lead].state))
    return {name: agreement(of_finding) for name, of_finding in pairs.items()}


def ptbxl(folders: Sequence[Path]) -> list[tuple[str, set[str], Findings]]:
    """Patient, codes and findings of each record of PTB-XL."""
    found = []
    for folder in folders:
        with (folder / "ptbxl_database.csv").open(encoding="utf-8-sig") as file:
            rows = [row for row in csv.DictReader(file) if int(float(row["ecg_id"])) not in DUPLICATES]
        for row in rows:
            paths = [folder / row[column] for column in ("filename_hr", "filename_lr")]
            at_hand = [path for path in paths if path.with_suffix(".hea").is_file()]
            if at_hand:
                sex = {0: "male", 1: "female"}.get(int(float(row["sex"]))) if row["sex"] else None
                age = float(row["age"]) if row["age"] else None
                record = replace(read_record(at_hand[0]), sex=sex, age=age)
                codes = set(ast.literal_eval(row["scp_codes"]))  # a Python dict; this runs no code
                found.append((row["patient_id"], codes, measure(record).findings))
    return found


def real(records: Sequence[tuple[str, set[str], Findings]]) -> dict[str, dict[str, Any]]:
    """The agreement of each coded finding with its codes."""
    rows = {}
    for coded in CODED:
        codes, besides = set(coded.codes.split()), set(coded.besides.split())
        rows[f"{coded.finding} | {coded.codes}"] = agreement(
            (bool(codes & given), findings[coded.finding, None].state)
            for _, given, findings in records
            if codes & given or not besides & given
        )
    return rows


def first_half(patient: str) -> bool:
    """Whether a patient's records belong to the half that thresholds were chosen on."""
    return int(hashlib.sha256(patient.encode()).hexdigest(), 16) % 2 == 0


def show(console: Console, title: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
    table = Table(title=title, title_justify="left")
    heads = (
        "finding",
        "present",
        "absent",
        "sens.",
        "spec.",
        "balanced",
        "borderline +",
        "borderline -",
        "unmeasurable",
    )
    for head in heads:
        table.add_column(head, justify="left" if head == "finding" else "right")
    for name, row in rows.items():
        shares = ("–" if row[k] is None else f"{row[k]:.3f}" for k in ("sensitivity", "specificity", "balanced"))
        undecided = (row[k] for k in ("borderline_if_present", "borderline_if_absent", "unmeasurable"))
        table.add_row(name, str(row["present"]), str(row["absent"]), *shares, *map(str, undecided))
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    parser.add_argument("--records", type=int, default=3300, help="simulated records")
    parser.add_argument("--ptbxl", type=Path, nargs="*", default=PTBXL, help="folders of PTB-XL, each with its table")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 150)
    numbers: dict[str, Any] = report(console, options.records, options.ptbxl)
    if options.json:
        write_atomically(options.json, json.dumps(numbers, indent=1) + "\n")


def report(console: Console, records: int, folders: Sequence[Path]) -> dict[str, Any]:
    """Prints both tables; returns their numbers."""
    numbers = {"simulated": simulated(records)}
    show(console, f"Findings against simulated truth: {records} records", numbers["simulated"])
    at_hand = [folder for folder in folders if folder.is_dir()]
    measured = ptbxl(at_hand)
    for half, title in ((True, "half that thresholds were chosen on"), (False, "other half")):
        part = [row for row in measured if first_half(row[0]) is half]
        if part:
            numbers[title] = real(part)
            show(console, f"Findings against PTB-XL's codes, {title}: {len(part)} records", numbers[title])
    return numbers


if __name__ == "__main__":
    main()
