"""Each data set that we have records of, built by its card: counts add up, and nearly all readable records are used."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from ecg_r1.corpus.build import build
from ecg_r1.corpus.jobs import plan
from ecg_r1.corpus.store import RecordStore
from ecg_r1.datasets.card import find_card
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.record import RecordError, read_record
from ecg_r1.ecg.simulate import simulate
from ecg_r1.recipe import CorpusRecipe

REAL = Path(os.environ.get("ECG_R1_RECORDS", Path(__file__).parents[2] / "../shared/ecg"))
real = pytest.mark.skipif(not REAL.is_dir(), reason=f"no records in {REAL}; set ECG_R1_RECORDS")
COARSE = {"labels": "labels.csv", "columns": {"labels": ["sub_class", "form", "rhythm"]}}
SETS = {
    "PTB-XL, 500 Hz": ("ptb-xl", {}),
    "PTB-XL, 100 Hz": ("ptb-xl-100", {}),
    "PTB-XL, coarse labels": ("ptb-xl-100-coarse", COARSE),
    "CPSC-2018": ("cinc2021", {"dataset": "cpsc-2018"}),
    "CPSC-2018 raw": ("cpsc2018_raw", {"dataset": "cpsc-2018"}),
    "CPSC-2018 Extra": ("cinc2021", {"dataset": "cpsc-2018-extra"}),
    "Chapman-Shaoxing-Ningbo": ("cinc2021", {"dataset": "chapman-shaoxing-ningbo"}),
    "Georgia": ("cinc2021", {"dataset": "georgia"}),
    "CODE-15%": ("code15", {"dataset": "code-15"}),
    "SPH": ("sph", {"dataset": "sph"}),
    "LUDB": ("ludb", {}),
}


def recipe(out: Path, source: dict, **changes) -> CorpusRecipe:
    values = {"stage": "corpus", "out": str(out), "cache": str(out.parent / "cache"), "pages": "drawn"}
    return CorpusRecipe.model_validate(values | {"splits": {"all": [source]}} | changes)


def counted(made: CorpusRecipe) -> tuple[int, int, int]:
    """Records that were planned, those that can be read, and those that are used; none is lost in between."""
    jobs = plan(made, "all", made.splits["all"]).jobs
    (folder,) = build(made)
    counts, store = json.loads((folder / "complete.json").read_text()), RecordStore(folder)
    quarantined = [json.loads(line)["record"] for line in (folder / "quarantine.jsonl").read_text().splitlines()]
    assert counts["records"] + counts["quarantined"] == len(jobs)
    assert (len(store), len(quarantined)) == (counts["records"], counts["quarantined"])
    assert len(set(store.ids) | {Path(name).name for name in quarantined}) == len(jobs)
    assert counts["examples"] == counts["records"]  # one report each
    return len(jobs), sum(can_be_read(job.entry) for job in jobs), len(store)


def can_be_read(entry) -> bool:
    try:
        read_record(entry.path, unit_mv=entry.unit_mv)
    except RecordError:
        return False
    return True


@real
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_each_data_set_is_built_by_its_card(tmp_path, capsys):
    readable = used = 0
    for name, (folder, options) in SETS.items():
        source = {"records": str(REAL / folder)} | options
        if "labels" in options:
            source["labels"] = str(REAL / folder / options["labels"])
        found = counted(recipe(tmp_path / name.replace(" ", "-"), source))
        readable, used = readable + found[1], used + found[2]
        with capsys.disabled():
            print(f"{name}: {found[0]} records, {found[1]} readable, {found[2]} used")
    assert used >= 0.99 * readable


# A row of MIMIC-IV-ECG's index, and a header as its files have it: gain 200, aVF before aVL.
MIMIC = [
    "subject_id", "study_id", "cart_id", "ecg_time", *(f"report_{k}" for k in range(18)), "bandwidth", "filtering",
    "rr_interval", "p_onset", "p_end", "qrs_onset", "qrs_end", "t_end", "p_axis", "qrs_axis", "t_axis",
]  # fmt: skip
GAIN = 200.0


def write_mimic(folder: Path, subject: int, study: int, seed: int, reports: tuple[str, ...], signal: bool) -> dict:
    """A record in MIMIC-IV-ECG's layout, and its row of the index. No waveform of it could be had: simulated ones."""
    place = folder / "files" / f"p{subject // 10000}" / f"p{subject}" / f"s{study}"
    place.mkdir(parents=True)
    record, order = next(simulate(1, seed=seed)).record, find_card("mimic-iv-ecg").leads
    digital = np.rint(record.signal[[LEADS.index(lead) for lead in order]] * GAIN).astype("<i2")
    lines = [f"{study} 12 500 5000 08:44:00 23/07/2180"]
    for lead, row in zip(order, digital, strict=True):
        checksum = int(row.sum(dtype=np.int64)) % 65536
        lines.append(f"{study}.dat 16 200.0(0)/mV 16 0 {row[0]} {checksum} 0 {lead}")
    (place / f"{study}.hea").write_text("\n".join([*lines, f"# <subject_id>: {subject}"]) + "\n")
    if signal:
        (place / f"{study}.dat").write_bytes(np.ascontiguousarray(digital.T).tobytes())
    given = {"subject_id": subject, "study_id": study} | {f"report_{k}": said for k, said in enumerate(reports)}
    return dict.fromkeys(MIMIC, "") | given


def test_mimic_iv_ecg_in_its_own_layout(tmp_path):
    folder = tmp_path / "mimic-iv-ecg"
    rows = [
        write_mimic(folder, 10000032, 40689238, 1, ("Sinus rhythm", "Borderline ECG"), True),
        write_mimic(folder, 10000032, 44458630, 2, ("Sinus bradycardia", "", "Abnormal ECG"), True),
        write_mimic(folder, 10000117, 45090959, 3, ("Atrial fibrillation",), True),
        write_mimic(folder, 10000117, 48446569, 4, ("Sinus rhythm",), False),  # a download that was cut short
    ]
    rows.append(rows[-1] | {"study_id": 49999999})  # of which nothing was downloaded
    with (folder / "machine_measurements.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, MIMIC)
        table.writeheader()
        table.writerows(rows)
    made = recipe(tmp_path / "out", {"records": str(folder)}, workers=1)
    assert counted(made) == (4, 3, 3)
    store = RecordStore(tmp_path / "out" / "all")
    assert [store.row(record)["patient"] for record in store.ids] == [
        "mimic-iv-ecg 10000032", "mimic-iv-ecg 10000032", "mimic-iv-ecg 10000117",
    ]  # fmt: skip
    assert store.diagnoses("45090959") == ("atrial fibrillation",)
    assert "sinus bradycardia" in store.diagnoses("44458630")
    np.testing.assert_allclose(  # each lead under its own name, though the file has aVF before aVL
        store.signal("40689238"), next(simulate(1, seed=1)).record.signal, atol=0.51 / GAIN + 1e-3
    )
    assert "48446569.dat" in (store.folder / "quarantine.jsonl").read_text()
    (alone,) = build(recipe(tmp_path / "folds", {"records": str(folder), "folds": list(range(1, 11))}, workers=1))
    assert len(RecordStore(alone)) == 3
