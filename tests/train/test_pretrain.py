"""What the towers learn in pre-training: the diagnoses and the standardised quantities of each record."""

import pytest

torch = pytest.importorskip("torch")

from splits import write_split

from ecg_r1.corpus.store import RecordStore
from ecg_r1.train.pretrain import targets

ROWS = [
    {"record": "a", "diagnoses": ["sinus rhythm"], "measurements": {"heart_rate_bpm": 60, "pr_ms": 160, "qrs_ms": 90}},
    {"record": "b", "diagnoses": ["atrial fibrillation", "left bundle branch block"],
     "measurements": {"heart_rate_bpm": 90, "qrs_ms": 150}},
    {"record": "c", "diagnoses": ["left bundle branch block", "sinus rhythm"],
     "measurements": {"heart_rate_bpm": 75, "pr_ms": 200, "qrs_ms": 120}},
]  # fmt: skip


def test_targets(tmp_path):
    diagnoses, quantities = targets(RecordStore(write_split(tmp_path / "split", ROWS, page_size=32)))
    # atrial fibrillation, left bundle branch block, sinus rhythm: in the order of their names
    assert diagnoses.int().tolist() == [[0, 0, 1], [1, 1, 0], [0, 1, 1]]
    columns = dict(zip(("heart_rate_bpm", "pr_ms", "qrs_ms", "qt_ms"), quantities.T, strict=True))
    step = (3 / 2) ** 0.5  # of three values a, a + d and a + 2 d the outer ones are √(3/2) deviations from the mean
    assert columns["heart_rate_bpm"].tolist() == pytest.approx([-step, step, 0], abs=1e-5)
    assert columns["qrs_ms"].tolist() == pytest.approx([-step, step, 0], abs=1e-5)
    assert columns["pr_ms"].isnan().tolist() == [False, True, False]  # no P waves
    assert columns["pr_ms"][[0, 2]].tolist() == pytest.approx([-1, 1], abs=1e-5)
    assert columns["qt_ms"].isnan().all()
