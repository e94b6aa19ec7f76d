"""Mean differences of paired values, with their interval.

Knows nothing of stores, nor of what the values measure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

__all__ = ["Estimate", "estimate", "student_t"]

CONFIDENCE: Final = 0.95
_HALVINGS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What paired values say about the difference of their sources.

    Attributes:
        n: pairs whose values are both finite.
        missing: pairs in which a side has no value.
        not_finite: pairs in which a side is NaN or infinite; they are left out.
        mean_a: mean of the first side, None without pairs.
        mean_b: mean of the second side, None without pairs.
        difference: mean of second − first, None without pairs.
        interval: 95 % interval of that mean; None with fewer than two pairs.
    """

    n: int
    missing: int
    not_finite: int
    mean_a: float | None
    mean_b: float | None
    difference: float | None
    interval: tuple[float, float] | None


def estimate(pairs: Sequence[tuple[float | None, float | None]]) -> Estimate:
    """The mean of the differences second − first and its interval by Student's paired t.

    d̄ ± t · s/√n, with s² = Σ(dᵢ − d̄)²/(n − 1) and t the (1 + 0.95)/2 quantile of Student's
    distribution with n − 1 degrees of freedom (Student, "The probable error of a mean",
    Biometrika 6, 1908, sections III to V). It takes the pairs as independent draws; cells whose
    scores divide by one baseline are not quite, so their interval is somewhat too short where
    that baseline was trained anew.

    Args:
        pairs: (first, second) of any floats; None where a side has no value.
    """
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    finite = [(a, b) for a, b in both if math.isfinite(a) and math.isfinite(b)]
    n = len(finite)
    counts = {"n": n, "missing": len(pairs) - len(both), "not_finite": len(both) - n}
    if n == 0:
        return Estimate(**counts, mean_a=None, mean_b=None, difference=None, interval=None)
    # Divided before they are summed: values of blown-up trainings may be as large as floats get.
    mean_a = math.fsum(a / n for a, _ in finite)
    mean_b = math.fsum(b / n for _, b in finite)
    differences = [b - a for a, b in finite]
    mean = math.fsum(d / n for d in differences)
    interval = None
    if n > 1:
        scale = max(abs(d - mean) for d in differences) or 1.0
        squares = math.fsum(((d - mean) / scale) ** 2 for d in differences)
        half = student_t(n - 1) * scale * math.sqrt(squares / (n - 1) / n)
        interval = (mean - half, mean + half)
    return Estimate(**counts, mean_a=mean_a, mean_b=mean_b, difference=mean, interval=interval)


@lru_cache
def student_t(freedom: int, *, confidence: float = CONFIDENCE) -> float:
    """The t ≥ 0 with P(|T| ≤ t) = confidence, by bisection.

    Args:
        freedom: degrees of freedom, at least 1.
        confidence: 0 < confidence < 1.
    """
    low, high = 0.0, 1.0
    while _central(high, freedom) < confidence:
        high *= 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if _central(middle, freedom) < confidence else (low, middle)
    return high


def _central(t: float, freedom: int) -> float:
    """P(|T| ≤ t): the finite sums 26.7.3 and 26.7.4 of Abramowitz & Stegun, exact for integers."""
    angle = math.atan2(t, math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2 == 1
    term = cosine if odd else 1.0
    terms = [term] if freedom > 1 else []
    for k in range(2 if odd else 1, freedom - 1, 2):
        term *= cosine * cosine * k / (k + 1)
        terms.append(term)
    total = sine * math.fsum(terms)
    return 2 / math.pi * (angle + total) if odd else total
