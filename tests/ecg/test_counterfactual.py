"""One simulated heart with one thing moved: what moved is measured to move, and all else to stay."""

import numpy as np
import pytest

from ecg_r1.ecg.counterfactual import ANTERIOR, STEPS, Moved, counterfactual
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.quantities import QUANTITIES

# By how much the measurement may be off the truth: of what moves its bounds (the QRS), of the others as they stay.
WITHIN = {"heart_rate_bpm": 1.0, "pr_ms": 8.0, "qrs_ms": 8.0, "qt_ms": 8.0, "axis_deg": 4.0, "p_ms": 12.0}


def st(measurements):
    return np.mean([measurements.in_lead("st_mv", lead).value for lead in ANTERIOR])


@pytest.mark.parametrize("what", [name for name in STEPS if name != "fibrillation"])
def test_one_thing_moves_as_it_says_and_nothing_else(what):
    ends = [counterfactual(3, 1, moved, "r") for moved in (STEPS[what][0], STEPS[what][-1])]
    (low, true_low), (high, true_high) = ends
    measured = [measure(record) for record, _ in ends]
    for name, allowed in WITHIN.items():
        true = QUANTITIES[name].difference(true_high.value(name), true_low.value(name))
        seen = QUANTITIES[name].difference(measured[1].value(name), measured[0].value(name))
        assert seen == pytest.approx(true, abs=allowed), name
        if name == what:
            assert abs(true) > 50
        elif not (what == "st_mv" and name == "axis_deg"):  # the ST segment rises within the QRS
            assert true == pytest.approx(0, abs=0.5), name
    assert st(measured[1]) - st(measured[0]) == pytest.approx(st(true_high) - st(true_low), abs=0.03)
    if what != "st_mv":
        assert st(true_high) == pytest.approx(st(true_low), abs=0.02)
    assert np.isfinite(low.signal).all()
    assert np.isfinite(high.signal).all()


def test_the_noise_is_the_same():
    rest = slice(0, 5000)
    one, other = (counterfactual(0, 4, Moved(pr_ms=pr), "r")[0].signal[:, rest] for pr in (130, 200))
    changed = np.abs(one - other).max(axis=0) > 1e-6
    assert 0.1 < changed.mean() < 0.5  # the P waves alone


def test_six_values_of_each_quantity_in_equal_steps():
    for what, steps in STEPS.items():
        assert len(steps) == (2 if what == "fibrillation" else 6)
    truths = [counterfactual(0, 0, moved, "r")[1].value("pr_ms") for moved in STEPS["pr_ms"]]
    assert truths == pytest.approx([120, 152, 184, 216, 248, 280])


def test_fibrillation_has_no_p_waves_and_keeps_the_ventricles():
    (sinus, before), (fibrillating, after) = (counterfactual(1, 2, moved, "r") for moved in STEPS["fibrillation"])
    assert (sinus.diagnoses, fibrillating.diagnoses) == (("normal ECG",), ("atrial fibrillation",))
    assert after["pr_ms"].absent
    assert measure(fibrillating)["pr_ms"].absent
    for name in ("qrs_ms", "qt_ms", "axis_deg"):
        assert after.value(name) == before.value(name)
    assert after.value("heart_rate_bpm") == pytest.approx(before.value("heart_rate_bpm"), rel=0.06)


def test_hearts_differ_and_repeat():
    one, again, other = (counterfactual(0, heart, Moved(), "r")[0].signal for heart in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.allclose(one, other)
    assert one.shape == (len(LEADS), 5000)
