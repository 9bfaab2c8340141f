"""Beats of several kinds: intervals are those of the sinus beats, the rate counts every beat."""

import warnings

import numpy as np
import pytest
from test_drawn import of_waves, wave

from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.record import read_record
from ecg_r1.ecg.simulate import simulate

SINUS = 800.0  # ms


def rhythm(pattern: str, coupling: float, start: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times (ms) of the beats of a repeated pattern: N in sinus rhythm, P premature with a pause that compensates.

    coupling: from the beat before to a premature one, ms. start: ms of the record before the first cycle.
    """
    beats = [(k, pattern[k % len(pattern)]) for k in range(-4, 20)]
    sinus = np.array([start + k * SINUS for k, kind in beats if kind == "N"])
    premature = np.array([start + (k - 1) * SINUS + coupling for k, kind in beats if kind == "P"])
    every = np.sort(np.concatenate([sinus, premature]))
    return sinus, premature, every[(every > 60) & (every < 9900)]


def drawn(pattern: str, coupling: float, start: float, *, broad: bool):
    sinus, premature, _ = rhythm(pattern, coupling, start)
    waves = wave(sinus, -160, 22, 0.12) + wave(sinus, 0, 12, 1.0) + wave(sinus, 250, 32, 0.3)
    if broad:
        leads = np.linspace(1.2, -1.2, 12)[:, None]  # a vector of another direction
        waves = waves + leads * (wave(premature, 0, 30, 1.0) - wave(premature, 300, 50, 0.4))
    else:
        waves = waves + wave(premature, -150, 20, -0.1) + wave(premature, 0, 12, 1.0) + wave(premature, 250, 32, 0.3)
    return measure(of_waves(waves))


@pytest.mark.parametrize("broad", [True, False])
@pytest.mark.parametrize("pattern", ["NP", "NNP", "NNNP"])
@pytest.mark.parametrize("coupling", [450.0, 500.0, 560.0])
@pytest.mark.parametrize("start", [130.0, 470.0])
def test_intervals_are_those_of_the_sinus_beats(pattern, coupling, start, broad):
    alone, m = drawn("N", 0, start, broad=broad), drawn(pattern, coupling, start, broad=broad)
    assert m.value("heart_rate_bpm") == pytest.approx(60000 / SINUS, abs=3)
    for name, tolerance in (("pr_ms", 8), ("qrs_ms", 6), ("qt_ms", 20)):
        assert m.value(name) is None or m.value(name) == pytest.approx(alone.value(name), abs=tolerance), name
    assert m.value("qrs_ms") is not None
    premature = "premature with another QRS" if broad else "premature"
    assert premature in m.notes[0]


@pytest.mark.parametrize("pattern", ["NP", "NNP", "NNNP"])
@pytest.mark.parametrize("coupling", [360.0, 420.0])
@pytest.mark.parametrize("same_way", [True, False])
def test_a_slow_ectopic_beat_that_begins_on_the_t_wave_is_counted(pattern, coupling, same_way):
    sinus, premature, every = rhythm(pattern, coupling, 130.0)
    leads = 1.0 if same_way else np.linspace(1.2, -1.2, 12)[:, None]
    waves = wave(sinus, -160, 22, 0.12) + wave(sinus, 0, 12, 1.0) + wave(sinus, 250, 32, 0.3)
    m = measure(of_waves(waves + leads * (wave(premature, 0, 30, 1.0) - wave(premature, 300, 50, 0.4))))
    assert m.value("heart_rate_bpm") == pytest.approx(60000 / SINUS, abs=3)
    inside = int(((premature > 60) & (premature < 9900)).sum())
    assert m.notes[0].startswith(f"of {len(every)} beats {inside} premature with another QRS")


@pytest.mark.parametrize("start", [130.0, 900.0, 1700.0])
@pytest.mark.parametrize("coupling", [460.0, 540.0])
def test_where_most_beats_are_ectopic_pairs_intervals_are_still_those_of_the_sinus_beats(start, coupling):
    """N P P: the ectopic beats are two of three, and no sinus beat is followed by another."""
    sinus = np.array([start + 3 * k * SINUS for k in range(-2, 6)])
    ectopic = np.sort(np.concatenate([sinus + coupling, sinus + 2 * coupling]))
    alone = measure(of_waves(wave(sinus, -160, 22, 0.12) + wave(sinus, 0, 12, 1.0) + wave(sinus, 250, 32, 0.3)))
    waves = wave(sinus, -160, 22, 0.12) + wave(sinus, 0, 12, 1.0) + wave(sinus, 250, 32, 0.3)
    leads = np.linspace(1.2, -1.2, 12)[:, None]
    m = measure(of_waves(waves + leads * (wave(ectopic, 0, 30, 1.0) - wave(ectopic, 300, 50, 0.4))))
    assert m.value("qrs_ms") == pytest.approx(alone.value("qrs_ms"), abs=8)
    assert m.value("pr_ms") is None or m.value("pr_ms") == pytest.approx(alone.value("pr_ms"), abs=8)
    assert "with another QRS" in m.notes[0]


@pytest.mark.parametrize("coupling", [300.0, 500.0])
def test_nothing_is_known_of_the_pause_after_a_last_beat_that_comes_early(coupling):
    beats = 330.0 + np.append(900.0 * np.arange(10), 8100.0 + coupling)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no median of nothing
        m = measure(of_waves(wave(beats, -160, 22, 0.12) + wave(beats, 0, 12, 1.0) + wave(beats, 250, 32, 0.3)))
    assert m.rhythm["premature_beats"] == 1
    assert m.premature_at == pytest.approx([8.43 + coupling / 1000], abs=0.01)
    assert Measurements.from_json(m.to_json()).premature_at == pytest.approx(m.premature_at, abs=1e-3)


def test_when_premature_beats_come_is_a_list_of_seconds_or_unknown():
    assert Measurements.from_json({}).premature_at is None
    with pytest.raises(ValueError, match=r"premature_at is .*a list of seconds"):
        Measurements.from_json({"premature_at": [1.0, None]})


SINUS_BEAT = ((-160, 22, 0.12), (0, 12, 1.0), (250, 32, 0.3))  # P, QRS, T: ms from the R peak, width in ms, mV


def beats_at(times: np.ndarray) -> np.ndarray:
    return sum(wave(times, *one) for one in SINUS_BEAT)


@pytest.mark.parametrize("start", [130.0, 600.0, 1300.0])
@pytest.mark.parametrize("coupling", [340.0, 380.0])
def test_both_ectopic_beats_of_a_pair_are_counted_although_each_usual_beat_is_followed_by_one(start, coupling):
    sinus = np.array([start + 3 * k * SINUS for k in range(-2, 6)])
    ectopic = np.sort(np.concatenate([sinus + coupling, sinus + 2 * coupling + 60]))
    leads = np.linspace(1.2, -1.2, 12)[:, None]
    m = measure(of_waves(beats_at(sinus) + leads * (wave(ectopic, 0, 30, 1.0) - wave(ectopic, 300, 50, 0.4))))
    assert m.value("heart_rate_bpm") == pytest.approx(60000 / SINUS, abs=3)
    assert m.value("pr_ms") is None or m.value("pr_ms") == pytest.approx(
        measure(of_waves(beats_at(sinus))).value("pr_ms"), abs=20
    )


@pytest.mark.parametrize("after", [480.0, 520.0])
def test_pr_is_withheld_where_the_t_wave_of_an_ectopic_beat_may_hide_p(after):
    """N V V, and the next sinus beat comes so soon that its P wave lies on the last T wave."""
    ectopic = np.array([430.0, 900.0])
    cycle = 900.0 + after
    sinus = np.array([200.0 + k * cycle for k in range(-1, 8)])
    every = np.sort(np.concatenate([sinus + one for one in ectopic]))
    leads = np.linspace(1.2, -1.2, 12)[:, None]
    m = measure(of_waves(beats_at(sinus) + leads * (wave(every, 0, 30, 1.0) - wave(every, 300, 50, 0.4))))
    assert m.value("heart_rate_bpm") == pytest.approx(3 * 60000 / cycle, abs=3)
    assert m.reason("pr_ms") == "each beat follows an ectopic one, whose T wave may hide the P wave"


@pytest.mark.parametrize("cycle", [490.0, 560.0])
@pytest.mark.parametrize("pr", [150.0, 180.0])
def test_qt_is_withheld_where_a_p_wave_lies_on_t(cycle, pr):
    """Every second P wave is not conducted; it comes while T ends."""
    qrs = 300.0 + 2 * cycle * np.arange(-1, 12)
    p_waves = np.sort(np.concatenate([qrs - pr, qrs - pr + cycle]))
    m = measure(of_waves(wave(p_waves, 0, 22, 0.12) + wave(qrs, 0, 12, 1.0) + wave(qrs, cycle - pr - 60, 40, 0.3)))
    assert m.value("heart_rate_bpm") == pytest.approx(30000 / cycle, abs=1)
    assert m.reason("qt_ms") == "a P wave that is not conducted lies on the T wave"


@pytest.mark.parametrize("conducted", [3, 4])
def test_where_beats_are_dropped_the_others_are_not_premature(conducted):
    beats = np.array([300.0 + 700 * k for k in range(15) if k % (conducted + 1) != conducted])
    m = measure(of_waves(beats_at(beats[beats < 9800])))
    assert m.rhythm["premature_beats"] == 0


def test_a_tall_t_wave_of_a_slow_rhythm_is_no_beat():
    sinus = 300.0 + 1500.0 * np.arange(7)
    m = measure(of_waves(wave(sinus, -160, 22, 0.12) + wave(sinus, 0, 12, 1.0) + wave(sinus, 300, 45, 0.6)))
    assert m.value("heart_rate_bpm") == pytest.approx(40, abs=0.5)


def test_the_shared_broad_beats_have_another_qrs_although_they_point_the_same_way(real_records):
    headers = sorted((real_records.parent / "cases" / "bigeminy").glob("*.hea"))
    if not headers:
        pytest.skip(f"no cases/bigeminy beside {real_records}")
    for header in headers:
        note = measure(read_record(header.with_suffix(""))).notes[0]
        assert ("premature with another QRS" in note) == header.stem.startswith("pvc"), (header.stem, note)


def test_rmssd_and_sdnn_are_those_of_the_dominant_intervals():
    peaks = 300.0 + np.cumsum([0, 800, 840, 800, 840, 800, 840, 800, 840, 800, 840])
    found = measure(of_waves(wave(peaks, -160, 22, 0.12) + wave(peaks, 0, 12, 1.0) + wave(peaks, 250, 32, 0.3))).rhythm
    assert found["rmssd_ms"] == pytest.approx(40, abs=3)
    assert found["sdnn_ms"] == pytest.approx(21.1, abs=2)
    assert (found["beats"], found["ectopic_beats"]) == (11, 0)


def test_the_beats_are_counted_by_kind():
    _, premature, every = rhythm("NNP", 480.0, 130.0)
    m = drawn("NNP", 480.0, 130.0, broad=True)
    inside = int(((premature > 60) & (premature < 9900)).sum())
    assert m.notes[0].startswith(f"of {len(every)} beats {inside} premature with another QRS")
    assert m.rhythm["premature_reshaped_beats"] == m.rhythm["ectopic_beats"] == inside
    assert m.rhythm["premature_beats"] == m.rhythm["reshaped_beats"] == 0
    assert drawn("N", 0, 130.0, broad=True).notes == ()


def test_fibrillation_has_no_premature_beats_of_its_own_shape_and_its_rate_is_the_mean():
    for s in simulate(12, seed=5, diagnoses=["atrial fibrillation"]):
        m = measure(s.record)
        assert m.value("heart_rate_bpm") == pytest.approx(s.truth["heart_rate_bpm"], abs=1.5)
        slowest, fastest = m["heart_rate_bpm"].range
        assert slowest < m.value("heart_rate_bpm") < fastest


def test_bigeminy_that_starts_anywhere(real_records):
    """Every second beat premature; the right values stand in the folder's index."""
    right = {"heart_rate_bpm": (75, 3), "pr_ms": (160, 20), "qrs_ms": (86, 15), "qt_ms": (380, 25)}
    headers = sorted((real_records.parent / "cases" / "bigeminy").glob("*.hea"))
    if not headers:
        pytest.skip(f"no cases/bigeminy beside {real_records}")
    for header in headers:
        m = measure(read_record(header.with_suffix("")))
        for name, (value, tolerance) in right.items():
            assert m.value(name) is None or abs(m.value(name) - value) <= tolerance, (header.stem, name)
        assert m.value("heart_rate_bpm") is not None
        assert m.notes


@pytest.mark.parametrize("start", [130.0, 700.0])
def test_interpolated_slow_beats_are_counted(start):
    """Slow beats between two sinus beats without a pause, which neurokit2 alone does not see."""
    sinus = start + 1000.0 * np.arange(-2, 11)
    ectopic = sinus[::3] + 460
    every = np.sort(np.concatenate([sinus, ectopic]))
    inside = every[(every > 60) & (every < 9900)]
    waves = wave(sinus, -160, 22, 0.12) + wave(sinus, 0, 12, 1.0) + wave(sinus, 250, 32, 0.3)
    leads = np.linspace(1.2, -1.2, 12)[:, None]
    m = measure(of_waves(waves + leads * (wave(ectopic, 0, 30, 1.0) - wave(ectopic, 300, 50, 0.4))))
    assert m.rhythm["beats"] == len(inside)
    assert m.value("pr_ms") == pytest.approx(drawn("N", 0, 130.0, broad=False).value("pr_ms"), abs=8)


@pytest.mark.parametrize("beats", [10, 12])
def test_breathing_is_no_ectopy(beats):
    """Sinus beats that come early with every third one, with the P wave of the others and no pause after."""
    intervals = np.tile([0.78, 1.0, 0.94], 6) * 900
    peaks = 250.0 + np.cumsum(intervals)[:beats]
    waves = wave(peaks, -160, 22, 0.12) + wave(peaks, 0, 12, 1.0) + wave(peaks, 250, 32, 0.3)
    m = measure(of_waves(waves))
    assert m.rhythm["ectopic_beats"] == 0
    assert m.findings["rhythm_regular", None].state.value == "absent"
    early = peaks[np.arange(beats) % 3 == 0]
    other = wave(early, -130, 18, -0.12) - wave(early, -160, 22, 0.12)  # a P wave of another place, and a pause
    assert measure(of_waves(waves + other)).rhythm["ectopic_beats"] > 0


def test_the_t_wave_of_a_premature_beat_is_not_counted():
    sinus, premature, every = rhythm("NNNP", 460.0, 130.0)
    waves = wave(sinus, -160, 22, 0.12) + wave(sinus, 0, 12, 1.0) + wave(sinus, 250, 32, 0.3)
    leads = np.linspace(1.2, -1.2, 12)[:, None]
    m = measure(of_waves(waves + leads * (wave(premature, 0, 22, 1.2) - wave(premature, 280, 45, 0.9))))
    assert m.rhythm["beats"] == len(every)
