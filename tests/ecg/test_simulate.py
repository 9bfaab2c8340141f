import numpy as np
import pytest

from ecg_r1.ecg.criteria import criteria
from ecg_r1.ecg.heart import POPULATIONS
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.ecg.simulate import DIAGNOSES, simulate
from ecg_r1.ecg.vocabulary import UnknownDiagnosis, vocabulary


def test_a_record_depends_on_its_seed_and_place_only():
    whole = list(simulate(6, seed=5))
    parts = [*simulate(2, seed=5), *simulate(4, seed=5, start=2)]
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(a.record.signal, b.record.signal)
        assert a.truth == b.truth
        assert a.record.record_id == b.record.record_id
    assert not np.array_equal(whole[0].record.signal, next(iter(simulate(1, seed=6))).record.signal)


def test_diagnoses_are_balanced_and_known():
    names = [s.record.diagnoses[0] for s in simulate(33, seed=1)]
    assert sorted(names) == sorted(DIAGNOSES * 3)
    assert all(vocabulary().find(name).name == name for name in POPULATIONS)
    with pytest.raises(UnknownDiagnosis, match="there are: normal ECG"):
        next(simulate(1, seed=1, diagnoses=["gout"]))


def meets(name: str, truth: Measurements) -> bool:
    value = truth.value(criteria()[name].quantity)
    return value is not None and criteria()[name].holds(value)


def test_the_truth_meets_the_criterion_of_its_diagnosis():
    for s in simulate(220, seed=2):
        statement, truth = vocabulary().get(s.record.diagnoses[0]), Measurements.from_json(s.truth)
        assert set(s.truth) == set(QUANTITIES)
        assert statement.criterion is None or meets(statement.name, truth), (statement.name, s.truth)
        if statement.name == "normal ECG":
            # A QRS below 120 ms is what an incomplete right bundle branch block has, too; its shape tells it.
            others = [v for v in vocabulary() if v.superclass and v.criterion and "incomplete right" not in v.name]
            assert not any(meets(v.name, truth) for v in others)


def test_diagnoses_are_combined():
    for s in simulate(4, seed=1, diagnoses=["atrial fibrillation; left bundle branch block"]):
        assert s.record.diagnoses == ("atrial fibrillation", "left bundle branch block")
        assert s.truth["pr_ms"] is None
        assert s.truth["qrs_ms"] >= 120
    (slow,) = simulate(1, seed=1, diagnoses=["sinus bradycardia;first-degree AV block;ventricular premature complex"])
    assert slow.truth["heart_rate_bpm"] < 60
    assert slow.truth["pr_ms"] > 200
    with pytest.raises(ValueError, match="two of them want their own rate"):
        next(simulate(1, seed=1, diagnoses=["sinus bradycardia; sinus tachycardia"]))
    with pytest.raises(ValueError, match="two of them want their own ventricles"):
        next(simulate(1, seed=1, diagnoses=["inferior myocardial infarction; left ventricular hypertrophy"]))


def test_what_no_heart_can_do_is_refused():
    with pytest.raises(ValueError, match="no room after the T wave"):
        next(simulate(1, seed=1, diagnoses=["sinus tachycardia; first-degree AV block; long QT interval"]))
    for s in simulate(20, seed=1, diagnoses=["sinus bradycardia; ventricular premature complex"]):
        assert s.truth["heart_rate_bpm"] < 60


def test_intervals_vary_broadly_within_a_diagnosis():
    for name in DIAGNOSES:
        truths = [s.truth for s in simulate(30, seed=3, diagnoses=[name])]
        spread = {q: np.ptp([t[q] for t in truths]) for q in ("heart_rate_bpm", "qrs_ms", "qt_ms")}
        for quantity, least in (("heart_rate_bpm", 15), ("qrs_ms", 20), ("qt_ms", 50)):
            assert spread[quantity] > least, (name, quantity)


def test_limb_leads_obey_einthoven_and_goldberger():
    lead = dict(zip(LEADS, next(iter(simulate(1, seed=4))).record.signal, strict=True))
    np.testing.assert_allclose(lead["I"] + lead["III"], lead["II"], atol=1e-5)
    np.testing.assert_allclose(lead["aVR"] + lead["aVL"] + lead["aVF"], 0, atol=1e-5)


def test_moving_electrodes_add_to_the_same_heart():
    still, moved = (list(simulate(8, seed=4, artefacts=share)) for share in (0.0, 1.0))
    for a, b in zip(still, moved, strict=True):
        assert a.truth == b.truth
        added = dict(zip(LEADS, b.record.signal - a.record.signal, strict=True))
        assert max(np.abs(row).max() for row in added.values()) > 0.3
        np.testing.assert_allclose(added["I"] + added["III"], added["II"], atol=1e-4)


def test_fibrillation_is_irregular_and_sinus_rhythm_is_not():
    from ecg_r1.ecg.beats import clean, r_peaks

    def irregularity(name):
        return [np.std(rr := np.diff(r_peaks(clean(s.record.signal.astype(float))))) / rr.mean()
                for s in simulate(8, seed=6, diagnoses=[name])]  # fmt: skip

    assert min(irregularity("atrial fibrillation")) > 0.06 > max(irregularity("normal ECG"))


def test_known_shapes():
    def mean_beat(name, lead):
        from ecg_r1.ecg.beats import clean, r_peaks
        from ecg_r1.ecg.median_beat import median_beat
        from ecg_r1.ecg.populations import populations

        shapes = []
        for s in simulate(6, seed=7, diagnoses=[name]):
            signal = clean(s.record.signal.astype(float))
            beat = median_beat(signal, populations(signal, r_peaks(signal)))
            around = beat.signal[LEADS.index(lead), beat.r - 60 : beat.r + 60]
            shapes.append((around.max(), around.min()))
        return np.mean(shapes, axis=0)

    highest, lowest = mean_beat("left bundle branch block", "V1")
    assert lowest < -0.8
    assert highest < 0.4
    assert mean_beat("right bundle branch block", "V1")[0] > 0.4  # R'
    assert mean_beat("left ventricular hypertrophy", "V5")[0] > 1.5 * mean_beat("normal ECG", "V5")[0]
