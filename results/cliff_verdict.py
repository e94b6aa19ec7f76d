"""Judges a row of `sql/cliff.sql`: a break or none, and the words for it.

Computes no fit and opens no store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import comb
from typing import Any, Final

from results.fits import Cell, Curve, ShapeFit

__all__ = ["SIDE", "carried", "curve_of", "dropped", "interval_of", "shapes_of"]

FEWEST: Final = 8
"""Cells that a break needs."""

SIDE: Final = 3
"""Distinct sparsities that a break needs on each side."""

LEVEL: Final = 0.04
"""A straight line is given up when at most this share of straight lines looks as broken."""

ALIKE: Final = 3.841458820694124
"""Shapes that lie less than this apart in n ln(RSS) are not told apart: chi-square's 95 % point."""

_DIGITS: Final = 6  # The grid of breaks is decimal; 280 steps of 0.0025 are 0.7, not 0.70…01.


def curve_of(row: Mapping[str, Any] | None, *, delta: float) -> Curve:
    """The broken line if the data speak for it, else the straight one, and why."""
    if row is None:
        return Curve(
            n=0,
            lowest=0.0,
            highest=0.0,
            break_=None,
            interval=None,
            level=None,
            slope_before=None,
            slope_after=None,
            reason=f"too few cells: 0, a break needs {FEWEST}",
        )
    against = _against(row, delta=delta)
    if against is None:
        return _broken(row)
    slope = row["line_slope"]
    return Curve(
        n=row["n"],
        lowest=row["least_sparse"],
        highest=row["most_sparse"],
        break_=None,
        interval=None,
        level=None if slope is None else row["line_start"] + slope * row["least_sparse"],
        slope_before=slope,
        slope_after=slope,
        reason=against,
    )


def interval_of(
    row: Mapping[str, Any] | None, low: str, high: str, *, around: str
) -> tuple[float, float] | None:
    """An interval out of a row, as far as there are cells; it holds its estimate in any case."""
    if row is None or row[around] is None:
        return None
    ends = [row[end] for end in (low, high, around) if row[end] is not None]
    return (
        round(max(min(ends), row["least_sparse"]), _DIGITS),
        round(min(max(ends), row["most_sparse"]), _DIGITS),
    )


def shapes_of(row: Mapping[str, Any] | None) -> tuple[ShapeFit, ...]:
    """What each shape of the fall says, by power."""
    if row is None or row["shapes"] is None:
        return ()
    return tuple(
        ShapeFit(shape["shape"], round(shape["tau"], _DIGITS), shape["worse"])
        for shape in row["shapes"]
    )


def carried(kept: Sequence[Cell], break_: float) -> str:
    """Says so where the break rests on the cells of one mechanism, or of one architecture."""
    behind = [cell for cell in kept if (cell.sparsity or 0.0) > break_]
    for kind in ("architecture", "mechanism"):
        names = {getattr(cell, kind) for cell in behind}
        if len(names) == 1 and len({getattr(cell, kind) for cell in kept}) > 1:
            return f"; behind it lie cells of {names.pop()} alone"
    return ""


def dropped(curve: Curve, kept: Sequence[Cell], floor: Sequence[Cell]) -> Curve:
    """The break of a score that falls to chance between two cells, too steeply for any fit.

    Needs all cells at the floor to be sparser than all others. Had sparsity nothing to do with it,
    the k of n cells at chance would be the sparsest in one of (n choose k) cases.
    """
    before = [cell.sparsity for cell in kept if cell.sparsity is not None]
    after = [cell.sparsity for cell in floor if cell.sparsity is not None]
    total = len(before) + len(after)
    few = total < FEWEST or min(len(set(before)), len(set(after))) < SIDE
    if few or max(before) >= min(after) or 1 / comb(total, len(after)) > LEVEL:
        return curve
    start, end = max(before), min(after)
    break_, level = round((start + end) / 2, _DIGITS), curve.at((start + end) / 2)
    if level is None or curve.slope_before is None:
        return curve
    chance = sum(cell.score or 0.0 for cell in floor) / len(floor)
    return replace(
        curve,
        highest=end,
        break_=break_,
        interval=(start, end),
        level=level,
        slope_after=(chance - level) / (end - break_),
        reason=f"all {len(after)} cells from {end:.2f} on are at chance level, none of the"
        f" {len(before)} before: the fall lies between two cells, and no shape of it can be fitted",
    )


def _broken(row: Mapping[str, Any]) -> Curve:
    span = row["most_sparse"] - row["tau"]
    looked = "; levels were chosen by a search that looked at the interval, which allows for it"
    return Curve(
        n=row["n"],
        lowest=row["least_sparse"],
        highest=row["most_sparse"],
        break_=round(row["tau"], _DIGITS),
        interval=interval_of(row, "low", "high", around="tau"),
        level=row["level"],
        slope_before=row["before"],
        slope_after=row["before"] + row["change"] * span ** (row["shape"] - 1),
        reason=f"a straight line does worse ({_statistics(row)}); {_shape(row)}"
        + (looked if row["adaptive"] else ""),
        shape=row["shape"],
    )


def _against(row: Mapping[str, Any], *, delta: float) -> str | None:
    """Why there is no cliff, None if there is one."""
    if row["n"] < FEWEST:
        return f"too few cells: {row['n']}, a break needs {FEWEST}"
    if row["sites"] < 2 * SIDE:
        return (
            f"too few cells: {row['sites']} distinct sparsities, a break needs {SIDE} on each side"
        )
    if row["tau"] is None or row["line_rss"] <= 1e-12 * row["spread"]:
        return "the score does not fall faster anywhere: a straight line does as well"
    if row["p"] > LEVEL:
        return f"a straight line does as well ({_statistics(row)})"
    span = row["most_sparse"] - row["tau"]
    fall = -span * row["before"] - row["change"] * span ** row["shape"]
    if fall <= 1e-9 * span:
        return f"the score bends at {row['tau']:.2f} but does not fall behind it"
    if fall <= delta:
        return f"the score falls by {fall:.3f} only, within the {delta:g} that count as no loss"
    return None


def _shape(row: Mapping[str, Any]) -> str:
    """Which shape of the fall won, and how far the others move the break."""
    fits = {fit.shape: fit for fit in shapes_of(row)}
    won = fits.pop(row["shape"])
    name = "a straight fall" if won.shape == 1 else f"a fall by the power {won.shape:g}"
    allowed: list[str] = []
    ruled_out: list[str] = []
    for fit in fits.values():
        told = f"{fit.break_:.2f} with {_power(fit.shape)}"
        (allowed if fit.worse < won.worse + ALIKE else ruled_out).append(told)
    text = f"{name} fits best"
    if allowed:
        text += f", others as well: they put the break at {', '.join(allowed)}"
    if ruled_out:
        text += f", {'but not' if allowed else 'better than a break'} at {', '.join(ruled_out)}"
    if row["free_tau"] != row["tau"]:
        text += (
            f"; it would break at {row['free_tau']:.2f}, were there {SIDE} sparsities on each side"
        )
    return text


def _power(shape: float) -> str:
    return "a straight fall" if shape == 1 else f"power {shape:g}"


def _statistics(row: Mapping[str, Any]) -> str:
    """F against the straight line, its simulated p, and which of the two BIC likes by how much."""
    word = "better" if row["bic"] > 0 else "worse"
    return f"F = {row['f']:.3g}, p = {row['p']:.2g}, BIC {word} by {abs(row['bic']):.3g}"
