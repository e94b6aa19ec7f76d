"""Cells, curves and fits: what is known about one sweep's cliff, as plain values.

Computes no fit and opens no store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["Cell", "Curve", "Fit", "LeftOut", "to_json"]


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


class LeftOut(NamedTuple):
    """A cell that no fit rests on: `no score`, `collapsed` or `fell alone`."""

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
            is no line, or it loses more from the start.
    """

    group: str
    architecture: str | None
    mechanism: str | None
    cells: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
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
            "slope_before": self.slope_before,
            "slope_after": self.slope_after,
            "loss_at": self.loss_at,
            "left_out": [left._asdict() for left in self.left_out],
            "with_all_cells": _with_all(self.curve_with_all),
        }


def to_json(fits: Sequence[Fit]) -> dict[str, Any]:
    """The document of `cliff --json`."""
    return {"fits": [fit.document() for fit in fits]}


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
