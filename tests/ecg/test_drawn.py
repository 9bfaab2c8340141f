"""Records drawn wave by wave: each measured value, and its spread, is known without any other program."""

from dataclasses import replace

import numpy as np
import pytest

from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.record import ECGRecord
from ecg_r1.ecg.waves import weighted_quantiles

RATE = 500  # Hz
PRECORDIAL = (0.4, 0.7, 1.0, 1.3, 1.2, 1.0)  # heights of V1 to V6
T = 40.0  # ms, the width of a T wave (sigma)


PEAKS = 500.0 + 800.0 * np.arange(11)  # ms, at 75 bpm
TIME = np.arange(10 * RATE) * 1000 / RATE


def wave(peaks: np.ndarray, place: float, width: float | np.ndarray, height: float) -> np.ndarray:
    """A Gaussian so many ms after each of these R peaks. width: sigma in ms, or (leads, 1) of them."""
    return sum(height * np.exp(-(((TIME - peak - place) / width) ** 2) / 2) for peak in peaks)


def drawn(intervals: list[float], axis: float = 40.0, t_widths: list[float] | None = None) -> ECGRecord:
    """A record with a beat 500 ms from its start, and others after these RR intervals in ms.

    t_widths: of each lead, in ms.
    """
    peaks, widths = 500.0 + np.cumsum([0, *intervals]), np.array(t_widths or [T] * 12)[:, None]
    return of_waves(wave(peaks, -160, 22, 0.12) + wave(peaks, 0, 12, 1.0) + wave(peaks, 280, widths, 0.3), axis)


def of_waves(waves: np.ndarray, axis: float = 40.0) -> ECGRecord:
    """The record of a dipole that moves along one axis. waves: (T,) or (12, T) mV along it."""
    along = {lead: np.cos(np.deg2rad(axis - angle)) for lead, angle in (("I", 0), ("II", 60), ("III", 120))}
    i, ii, iii = along["I"], along["II"], along["III"]
    limb = (i, ii, iii, -(i + ii) / 2, (i - iii) / 2, (ii + iii) / 2)  # aVR, aVL and aVF by Goldberger
    heights = np.array([*limb, *PRECORDIAL])[:, None]
    return ECGRecord("drawn", (heights * waves).astype(np.float32), np.ones(12, bool))


@pytest.fixture(scope="module")
def slowing() -> Measurements:
    """RR intervals of 700, 750, … 1100 ms."""
    return measure(drawn([700 + 50 * i for i in range(9)]))


def test_the_rate_is_of_the_mean_rr_interval(slowing):
    assert slowing.value("rr_ms") == pytest.approx(900, abs=4)
    assert slowing.value("heart_rate_bpm") == pytest.approx(66.7, abs=0.3)
    assert slowing["rr_ms"].beats == 10
    assert slowing["rr_ms"].range == pytest.approx((700, 1100), abs=4)
    assert slowing["heart_rate_bpm"].range == pytest.approx((60000 / 1100, 60000 / 700), abs=0.5)


def test_the_spread_of_rr_is_the_distance_of_its_quartiles_and_that_of_the_rate_follows(slowing):
    # of the nine intervals 700, 750, … 1100 ms the quartiles are 800 and 1000 ms
    assert slowing["rr_ms"].spread == pytest.approx(200, abs=4)
    assert slowing["heart_rate_bpm"].spread == pytest.approx(200 * 60000 / 900**2, abs=0.3)


def test_the_spread_over_the_leads_is_the_distance_of_their_quartiles_and_qtc_is_bazett_s_of_both():
    # eight leads end their T wave 2.34 times 20 ms later than four
    m = measure(drawn([810.0] * 10, t_widths=[T, T + 20, T + 20] * 4))
    assert m["qt_ms"].spread == pytest.approx(2.34 * 20, abs=6)
    assert m.value("qtc_ms") == pytest.approx(m.value("qt_ms") / 0.9, abs=0.5)
    assert m["qtc_ms"].spread == pytest.approx(m["qt_ms"].spread / 0.9, abs=0.5)
    assert (m["qt_ms"].leads, m["qtc_ms"].leads) == (12, 12)


def test_quiet_leads_are_trusted_more_than_as_many_noisy_ones():
    """Seven noisy leads have a longer QT than five quiet ones, whose weight is twice theirs."""
    record = drawn([800.0] * 10, t_widths=[T + 30] * 7 + [T] * 5)
    noise = np.random.default_rng(0).normal(0, 0.02, record.signal.shape) * (np.arange(12) < 7)[:, None]
    m = measure(replace(record, signal=(record.signal + noise).astype(np.float32)))
    assert m.value("qt_lead_ms") == pytest.approx(measure(drawn([800.0] * 10)).value("qt_lead_ms"), abs=12)


def test_what_was_padded_is_not_measured():
    record = drawn([600.0] * 8)  # 5.8 s of beats, and zeros after them
    signal = record.signal.copy()
    signal[:, 2900:] = 0.0
    signal[:, 2900::100] = 3.0  # whatever is there
    m = measure(replace(record, signal=signal, samples=2900))
    assert m.value("heart_rate_bpm") == pytest.approx(100, abs=0.5)
    assert m["rr_ms"].spread < 4


