"""Cells, curves and fits: what is known about one sweep's cliff, as plain values.

Computes no fit and opens no store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["Cell", "Curve", "Fit", "LeftOut", "Missing", "ShapeFit", "to_json"]


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
        score_rule: how it relates to it, None without a baseline.
        metric: what it was computed from.
        left_out: None, or why no fit rests on it.
    """

    sweep: str
    trial_id: str
    architecture: str
    mechanism: str
    sparsity: float | None
    score: float | None
    score_rule: str | None
    metric: str | None
    left_out: str | None


class Missing(NamedTuple):
    """A cell that the sweep asks for and that has no end yet.

    Attributes:
        trial_id: the trial.
        grid: where it stands in the sweep file.
        status: `planned`, `running`, `failed`, `stopped` or `cancelled`.
    """

    trial_id: str
    grid: str
    status: str


class ShapeFit(NamedTuple):
    """What one shape of the fall says.

    Attributes:
        shape: the power, see `Curve`.
        break_: the break that it puts best, 0 to 1.
        worse: n · ln(RSS / smallest RSS of all shapes), 0 for the best; at most 3.84, the 95 %
            point of chi-square with one degree of freedom, and the data do not tell the two apart.
    """

    shape: float
    break_: float
    worse: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What least squares says about one set of cells.

    `score = level + slope_before · (s − break)`, and behind the break in addition
    `(slope_after − slope_before) · (s − break) · ((s − break) / (highest − break)) ** (shape − 1)`.
    Where there is no break, both slopes are that of the straight line.

    Attributes:
        n: cells.
        lowest: smallest sparsity among them.
        highest: largest sparsity among them.
        break_: sparsity at which the score breaks off; None where it does not.
        interval: the breaks that the data do not tell apart at 95 %, whatever the shape of the
            fall; None without a break. Where a search chose cells by looking at the interval, the
            level is 97 %, so that its looks are paid for.
        level: fitted score at the break, or at `lowest` without one.
        slope_before: change of score per unit of sparsity before the break.
        slope_after: the same behind it, from the break to `highest` on average.
        reason: what speaks for the break, or why there is none.
        shape: power of the distance behind the break by which the score falls; 1 is a line.
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
    shape: float = 1.0

    def at(self, sparsity: float) -> float | None:
        """The fitted score; None where too few cells allow no line."""
        if self.level is None or self.slope_before is None or self.slope_after is None:
            return None
        if self.break_ is None:
            return self.level + (sparsity - self.lowest) * self.slope_before
        distance = sparsity - self.break_
        score = self.level + distance * self.slope_before
        if distance <= 0:
            return score
        bent = float((distance / (self.highest - self.break_)) ** (self.shape - 1))
        return score + (self.slope_after - self.slope_before) * distance * bent


class LeftOut(NamedTuple):
    """A cell that no fit rests on, and why: see `sql/cells.sql`."""

    trial_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The cliff of one group of cells.

    Attributes:
        group: `resnet`, `resnet.topk` or `pooled`.
        architecture: None for `pooled`.
        mechanism: None for a whole architecture and for `pooled`.
        cells: trial ids that the fit rests on, by sparsity.
        left_out: those it does not, and why.
        curve: the fit.
        curve_with_all: the same with the cells left out that have a score; None if there are none.
        loss_at: largest sparsity up to which the fitted score loses at most `delta`; None if there
            is no line.
        loss_interval: its 95 % interval by the bootstrap.
        delta: the loss of score that counts as none.
        shapes: what each shape of the fall says, empty where none falls.
        missing: cells of the group that the sweep asks for and that have no end yet.
    """

    group: str
    architecture: str | None
    mechanism: str | None
    cells: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    curve: Curve
    curve_with_all: Curve | None
    loss_at: float | None
    loss_interval: tuple[float, float] | None = None
    delta: float = 0.01
    shapes: tuple[ShapeFit, ...] = ()
    missing: tuple[Missing, ...] = ()

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

    @property
    def partial(self) -> bool:
        """Whether cells are missing."""
        return bool(self.missing)

    @property
    def partial_note(self) -> str:
        """The sentence that every output of a partial fit carries; empty for a complete one."""
        if not self.missing:
            return ""
        counts: dict[str, int] = {}
        for cell in self.missing:
            counts[cell.status] = counts.get(cell.status, 0) + 1
        told = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
        return f"Partial: {len(self.missing)} cells are missing ({told})."

    def document(self) -> dict[str, Any]:
        """The fit as plain values for JSON, `break` null where there is none."""
        return {
            "group": self.group,
            "architecture": self.architecture,
            "mechanism": self.mechanism,
            "cells": list(self.cells),
            "break": self.break_,
            "interval": list(self.interval) if self.interval else None,
            "reason": self.reason,
            "shape": self.curve.shape if self.break_ is not None else None,
            "shapes": [
                {"shape": fit.shape, "break": fit.break_, "worse": fit.worse} for fit in self.shapes
            ],
            "slope_before": self.slope_before,
            "slope_after": self.slope_after,
            "delta": self.delta,
            "loss_at": self.loss_at,
            "loss_interval": list(self.loss_interval) if self.loss_interval else None,
            "partial": self.partial,
            "missing": [cell._asdict() for cell in self.missing],
            "left_out": [left._asdict() for left in self.left_out],
            "with_all_cells": _with_all(self.curve_with_all),
        }


def to_json(fits: Sequence[Fit], *, missing: Sequence[Missing] = ()) -> dict[str, Any]:
    """The document of `cliff --json`; `partial` as soon as one cell is missing anywhere."""
    absent = dict.fromkeys([*missing, *(cell for fit in fits for cell in fit.missing)])
    return {
        "partial": bool(absent),
        "missing": [cell._asdict() for cell in absent],
        "fits": [fit.document() for fit in fits],
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
