"""Where the score breaks off as measured sparsity grows, per architecture, mechanism and pooled.

Knows nothing of how cells were trained; the arithmetic is SQL, see `sql/cells.sql` for the rule by
which cells are left out and `sql/cliff.sql` for the fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from results.fits import Cell, Curve, Fit, LeftOut, to_json
from results.query import Reader

__all__ = ["Cell", "Curve", "Fit", "LeftOut", "cells", "cliff", "to_json"]

FEWEST: Final = 8
"""Cells that a break needs."""

SIDE: Final = 3
"""Distinct sparsities that a break needs on each side."""

LEVEL: Final = 0.04
"""A straight line is given up when at most this share of straight lines looks as broken."""

DRAWS: Final = 1000
"""Simulated straight lines a group."""

_STEP: Final = 0.0025
_COARSE: Final = 0.01
_DIGITS: Final = 6  # The grid of breaks is decimal; 280 steps of 0.0025 are 0.7, not 0.70…01.
_SQL = Path(__file__).with_name("sql")


def cells(reader: Reader) -> list[Cell]:
    """All completed trials that the sweep still asks for, by architecture, mechanism, sparsity."""
    rows = reader.trusted((_SQL / "cells.sql").read_text(encoding="utf-8")).to_pylist()
    return [
        Cell(
            sweep=row["sweep"],
            trial_id=row["trial_id"],
            architecture=row["architecture"],
            mechanism=row["mechanism"],
            sparsity=row["x"],
            score=row["y"],
            score_rule=row["score_rule"],
            metric=row["metric"],
            left_out=row["left_out"],
        )
        for row in rows
    ]


def cliff(reader: Reader, *, delta: float = 0.01, draws: int = DRAWS) -> list[Fit]:
    """Fits every architecture, every mechanism within it, and all cells together.

    Args:
        reader: an open store; without completed cells there are no fits.
        delta: loss of score that still counts as none; a smaller fall is no cliff.
        draws: simulated straight lines a group.

    Returns:
        One fit a group, `pooled` last.
    """
    members = cells(reader)
    if not members:
        return []
    curves: dict[str, dict[bool, Mapping[str, Any]]] = {}
    settings = {"step": _STEP, "coarse": _COARSE, "draws": draws, "side": SIDE}
    text = (_SQL / "cliff.sql").read_text(encoding="utf-8")
    for row in reader.trusted(text, settings).to_pylist():
        curves.setdefault(row["group"], {})[row["everything"]] = row
    return [_fit(group, members, curves.get(group, {}), delta=delta) for group in _groups(members)]


def _groups(members: Sequence[Cell]) -> list[str]:
    """Names of all groups, each architecture followed by its mechanisms, `pooled` last."""
    found: dict[str, None] = {}
    for cell in members:
        if cell.architecture:
            found[cell.architecture] = None
            found[f"{cell.architecture}.{cell.mechanism}"] = None
    return [*sorted(found), "pooled"]


def _belongs(cell: Cell, group: str) -> bool:
    return group in ("pooled", cell.architecture, f"{cell.architecture}.{cell.mechanism}")


def _fit(
    group: str,
    members: Sequence[Cell],
    curves: Mapping[bool, Mapping[str, Any]],
    *,
    delta: float,
) -> Fit:
    inside = [cell for cell in members if _belongs(cell, group)]
    curve = _curve(curves.get(False), delta=delta)
    if curve.break_ is not None:
        curve = replace(curve, reason=curve.reason + _carried(inside, curve.break_))
    with_all = curves.get(True)
    architecture, _, mechanism = group.partition(".")
    kept = sorted((c for c in inside if c.left_out is None), key=lambda c: c.sparsity or 0.0)
    return Fit(
        group=group,
        architecture=None if group == "pooled" else architecture,
        mechanism=mechanism or None,
        cells=tuple(cell.trial_id for cell in kept),
        left_out=tuple(LeftOut(cell.trial_id, cell.left_out) for cell in inside if cell.left_out),
        curve=curve,
        curve_with_all=None if with_all is None else _curve(with_all, delta=delta),
        loss_at=_loss_at(curve, delta=delta),
    )


def _carried(inside: Sequence[Cell], break_: float) -> str:
    """Says so where the break rests on the cells of one mechanism, or of one architecture."""
    kept = [cell for cell in inside if cell.left_out is None]
    behind = [cell for cell in kept if (cell.sparsity or 0.0) > break_]
    for kind in ("architecture", "mechanism"):
        names = {getattr(cell, kind) for cell in behind}
        if len(names) == 1 and len({getattr(cell, kind) for cell in kept}) > 1:
            return f"; behind it lie cells of {names.pop()} alone"
    return ""


def _curve(row: Mapping[str, Any] | None, *, delta: float) -> Curve:
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
    broken = against is None
    slope = row["line_slope"]
    straight = None if slope is None else row["line_start"] + slope * row["least_sparse"]
    return Curve(
        n=row["n"],
        lowest=row["least_sparse"],
        highest=row["most_sparse"],
        break_=round(row["tau"], _DIGITS) if broken else None,
        interval=_interval(row) if broken else None,
        level=row["level"] if broken else straight,
        slope_before=row["slope_before"] if broken else slope,
        slope_after=row["slope_after"] if broken else slope,
        reason=_evidence(row) if against is None else against,
    )


def _interval(row: Mapping[str, Any]) -> tuple[float, float]:
    """The interval as far as there are cells."""
    low = max(row["low"], row["least_sparse"])
    return round(low, _DIGITS), round(min(row["high"], row["most_sparse"]), _DIGITS)


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
    if row["slope_after"] > -1e-9:
        return f"the score bends at {row['tau']:.2f} but does not fall behind it"
    fall = -row["slope_after"] * (row["most_sparse"] - row["tau"])
    if fall <= delta:
        return f"the score falls by {fall:.3f} only, within the {delta:g} that count as no loss"
    return None


def _evidence(row: Mapping[str, Any]) -> str:
    return f"a straight line does worse ({_statistics(row)})"


def _statistics(row: Mapping[str, Any]) -> str:
    """F against the straight line, its simulated p, and which of the two BIC likes by how much."""
    word = "better" if row["bic"] > 0 else "worse"
    return f"F = {row['f']:.3g}, p = {row['p']:.2g}, BIC {word} by {abs(row['bic']):.3g}"


def _loss_at(curve: Curve, *, delta: float) -> float | None:
    """Largest sparsity at which the curve lies at most `delta` below its value at the start."""
    start = curve.at(curve.lowest)
    if start is None or curve.slope_before is None or curve.slope_after is None:
        return None
    corner = curve.highest if curve.break_ is None else curve.break_
    at_corner = curve.at(corner)
    if at_corner is None:
        return None
    if start - at_corner > delta:
        return curve.lowest - delta / curve.slope_before
    if curve.slope_after >= 0 or curve.break_ is None:
        return curve.highest
    return min(curve.highest, corner + (start - delta - at_corner) / curve.slope_after)