@pytest.mark.parametrize("axis", [-150, -60, -30, 10, 30, 60, 80, 120, 175])
def test_the_axis_is_the_direction_that_was_drawn(axis):
    m = measure(drawn([800.0] * 10, axis))
    assert abs((m.value("axis_deg") - axis + 180) % 360 - 180) < 1
    assert m["axis_deg"].spread < 1


def test_intervals_are_in_ms_between_the_right_ends_of_the_waves():
    """A Gaussian's slope falls to a share of its steepest at a known place; the QRS is as long as it moves."""
    m = measure(drawn([800.0] * 10))
    # P: 0.4 of the steepest slope 2.07 widths before its peak, 0.7 of it 1.65 widths after; smoothed over 8 ms
    width = np.hypot(22, 8)
    assert m.value("p_ms") == pytest.approx((2.07 + 1.65) * width, abs=6)
    assert m.value("pr_ms") == pytest.approx(160 + 2.07 * width - m.value("qrs_ms") / 2, abs=8)
    # T: 0.25 of the steepest slope 2.34 widths after its peak; smoothed over 10 ms
    assert m.value("qt_lead_ms") == pytest.approx(m.value("qrs_ms") / 2 + 280 + 2.34 * np.hypot(40, 10), abs=8)


def test_qt_ends_with_the_t_wave_of_the_last_leads():
    """A third of the leads end their T wave 60 ms later than the median lead; one noisy lead alone decides nothing."""
    m = measure(drawn([900.0] * 10, t_widths=[T] * 8 + [T + 25] * 4))
    assert m.value("qt_ms") - m.value("qt_lead_ms") == pytest.approx(2.34 * 25, abs=12)
    lone = measure(drawn([900.0] * 10, t_widths=[T + 25] + [T] * 11))
    assert lone.value("qt_ms") - lone.value("qt_lead_ms") < 16


@pytest.mark.parametrize(
    ("values", "weights", "quartiles"),
    [
        ([4.0, 1.0, 3.0, 2.0], [1, 1, 1, 1], (1.5, 2.5, 3.5)),
        ([10.0, 20.0], [3, 1], (10.0, 12.5, 17.5)),  # each value's own weight counts half to either side
    ],
)
def test_quantiles_by_weight(values, weights, quartiles):
    found = weighted_quantiles(np.array(values), np.array(weights, float), (0.25, 0.5, 0.75))
    assert found == pytest.approx(quartiles)


@pytest.mark.parametrize("frequency", [50, 60])
def test_hum_of_the_mains_moves_no_value(frequency):
    sound = drawn([800.0] * 10)
    hum = 0.5 * np.sin(2 * np.pi * frequency * TIME / 1000 + 0.3)
    m, plain = measure(replace(sound, signal=(sound.signal + hum).astype(np.float32))), measure(sound)
    for name in ("pr_ms", "qrs_ms", "qt_ms", "axis_deg", "heart_rate_bpm"):
        assert m.value(name) == pytest.approx(plain.value(name), abs=2), name


def test_a_lead_of_mere_noise_is_left_out():
    record = drawn([800.0] * 10)
    signal = record.signal.copy()
    signal[7] += np.random.default_rng(0).normal(0, 1, signal.shape[1])
    m = measure(replace(record, signal=signal))
    assert m["qrs_ms"].leads == 11
    assert m.value("pr_ms") == pytest.approx(measure(record).value("pr_ms"), abs=2)


def test_beats_of_another_shape_are_counted_for_the_rate_alone():
    ectopic = np.isin(np.arange(11), (3, 6, 9))
    own, other = PEAKS[~ectopic], PEAKS[ectopic]
    waves = wave(own, -160, 22, 0.12) + wave(own, 0, 12, 1.0) + wave(own, 280, T, 0.3)
    m = measure(of_waves(waves + wave(other, 0, 28, 1.2) + wave(other, 300, 50, -0.4)))
    assert (m["qrs_ms"].beats, m["rr_ms"].beats) == (8, 11)
    assert m.value("heart_rate_bpm") == pytest.approx(75, abs=0.3)
    assert m.value("qrs_ms") == pytest.approx(measure(drawn([800.0] * 10)).value("qrs_ms"), abs=2)


def test_movement_that_never_stands_still_is_no_qrs():
    peaks = 500.0 + 1200.0 * np.arange(8)
    m = measure(of_waves(wave(peaks, 0, 70, 1.0) + wave(peaks, 480, 50, 0.3)))
    assert {m.reason(name) for name in ("qrs_ms", "pr_ms", "qt_ms", "axis_deg")} == {"the QRS has no clear bounds"}
    assert m.value("heart_rate_bpm") is not None


def test_an_inverted_t_wave_is_negative():
    upright, inverted = (
        measure(of_waves(wave(PEAKS, 0, 12, 1.0) + wave(PEAKS, 280, T, height))).in_lead("t_mv", "V3").value
        for height in (0.3, -0.3)
    )
    assert (upright, inverted) == pytest.approx((0.3, -0.3), abs=0.04)
