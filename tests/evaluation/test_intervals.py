import math

import numpy as np
import pytest
from scipy import stats

from ecg_r1.evaluation.bootstrap import Tally, cluster_codes, draw
from ecg_r1.evaluation.intervals import FEW, holm, method, paired_interval


def means(values):
    return Tally(np.stack([np.asarray(values, float), np.ones(len(values))], axis=1))


def test_few_clusters_get_the_interval_of_scipys_bca_widened_to_students_t():
    rng = np.random.default_rng(3)
    later, earlier = rng.exponential(2, 60), rng.exponential(1, 60)
    found = paired_interval(means(later), means(earlier), draw(60, 20_000, seed=1))
    level = 2 * stats.norm.cdf(math.sqrt(60 / 59) * stats.t.ppf(0.975, 59)) - 1
    known = stats.bootstrap(
        (later - earlier,), np.mean, n_resamples=20_000, confidence_level=level, method="BCa", rng=rng
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=0.04)
    plain = np.quantile((draw(60, 20_000, seed=1) @ (later - earlier)) / 60, [0.025, 0.975])
    assert abs(found.high - plain[1]) > 0.04  # the differences are skewed: the correction is there and has a size


def test_many_clusters_get_the_percentile_interval():
    values = np.random.default_rng(0).exponential(1, FEW)
    draws = draw(FEW, 1000, seed=2)
    found = paired_interval(means(values), means(np.zeros(FEW)), draws)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(draws @ values / FEW, [0.025, 0.975])))
    assert (method(FEW - 1), method(FEW)) == ("BCa", "percentile")


@pytest.mark.parametrize("clusters", [40, 400])
@pytest.mark.parametrize("shift", [0.0, 0.2, 0.45, -0.3])
def test_p_is_below_5_percent_exactly_where_the_interval_leaves_out_0(clusters, shift):
    values = np.random.default_rng(7).normal(shift, 1, clusters)
    draws = draw(clusters, 4000, seed=0)
    found = paired_interval(means(values), means(np.zeros(clusters)), draws)
    assert (found.p < 0.05) == (not found.low <= 0 <= found.high)
    edge = paired_interval(means(values), means(np.zeros(clusters)), draws, level=1 - found.p)
    if found.p > 0.01:  # the interval at level 1 - p ends at 0
        assert min(abs(edge.low), abs(edge.high)) < 0.01


def test_p_of_a_normal_mean_is_the_t_tests():
    values = np.random.default_rng(11).normal(0.25, 1, 80)
    found = paired_interval(means(values), means(np.zeros(80)), draw(80, 20_000, seed=0))
    assert found.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.012)


@pytest.mark.parametrize("values", [[1.0] * 30, [0.0] * 30, [1.0] * 29 + [0.0], [5.0]])
def test_differences_that_hardly_vary_have_finite_intervals(values):
    found = paired_interval(means(values), means(np.zeros(len(values))), draw(len(values), 200, seed=0))
    assert np.isfinite([found.low, found.high, found.p]).all()
    assert found.low <= found.difference <= found.high


def test_holm_worked_by_hand():
    # sorted .01 .02 .03 .04: times 4, 3, 2, 1 = .04 .06 .06 .04; each at least the one before it
    adjusted = holm({"a": 0.04, "b": 0.01, "c": 0.03, "d": 0.02, "none": math.nan})
    assert {k: v for k, v in adjusted.items() if k != "none"} == pytest.approx(
        {"a": 0.06, "b": 0.04, "c": 0.06, "d": 0.06}
    )
    assert math.isnan(adjusted["none"])
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}


@pytest.mark.parametrize("questions", [1, 3])
def test_a_known_difference_is_covered_also_when_questions_share_a_record(questions):
    # benchmarks/intervals.py counts 1,000 draws; 150 of them can only tell a gross fault (chance of failing 1 in 10^5)
    rng, clusters = np.random.default_rng(questions), 60
    codes = cluster_codes(np.repeat(np.arange(clusters), questions).tolist())
    draws, covered = draw(clusters, 500, seed=0), 0
    for _ in range(150):
        hard = np.repeat(rng.beta(2, 1, clusters), questions)  # how often the earlier model is right about a record
        earlier, later = rng.random(hard.size) < hard, rng.random(hard.size) < hard + 0.3 * (1 - hard)
        found = paired_interval(*(means(right).per_cluster(codes) for right in (later, earlier)), draws)
        covered += found.low <= 0.1 <= found.high  # 0.3 * (1 - E[beta(2, 1)]) = 0.3 / 3
    assert covered >= 0.87 * 150


def test_few_unbounded_values_have_the_studentised_interval():
    rng = np.random.default_rng(3)
    later, earlier = (np.stack([rng.exponential(mean, 51), np.ones(51)], axis=1) for mean in (6.0, 10.0))
    draws = draw(51, 2000, 0)
    bounded = paired_interval(Tally(later), Tally(earlier), draws)
    found = paired_interval(Tally(later, unbounded=True), Tally(earlier, unbounded=True), draws)
    assert found.difference == bounded.difference
    assert found != bounded
    # the interval and p say the same of "no difference", also where 0 is at an end of it
    for shift in (0.0, found.low + 0.2, found.high - 0.2, found.low - 0.2, found.high + 0.2):
        moved = np.stack([earlier[:, 0] + shift, earlier[:, 1]], axis=1)
        again = paired_interval(Tally(later, unbounded=True), Tally(moved, unbounded=True), draws)
        assert (again.low, again.high) == pytest.approx((found.low - shift, found.high - shift))
        assert (again.p >= 0.05) == (again.low <= 0 <= again.high)


def test_unbounded_values_of_one_cluster_have_no_interval():
    counts = np.zeros((51, 2))
    counts[7] = 3.0, 1.0
    other = np.tile([1.0, 1.0], (51, 1))
    found = paired_interval(Tally(counts, unbounded=True), Tally(other, unbounded=True), draw(51, 200, 0))
    assert found.difference == 2.0
    assert np.isnan([found.low, found.high, found.p]).all()
