"""Intervals of a mean that may be looked at after every further value: a group-sequential t test.

Knows nothing of cells, seeds or scores; the values are taken as normal with any spread.

With prob. at least `until` the interval holds the mean at *every* look from the `first` value to
the `most`-th, so that whoever stops as soon as it excludes a line is wrong in at most the rest.
Each look tests at one nominal level (Pocock's rule on the scale of p-values: Pocock, Biometrika 64,
1977; Jennison & Turnbull, Group Sequential Methods, 2000, ch. 11). Under the line the t statistics
of all looks do not depend on mean and spread, so that the level is found by simulating them once.
"""

from __future__ import annotations

from functools import cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["interval", "level", "p_value", "quantile"]

Floats: TypeAlias = npt.NDArray[np.float64]

SIMULATIONS: Final = 200_000
"""Sequences by which the level is found: its error rate is known to 0.0005 at 0.05."""


def interval(values: Floats, *, until: float, first: int, most: int) -> tuple[float, float] | None:
    """The interval of the mean after these values; None before the `first` look.

    Args:
        values: (n,) at most `most` of them, in the order in which they came.
        until: probability that no look misses the mean, 0.5 to below 1.
        first: values at the first look, at least 2.
        most: values at the last.
    """
    count = len(values)
    if count < max(first, 2):
        return None
    nominal = level(1 - until, first=first, most=most)
    reach = quantile(nominal, count - 1) * float(values.std(ddof=1)) / count**0.5
    middle = float(values.mean())
    return middle - reach, middle + reach


@cache
def level(error: float, *, first: int, most: int) -> float:
    """The two-sided nominal level of each look for which all looks together err by `error`."""
    if most <= first:
        return error
    random = np.random.default_rng(0)
    smallest = np.ones(SIMULATIONS)
    total, squares = np.zeros(SIMULATIONS), np.zeros(SIMULATIONS)
    for count in range(1, most + 1):
        values = random.standard_normal(SIMULATIONS)
        total += values
        squares += values**2
        if count >= first:
            spread = np.sqrt(np.maximum(squares - total**2 / count, 1e-300) / (count - 1))
            t = np.abs(total) / (spread * count**0.5)
            np.minimum(smallest, p_value(t, count - 1), out=smallest)
    return float(np.quantile(smallest, error))


def p_value(t: Floats, freedom: int) -> Floats:
    """Probability that Student's |t| with whole degrees of freedom is larger (A&S 26.7.3, 26.7.4).

    Far out the closed form loses digits: below 1e-12 the answer is not exact.
    """
    angle = np.arctan(np.asarray(t, dtype=np.float64) / freedom**0.5)
    sine, cosine = np.sin(angle), np.cos(angle)
    odd = freedom % 2 == 1
    term = cosine.copy() if odd else np.ones_like(cosine)
    total = term.copy() if freedom > 1 or not odd else np.zeros_like(term)
    for k in range(3 if odd else 2, freedom - 1, 2):
        term = term * cosine**2 * (k - 1) / k
        total += term
    inside = 2 / np.pi * (angle + sine * total) if odd else sine * total
    return np.asarray(np.clip(1 - inside, 0.0, 1.0))


@cache
def quantile(error: float, freedom: int) -> float:
    """The |t| that is exceeded with probability `error`, by halving."""
    low, high = 0.0, 1.0
    while p_value(np.asarray(high), freedom) > error and high < 1e12:
        low, high = high, high * 2
    for _ in range(80):
        middle = (low + high) / 2
        if p_value(np.asarray(middle), freedom) > error:
            low = middle
        else:
            high = middle
    return high
