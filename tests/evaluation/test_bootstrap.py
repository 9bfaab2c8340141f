import math
from itertools import product

import numpy as np
import pytest

from ecg_r1.evaluation.bootstrap import Tally, cluster_codes, draw, macro_f1, mcnemar, ratio
from ecg_r1.evaluation.intervals import Interval, paired_interval


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


def test_clusters_are_numbered_in_the_order_of_their_first_rows():
    assert cluster_codes(["b", "a", "b", "c"]).tolist() == [0, 1, 0, 2]


def test_with_one_row_in_each_cluster_the_interval_is_the_one_over_rows_to_the_digit():
    i = np.arange(440)
    quoted = 3.0 + i % 3
    earlier, later = (Tally(np.stack([quoted - wrong, quoted], axis=1)) for wrong in (i * 7 % 5 < 2, i * 11 % 7 < 1))
    codes = cluster_codes([f"record {j}" for j in i])
    found = paired_interval(later.per_cluster(codes), earlier.per_cluster(codes), draw(440, 2000, seed=0))
    interval = (0.06424104604889136, 0.04991587212563098, 0.07792226260656297)  # as it was before there were clusters
    assert found == Interval(*interval, p=2 / 2001)  # no resample is below 0: the least that 2,000 can tell


def test_questions_about_one_record_do_not_make_the_interval_narrower():
    earlier, later = rates([1, 0] * 50), rates([1, 0, 1, 1] * 25)
    single = paired_interval(later, earlier, draw(100, 500, seed=0))
    asked = [Tally(np.repeat(tally.counts, 4, axis=0)) for tally in (later, earlier)]  # each question four times
    codes = np.repeat(np.arange(100), 4)
    clustered = paired_interval(*(tally.per_cluster(codes) for tally in asked), draw(100, 500, seed=0))
    naive = paired_interval(*asked, draw(400, 500, seed=0))
    assert (clustered.low, clustered.high) == pytest.approx((single.low, single.high))
    assert naive.high - naive.low < 0.6 * (single.high - single.low)


@pytest.mark.parametrize(("gained", "lost", "p"), [(0, 0, 1.0), (5, 5, 1.0), (10, 0, 2 / 2**10), (1, 9, 22 / 1024)])
def test_mcnemar_is_the_exact_binomial_test(gained, lost, p):
    assert mcnemar(np.array([1] * gained + [-1] * lost + [0] * 7)) == pytest.approx(p)


@pytest.mark.parametrize(
    "gains", [[3, -1], [2, 2, 2, -2], [1, -3, 2, 0, 1, 1], [-2, -1, -1, -4, 3], [1, 2, 3, 4, 5, 6]]
)
def test_over_clusters_it_counts_every_way_in_which_their_signs_could_have_fallen(gains):
    sums = [abs(sum(s * g for s, g in zip(signs, gains, strict=True))) for signs in product((1, -1), repeat=len(gains))]
    expected = sum(total >= abs(sum(gains)) for total in sums) / len(sums)
    assert mcnemar(np.array(gains)) == pytest.approx(expected)


def test_answers_of_one_patient_are_not_counted_as_independent():
    assert mcnemar(np.array([5, 5])) == pytest.approx(0.5)  # two patients, who might both have fallen the other way
    assert mcnemar(np.ones(10, dtype=int)) == pytest.approx(2 / 2**10)


def test_ratio_keeps_leading_axes():
    assert ratio(np.ones((3, 2, 2))).shape == (3, 2)
