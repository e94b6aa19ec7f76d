"""Intervals that may be looked at after every value, against known quantiles and by simulation."""

import numpy as np
import pytest

from orchestrator.sequential import interval, level, p_value, quantile


@pytest.mark.parametrize(
    ("error", "freedom", "expected"),
    [
        (0.05, 1, 12.706205),
        (0.05, 2, 4.302653),
        (0.05, 3, 3.182446),
        (0.05, 6, 2.446912),
        (0.01, 7, 3.499483),
        (0.001, 10, 4.586894),
    ],
)
def test_quantiles_are_those_of_the_table(error, freedom, expected):
    assert quantile(error, freedom) == pytest.approx(expected, rel=1e-6)
    assert p_value(np.asarray(expected), freedom) == pytest.approx(error, rel=1e-5)


def test_one_look_is_the_ordinary_interval():
    values = np.asarray([1.0, 2.0, 3.0, 4.0])
    low, high = interval(values, until=0.95, first=4, most=4)
    reach = 3.182446 * values.std(ddof=1) / 2
    assert (low, high) == pytest.approx((2.5 - reach, 2.5 + reach))


def test_no_interval_before_the_first_look():
    assert interval(np.asarray([1.0]), until=0.95, first=2, most=8) is None
    assert interval(np.asarray([1.0, 2.0]), until=0.95, first=3, most=8) is None


def test_more_looks_are_stricter_but_less_so_than_bonferroni():
    levels = [level(0.05, first=2, most=most) for most in (2, 3, 5, 8)]
    assert levels[0] == 0.05
    assert levels == sorted(levels, reverse=True)
    assert all(found > 0.05 / looks for found, looks in zip(levels[1:], (2, 4, 7), strict=True))


@pytest.mark.parametrize("until", [0.9, 0.95, 0.99])
def test_all_looks_together_hold_the_mean(until):
    """With other random numbers than those the level was found with, and any mean and spread."""
    random = np.random.default_rng(1)
    sequences = 4000
    missed = 0
    for _ in range(sequences):
        values = random.normal(0.97, 0.013, 8)
        for count in range(2, 9):
            low, high = interval(values[:count], until=until, first=2, most=8)
            if not low <= 0.97 <= high:
                missed += 1
                break
    error = 1 - until
    assert missed / sequences == pytest.approx(error, abs=4 * (error * until / sequences) ** 0.5)
