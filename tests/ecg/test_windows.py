"""Records that show each lead for a part of the time, as a page that was digitised does."""

from dataclasses import replace

import numpy as np
import pytest

from ecg_r1.corpus.store import RecordStore
from ecg_r1.corpus.writer import SplitWriter
from ecg_r1.ecg.annotate import annotate
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.paper import Paper
from ecg_r1.ecg.record import read_record, write_record
from ecg_r1.ecg.render import render
from ecg_r1.ecg.simulate import simulate

QUARTER = 1250
SINUS = ["normal ECG", "left bundle branch block", "first-degree AV block", "sinus tachycardia"]


def page_wise(signal: np.ndarray, strip: tuple[int, ...] = (1,)) -> np.ndarray:
    """2.5 s of each lead, NaN elsewhere; the leads of `strip` as a whole."""
    out = np.full(signal.shape, np.nan)
    for lead in range(12):
        part = slice(None) if lead in strip else slice(lead // 3 * QUARTER, (lead // 3 + 1) * QUARTER)
        out[lead, part] = signal[lead, part]
    return out


@pytest.fixture(scope="module")
def simulated():
    return next(iter(simulate(1, seed=4, diagnoses=["normal ECG"]))).record


@pytest.fixture
def page(simulated, tmp_path):
    np.save(tmp_path / "page.npy", page_wise(simulated.signal))
    return read_record(tmp_path / "page.npy")


def test_windows_are_part_of_the_record(page, simulated):
    assert page.lead_mask.all()
    assert page.windows.tolist() == [
        [0, 5000] if lead == 1 else [lead // 3 * QUARTER, (lead // 3 + 1) * QUARTER] for lead in range(12)
    ]
    assert page.quality == (
        "leads recorded in part: I III 0-2.5 s, aVR aVL aVF 2.5-5 s, V1 V2 V3 5-7.5 s, V4 V5 V6 7.5-10 s",
    )
    there = page.recorded()
    np.testing.assert_allclose(page.signal[there], simulated.signal[there], atol=1e-6)
    assert not page.signal[~there].any()


@pytest.mark.parametrize("strip", [(1,), ()])
@pytest.mark.parametrize("held", [False, True])
def test_a_page_whose_file_cannot_hold_gaps(simulated, strip, held, tmp_path):
    """Zeros stand before and after each window, or the first and last value of it (`held`)."""
    gaps = page_wise(simulated.signal, strip)
    filled = np.nan_to_num(gaps)
    if held:
        for row, there in zip(filled, np.isfinite(gaps), strict=True):
            first, *_, last = np.flatnonzero(there)
            row[:first], row[last:] = row[first], row[last]
    np.save(tmp_path / "gaps.npy", gaps)
    np.save(tmp_path / "filled.npy", filled)
    page, same = (read_record(tmp_path / f"{name}.npy") for name in ("gaps", "filled"))
    assert np.abs(same.windows - page.windows).max() <= 1
    assert same.quality == page.quality
    for name in ("heart_rate_bpm", "pr_ms", "qrs_ms", "qt_ms"):
        assert measure(same).value(name) == pytest.approx(measure(page).value(name), abs=4), name


def test_a_lost_electrode_and_a_flat_record_are_no_page(simulated, tmp_path):
    signal = simulated.signal.astype(float)
    signal[[4, 7], 3000:] = 0.0
    np.save(tmp_path / "lost.npy", signal)
    signal[:, 3000:] = 0.0
    np.save(tmp_path / "flat.npy", signal)
    for name in ("lost", "flat"):
        read = read_record(tmp_path / f"{name}.npy")
        assert read.windows is None
        assert any(note.startswith("flat stretches: ") for note in read.quality)


def test_they_are_written_and_read_back(page, tmp_path):
    back = read_record(write_record(page, tmp_path))
    np.testing.assert_array_equal(back.windows, page.windows)
    np.testing.assert_allclose(back.signal, page.signal, atol=5.1e-4)
    assert back.quality == page.quality


def test_a_split_keeps_them(page, tmp_path):
    facts = {"page_size": 64, "pages": "drawn", "prompts": {"system": None, "question": ["?"]}}
    record = replace(page, diagnoses=("normal ECG",))
    with SplitWriter(tmp_path / "split", facts) as writer:
        writer.add(record, measure(record))
        writer.finish()
    kept = RecordStore(tmp_path / "split").record(page.record_id)
    np.testing.assert_array_equal(kept.windows, page.windows)
    assert kept.quality == page.quality


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("strip", [(1,), (1, 6, 10), (6,), ()])
def test_the_measurement_is_that_of_the_whole_record(strip, seed, tmp_path):
    """Rate from the rhythm lead (or the leads joined), the others within their windows."""
    for simulated in simulate(4, seed=seed, diagnoses=SINUS):
        np.save(tmp_path / "page.npy", page_wise(simulated.record.signal, strip))
        part, whole = measure(read_record(tmp_path / "page.npy")), measure(simulated.record)
        assert part.value("heart_rate_bpm") == pytest.approx(whole.value("heart_rate_bpm"), abs=3)
        for name, with_ii, without in (("pr_ms", 20, 50), ("qrs_ms", 20, 20), ("qt_ms", 30, 50)):
            near = pytest.approx(whole.value(name), abs=with_ii if 1 in strip else without)
            assert part.value(name) == near or (not strip and "irregular" in (part.reason(name) or "")), name
        if strip == (1,):
            for name in ("r_mv", "t_mv"):
                np.testing.assert_allclose(part.by_lead[name], whole.by_lead[name], atol=0.15)


def test_fibrillation_on_a_page_without_a_rhythm_strip_has_no_pr(tmp_path):
    for simulated in simulate(5, seed=1, diagnoses=["atrial fibrillation"]):
        np.save(tmp_path / "page.npy", page_wise(simulated.record.signal, ()))
        assert measure(read_record(tmp_path / "page.npy")).value("pr_ms") is None


def test_a_page_shows_what_was_recorded(page, simulated):
    # In the layout of the page itself, nothing is lost; in one that shows ten seconds a lead, the rest has no trace.
    np.testing.assert_array_equal(render(page).shape, render(simulated).shape)
    pages = [render(record, paper=Paper("12x1")) for record in (page, simulated)]
    ink = [(image < 60).all(axis=2).sum() for image in pages]
    assert ink[0] < 0.6 * ink[1]
    assert annotate(page).shape == annotate(simulated).shape


def test_a_lead_that_starts_late_is_known_to_start_late(simulated, tmp_path):
    signal = simulated.signal.astype(float)
    signal[6, :1500] = np.nan  # V1, until 3 s
    signal[7, :100] = np.nan  # V2: a gap, which is bridged
    np.save(tmp_path / "late.npy", signal)
    read = read_record(tmp_path / "late.npy")
    assert read.windows[LEADS.index("V1")].tolist() == [1500, 5000]
    assert read.quality == ("gaps bridged: V2 2%", "leads recorded in part: V1 3-10 s")


def test_a_lead_of_gaps_alone_is_missing(simulated, tmp_path):
    signal = simulated.signal.astype(float)
    signal[[2, 6]] = np.nan
    np.save(tmp_path / "gone.npy", signal)
    read = read_record(tmp_path / "gone.npy")
    assert np.array(LEADS)[~read.lead_mask].tolist() == ["V1"]
    assert read.windows is None
    assert read.quality == ("missing leads: III V1 (derived: III)",)


def test_a_derived_lead_has_the_window_of_both(simulated, tmp_path):
    signal = page_wise(simulated.signal)
    signal[2:6] = np.nan
    np.save(tmp_path / "page.npy", signal)
    read = read_record(tmp_path / "page.npy")
    assert read.windows[:6].tolist() == [[0, QUARTER], [0, 5000], *[[0, QUARTER]] * 4]
    np.testing.assert_allclose(read.signal[2, :QUARTER], simulated.signal[2, :QUARTER], atol=2e-3)
    assert not read.signal[2:6, QUARTER:].any()
