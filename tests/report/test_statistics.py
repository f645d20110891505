"""Verdicts on claims: ratios on logarithms, test cases where seeds change nothing, one error rate for a page."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sciml.metrics import Metric
from sciml.report import judge, judge_together

ERROR = Metric("error", "error")
COST = Metric("flops", "FLOPs", cost=True)


def test_a_mean_of_ratios_is_taken_on_logarithms():
    first, second = {0: 0.01, 1: 0.02, 2: 0.6}, {0: 1.0, 1: 2.0, 2: 0.1}
    verdict = judge(first, second, 0.0, metric=ERROR)
    assert verdict.gain == pytest.approx(0.916, abs=5e-4)
    assert verdict.sign == "undecided"
    reverse = judge(second, first, 0.0, metric=ERROR)
    assert 1 - reverse.gain == pytest.approx(1 / (1 - verdict.gain))
    assert (1 - reverse.high, 1 - reverse.low) == pytest.approx((1 / (1 - verdict.low), 1 / (1 - verdict.high)))


@given(
    st.lists(st.tuples(st.floats(0.01, 10), st.floats(0.01, 10)), min_size=2, max_size=8),
    st.floats(0.2, 0.9),
)
def test_that_one_is_less_by_a_share_and_the_other_more_are_one_statement(pairs, margin):
    better, worse = (dict(enumerate(side)) for side in zip(*pairs, strict=True))
    share = judge(better, worse, margin, metric=ERROR)
    factor = judge(better, worse, 0.0, factor=1 / (1 - margin), metric=ERROR)
    assert share.sign == factor.sign
    assert 1 / (1 - share.gain) == pytest.approx(factor.gain)


def test_seeds_that_change_nothing_decide_nothing():
    better, worse = {0: 0.6, 1: 0.6}, {0: 0.9, 1: 0.9}
    verdict = judge(better, worse, 0.0, metric=ERROR)
    assert (verdict.sign, verdict.count) == ("undecided", 1)
    assert "the seeds change nothing" in verdict.reason
    assert judge(better, worse, 0.0, metric=COST).sign == "holds"  # a count needs no chance


def _cases(generator, seeds, cases, ratio, spread, noise):
    """Errors of two solvers: hard and easy cases, a ratio that varies with the case and with the seed."""
    hard = np.exp(0.5 * generator.normal(size=cases))
    shift = spread * generator.normal(size=cases)
    worse = {s: hard * np.exp(noise * generator.normal(size=cases)) for s in seeds}
    better = {
        s: ratio * hard * np.exp(shift + noise * generator.normal() + noise * generator.normal(size=cases))
        for s in seeds
    }
    return better, worse


def _means(side):
    return {seed: float(np.mean(values)) for seed, values in side.items()}


def test_without_seeds_the_interval_is_over_test_cases():
    better, worse = _cases(np.random.default_rng(3), [0], 8, 0.6, 0.2, 0.0)
    sides = [{seed: list(side[0]) for seed in (0, 1)} for side in (better, worse)]
    verdict = judge(*map(_means, sides), 0.1, metric=ERROR, cases=tuple(sides))
    ours, other = better[0] / better[0].mean(), worse[0] / worse[0].mean()
    centre = math.log(worse[0].mean() / better[0].mean())
    low, high = stats.t.interval(0.95, 7, centre, stats.sem(other - ours))
    assert (verdict.count, verdict.over) == (8, "test cases")
    assert verdict.gain == pytest.approx(1 - better[0].mean() / worse[0].mean())
    assert (verdict.low, verdict.high) == pytest.approx((1 - math.exp(-low), 1 - math.exp(-high)))


def test_an_interval_over_seeds_and_cases_covers_new_cases():
    """A true ratio of means of 1 would be called an improvement or its opposite in about 5 % of experiments."""
    generator = np.random.default_rng(0)
    wrong = {"seeds": 0, "both": 0}
    draws = 400
    for _ in range(draws):
        better, worse = _cases(generator, range(5), 20, 1.0, 0.3, 0.05)
        expected = math.exp(0.3**2 / 2 + 2 * 0.05**2 / 2 - 0.05**2 / 2)  # of the ratio of the two means
        better = {seed: values / expected for seed, values in better.items()}
        means = [_means(side) for side in (better, worse)]
        wrong["seeds"] += judge(*means, 0.0, metric=ERROR).sign != "undecided"
        wrong["both"] += judge(*means, 0.0, metric=ERROR, cases=(better, worse)).sign != "undecided"
    assert wrong["both"] / draws < 0.10
    assert wrong["seeds"] / draws > 0.3  # twenty cases are not all cases


def test_the_claims_of_a_page_share_one_error_rate():
    generator = np.random.default_rng(1)
    alone = together = 0
    pages = 300
    for _ in range(pages):
        claims = []
        for _ in range(13):
            sides = (dict(enumerate(np.exp(0.1 * generator.normal(size=5)))) for _ in range(2))
            claims.append(judge(*sides, 0.0, metric=ERROR))
        alone += any(verdict.sign != "undecided" for verdict in claims)
        together += any(verdict.sign != "undecided" for verdict in judge_together(claims))
    assert alone / pages > 0.3
    assert together / pages < 0.09
    strong = judge({0: 0.1, 1: 0.11, 2: 0.1}, {0: 1.0, 1: 1.0, 2: 1.1}, 0.0, metric=ERROR)
    weak = judge({0: 0.8, 1: 0.9, 2: 0.85}, {0: 1.0, 1: 1.05, 2: 1.1}, 0.0, metric=ERROR)
    assert (strong.sign, weak.sign) == ("holds", "holds")
    assert [verdict.sign for verdict in judge_together([strong, weak])] == ["holds", "holds"]
    assert weak.chance > 0.05 / 9
    many = judge_together([strong, *[weak] * 9])
    assert [verdict.sign for verdict in many] == ["holds", *["undecided"] * 9]
    assert "among the 10 claims" in many[1].reason


def test_the_tolerance_is_inclusive():
    accuracy = Metric("accuracy", "accuracy", better="higher")
    better, worse = {0: 0.97, 1: 0.96, 2: 0.95}, {0: 0.98, 1: 0.97, 2: 0.96}
    assert judge(better, worse, 0.0, metric=accuracy, tolerance=0.01).sign == "holds"
    assert judge(better, worse, 0.0, metric=accuracy, tolerance=0.0099).sign == "does not hold"
