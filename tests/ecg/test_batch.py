import csv
from dataclasses import replace

import numpy as np
import pytest

from ecg_r1.ecg.batch import listed, measure_paths, simulate_to
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.ecg.record import read_record, write_record
from ecg_r1.ecg.simulate import simulate
from ecg_r1.errors import UserError


@pytest.mark.parametrize("workers", [1, 2])
def test_records_are_simulated_and_measured_in_order(tmp_path, workers):
    written = list(simulate_to(tmp_path, 40, seed=9, workers=workers))
    assert [p.name for p in written] == [f"sim_9_{i:06d}" for i in range(40)]
    with (tmp_path / "truth.csv").open() as file:
        truth = list(csv.DictReader(file))
    rows = list(measure_paths([tmp_path], workers=workers))
    assert [r["record"] for r in rows] == [str(p) for p in written]
    for row, true, path in zip(rows, truth, written, strict=True):
        assert set(row) - {"quality"} == {"record", *QUANTITIES, "unmeasurable"}
        assert true["record"] == path.name
        assert read_record(path).diagnoses == tuple(true["diagnoses"].split("; "))
        assert abs(row["heart_rate_bpm"] - float(true["heart_rate_bpm"])) < 3
        assert (row["pr_ms"] is None) == (true["pr_ms"] == "") == ("pr_ms" in row["unmeasurable"])


def test_unreadable_records_do_not_stop_the_others(tmp_path):
    (good,) = simulate_to(tmp_path, 1, seed=1)
    (tmp_path / "bad.hea").write_text("bad 1 500 5000\n")
    rows = list(measure_paths([tmp_path / "bad.hea", good.with_suffix(".dat"), "missing"]))
    assert [("error" in row) for row in rows] == [True, False, True]
    assert rows[0]["record"] == str(tmp_path / "bad")
    assert "describes 0" in rows[0]["error"]


def test_what_was_noticed_about_a_record_is_said(tmp_path, ecg_r1):
    record = next(iter(simulate(1, seed=1))).record
    mask = ~np.isin(LEADS, ("aVL", "V3"))
    path = write_record(replace(record, lead_mask=mask), tmp_path)
    note = "missing leads: aVL V3 (derived: aVL)"
    (row,) = measure_paths([path])
    assert row["quality"] == [note]
    assert note in " ".join(ecg_r1("measure", path).out.split())


def test_a_page_of_no_signal_is_not_drawn(tmp_path, ecg_r1):
    np.save(tmp_path / "silent.npy", np.full((12, 5000), np.nan))
    said = ecg_r1("render", tmp_path / "silent.npy", "-o", tmp_path / "page.png")
    assert (said.code, "silent: no signal: " in said.err) == (2, True)
    assert not (tmp_path / "page.png").exists()


def test_pages_are_drawn(tmp_path):
    (good,) = simulate_to(tmp_path, 1, seed=1)
    list(measure_paths([good], plots=tmp_path / "plots"))
    assert (tmp_path / "plots" / f"{good.name}.png").read_bytes().startswith(b"\x89PNG")


def test_pages_of_records_of_one_name_are_kept_apart(tmp_path):
    for folder in ("a", "b"):
        list(simulate_to(tmp_path / folder, 1, seed=1))
    list(measure_paths([tmp_path / "a", tmp_path / "b"], plots=tmp_path / "plots"))
    assert len(list((tmp_path / "plots").iterdir())) == 2


def test_records_are_named_as_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (good,) = simulate_to("s", 1, seed=1)
    np.save("x.npy", read_record(good).signal)
    paths = ["./s", f"s//{good.name}.hea", "./x.npy", "nowhere.dat", ""]
    rows = list(measure_paths(paths))
    assert [row["record"] for row in rows] == [f"./s/{good.name}", f"s//{good.name}", "./x", "nowhere", ""]
    assert [("error" in row) for row in rows] == [False, False, False, True, True]


def test_what_cannot_be_simulated_writes_nothing(tmp_path):
    with pytest.raises(UserError, match="no simulated population 'gout'"):
        list(simulate_to(tmp_path / "s", 2, seed=1, diagnoses=["gout"]))
    assert not (tmp_path / "s").exists()
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file"):
        list(simulate_to(tmp_path / "file", 2, seed=1))


def test_empty_folders_are_named(tmp_path):
    assert listed([tmp_path]) == [str(tmp_path)]
    (row,) = measure_paths([tmp_path])
    assert row == {"record": str(tmp_path), "error": f"{tmp_path}: a folder without records"}
