"""Mean differences and their interval, against scipy and by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from results.paired import estimate, student_t


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 30, 78, 999])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_the_quantile_is_students(freedom, confidence):
    expected = stats.t.ppf((1 + confidence) / 2, freedom)
    assert student_t(freedom, confidence=confidence) == pytest.approx(expected, rel=1e-9)


def test_the_interval_is_that_of_the_paired_t_test():
    draw = np.random.default_rng(7)
    first = draw.normal(0.9, 0.1, size=23)
    second = first + draw.normal(0.02, 0.05, size=23)
    expected = stats.ttest_rel(second, first).confidence_interval(0.95)

    found = estimate(list(zip(first.tolist(), second.tolist(), strict=True)))

    assert found.n == 23
    assert found.difference == pytest.approx((second - first).mean())
    assert found.interval == pytest.approx((expected.low, expected.high))
    assert (found.mean_a, found.mean_b) == pytest.approx((first.mean(), second.mean()))


def test_the_interval_covers_the_true_mean_as_often_as_it_says():
    draw = np.random.default_rng(11)
    rounds = 1000
    inside = 0
    for _ in range(rounds):
        second = draw.normal(0.3, 1.0, size=6)
        low, high = estimate([(0.0, float(value)) for value in second]).interval
        inside += low <= 0.3 <= high
    assert 0.93 <= inside / rounds <= 0.97


def test_what_has_no_value_is_counted_and_left_out():
    pairs = [(1.0, 2.0), (None, 2.0), (1.0, None), (math.nan, 1.0), (1.0, math.inf), (3.0, 6.0)]
    found = estimate(pairs)
    assert (found.n, found.missing, found.not_finite) == (2, 2, 2)
    assert found.difference == 2.0


def test_one_pair_has_no_interval_and_none_has_nothing():
    assert estimate([(1.0, 1.5)]).interval is None
    assert estimate([(1.0, 1.5)]).difference == 0.5
    nothing = estimate([])
    assert (nothing.n, nothing.mean_a, nothing.difference, nothing.interval) == (0, *[None] * 3)


def test_equal_values_have_an_interval_of_no_width():
    assert estimate([(0.5, 0.5), (0.7, 0.7)]).interval == (0.0, 0.0)


def test_the_largest_floats_do_not_overflow():
    found = estimate([(0.0, 1e300), (0.0, 3e300), (0.0, 2e300)])
    assert found.difference == pytest.approx(2e300)
    low, high = found.interval
    assert (low, high) == pytest.approx((2e300 - 4.30265 / 3**0.5 * 1e300, 4.48413e300), rel=1e-4)
