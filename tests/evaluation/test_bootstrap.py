import math

import numpy as np
import pytest

from ecg_r1.evaluation.bootstrap import Tally, draw, macro_f1, mcnemar, paired_interval, ratio


def rates(values):
    return Tally(np.stack([np.asarray(values, float), np.ones(len(values))], axis=1))


def test_interval_of_a_known_table_is_the_normal_one():
    # 400 records: later right on 300, earlier on 220, 40 of these lost. Differences: 120 of +1, 40 of -1, 240 of 0.
    later = rates([1] * 300 + [0] * 100)
    earlier = rates([1] * 180 + [0] * 120 + [1] * 40 + [0] * 60)
    interval = paired_interval(later, earlier, draw(400, 4000, seed=1))
    mean = 80 / 400
    error = math.sqrt((160 / 400 - mean**2) / 400)
    assert interval.difference == pytest.approx(mean)
    assert interval.low == pytest.approx(mean - 1.96 * error, abs=0.004)
    assert interval.high == pytest.approx(mean + 1.96 * error, abs=0.004)


def test_pairing_narrows_the_interval_to_nothing_where_models_differ_by_a_constant():
    earlier = Tally(np.stack([np.arange(50.0), np.ones(50)], axis=1))
    later = Tally(np.stack([np.arange(50.0) + 3, np.ones(50)], axis=1))
    interval = paired_interval(later, earlier, draw(50, 500, seed=0))
    assert (interval.difference, interval.low, interval.high) == pytest.approx((3, 3, 3))


def test_a_ratio_weighs_records_by_their_denominator():
    assert Tally(np.array([[1.0, 1.0], [0.0, 9.0]])).value() == pytest.approx(0.1)


def test_a_ratio_over_nothing_is_undefined_and_so_is_its_interval():
    nothing = Tally(np.zeros((4, 2)))
    assert math.isnan(nothing.value())
    assert math.isnan(paired_interval(nothing, rates([1, 1, 0, 0]), draw(4, 50, seed=0)).low)


def test_macro_f1_agrees_with_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(0)
    truth, answer = generator.integers(0, 2, (2, 60, 4)).astype(bool)
    counts = np.concatenate([truth & answer, ~truth & answer, truth & ~answer], axis=1).astype(float)
    assert Tally(counts, macro_f1).value() == pytest.approx(metrics.f1_score(truth, answer, average="macro"))


def test_macro_f1_leaves_out_a_class_that_a_resample_does_not_hold():
    assert macro_f1(np.array([3.0, 0, 0, 0, 1.0, 0])) == pytest.approx(6 / 7)


def test_draws_are_seeded_and_hold_as_many_records_as_there_are():
    assert (draw(30, 20, seed=5) == draw(30, 20, seed=5)).all()
    assert (draw(30, 20, seed=5).sum(1) == 30).all()
    assert (draw(30, 20, seed=5) != draw(30, 20, seed=6)).any()


@pytest.mark.parametrize(("gained", "lost", "p"), [(0, 0, 1.0), (5, 5, 1.0), (10, 0, 2 / 2**10), (1, 9, 22 / 1024)])
def test_mcnemar_is_the_exact_binomial_test(gained, lost, p):
    assert mcnemar(gained, lost) == pytest.approx(p)


def test_ratio_keeps_leading_axes():
    assert ratio(np.ones((3, 2, 2))).shape == (3, 2)
