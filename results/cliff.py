"""Where the score breaks off as measured sparsity grows, per architecture, mechanism and pooled.

Knows nothing of how cells were trained; the arithmetic is SQL, see `sql/cells.sql` for the rule by
which cells are left out and `sql/cliff.sql` for the fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from results.query import Reader

__all__ = ["Cell", "Curve", "Fit", "cells", "cliff", "to_json"]

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
_SQL = Path(__file__).with_name("sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A completed trial as the fits see it.

    Attributes:
        sweep: name of its sweep.
        trial_id: the trial.
        architecture: `config.model.kind`, empty if the workload has none.
        mechanism: last dotted part of its grid's name.
        sparsity: measured at the final evaluation, 0 to 1.
        score: relative to its baseline.
        left_out: None, or why no fit rests on it.
    """

    sweep: str
    trial_id: str
    architecture: str
    mechanism: str
    sparsity: float | None
    score: float | None
    left_out: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What least squares says about one set of cells.

    `score = level + slope_before · (s − break)`, and behind the break `slope_after` instead. Where
    there is no break, both slopes are that of the straight line.

    Attributes:
        n: cells.
        lowest: smallest sparsity among them.
        highest: largest sparsity among them.
        break_: sparsity at which the score breaks off; None where it does not.
        interval: the breaks that the data do not tell apart at 95 %; None without a break.
        level: fitted score at the break, or at `lowest` without one.
        slope_before: change of score per unit of sparsity before the break.
        slope_after: the same behind it.
        reason: what speaks for the break, or why there is none.
    """

    n: int
    lowest: float
    highest: float
    break_: float | None
    interval: tuple[float, float] | None
    level: float | None
    slope_before: float | None
    slope_after: float | None
    reason: str

    def at(self, sparsity: float) -> float | None:
        """The fitted score; None where too few cells allow no line."""
        if self.level is None or self.slope_before is None or self.slope_after is None:
            return None
        distance = sparsity - (self.lowest if self.break_ is None else self.break_)
        return self.level + distance * (self.slope_before if distance <= 0 else self.slope_after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The cliff of one group of cells.

    Attributes:
        group: `resnet`, `resnet.topk` or `pooled`.
        architecture: None for `pooled`.
        mechanism: None for a whole architecture and for `pooled`.
        cells: trial ids that the fit rests on, by sparsity.
        left_out: (trial id, reason) of those it does not.
        curve: the fit.
        curve_with_all: the same with the cells left out that have a score; None if there are none.
        loss_at: largest sparsity up to which the fitted score loses at most `delta`; None if there
            is no line, or it loses more from the start.
    """

    group: str
    architecture: str | None
    mechanism: str | None
    cells: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    curve: Curve
    curve_with_all: Curve | None
    loss_at: float | None

    @property
    def n(self) -> int:
        """Cells that the fit rests on."""
        return self.curve.n

    @property
    def break_(self) -> float | None:
        """Sparsity at which the score breaks off; None where it does not."""
        return self.curve.break_

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the break."""
        return self.curve.interval

    @property
    def slope_before(self) -> float | None:
        """Change of score per unit of sparsity before the break."""
        return self.curve.slope_before

    @property
    def slope_after(self) -> float | None:
        """The same behind it."""
        return self.curve.slope_after

    @property
    def reason(self) -> str:
        """What speaks for the break, or why there is none."""
        return self.curve.reason


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


def to_json(fits: Sequence[Fit]) -> dict[str, Any]:
    """The document of `cliff --json`: plain values only, `break` null where there is none."""
    return {
        "fits": [
            {
                "group": fit.group,
                "architecture": fit.architecture,
                "mechanism": fit.mechanism,
                "cells": list(fit.cells),
                "break": fit.break_,
                "interval": list(fit.interval) if fit.interval else None,
                "reason": fit.reason,
                "slope_before": fit.slope_before,
                "slope_after": fit.slope_after,
                "loss_at": fit.loss_at,
                "left_out": [
                    {"trial_id": trial_id, "reason": reason} for trial_id, reason in fit.left_out
                ],
                "with_all_cells": _with_all(fit.curve_with_all),
            }
            for fit in fits
        ]
    }


def _with_all(curve: Curve | None) -> dict[str, Any] | None:
    if curve is None:
        return None
    interval = list(curve.interval) if curve.interval else None
    return {
        "cells": curve.n,
        "break": curve.break_,
        "interval": interval,
        "reason": curve.reason,
    }


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
    with_all = curves.get(True)
    architecture, _, mechanism = group.partition(".")
    kept = sorted((c for c in inside if c.left_out is None), key=lambda c: c.sparsity or 0.0)
    return Fit(
        group=group,
        architecture=None if group == "pooled" else architecture,
        mechanism=mechanism or None,
        cells=tuple(cell.trial_id for cell in kept),
        left_out=tuple((cell.trial_id, cell.left_out) for cell in inside if cell.left_out),
        curve=curve,
        curve_with_all=None if with_all is None else _curve(with_all, delta=delta),
        loss_at=_loss_at(curve, delta=delta),
    )


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
    straight = None if slope is None else row["line_start"] + slope * row["sparsest_off"]
    return Curve(
        n=row["n"],
        lowest=row["sparsest_off"],
        highest=row["sparsest"],
        break_=row["tau"] if broken else None,
        interval=(max(row["low"], 0.0), min(row["high"], 1.0)) if broken else None,
        level=row["level"] if broken else straight,
        slope_before=row["slope_before"] if broken else slope,
        slope_after=row["slope_after"] if broken else slope,
        reason=_evidence(row) if against is None else against,
    )


def _against(row: Mapping[str, Any], *, delta: float) -> str | None:
    """Why there is no cliff, None if there is one."""
    if row["n"] < FEWEST:
        return f"too few cells: {row['n']}, a break needs {FEWEST}"
    if row["sites"] < 2 * SIDE:
        return (
            f"too few cells: {row['sites']} distinct sparsities, a break needs {SIDE} on each side"
        )
    if row["tau"] is None or row["line_rss"] <= 1e-20 * max(row["spread"], 1.0):
        return "the score does not fall faster anywhere: a straight line does as well"
    if row["p"] > LEVEL:
        return f"a straight line does as well ({_statistics(row)})"
    if row["slope_after"] >= 0:
        return f"the score bends at {row['tau']:.2f} but does not fall behind it"
    fall = -row["slope_after"] * (row["sparsest"] - row["tau"])
    if fall <= delta:
        return f"the score falls by {fall:.3f} only, within the {delta:g} that count as no loss"
    return None


def _evidence(row: Mapping[str, Any]) -> str:
    return f"a straight line does worse ({_statistics(row)})"


def _statistics(row: Mapping[str, Any]) -> str:
    """F against the straight line, its simulated p, and how much better BIC likes the break."""
    return f"F = {row['f']:.3g}, p = {row['p']:.3g}, BIC better by {row['bic']:.3g}"


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
