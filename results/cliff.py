"""Where the score breaks off as measured sparsity grows, per architecture, mechanism and pooled.

Knows nothing of how cells were trained; the arithmetic is SQL, see `sql/cells.sql` for the rule by
which cells are left out and `sql/cliff.sql` for the fit.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, TypeAlias

from results.cliff_verdict import SIDE, carried, curve_of, dropped, interval_of, shapes_of
from results.fits import Cell, Curve, Fit, LeftOut, Missing, ShapeFit, to_json
from results.query import Reader

__all__ = [
    "Cell",
    "Curve",
    "Fit",
    "LeftOut",
    "Missing",
    "ShapeFit",
    "cells",
    "cliff",
    "fitted",
    "missing",
    "to_json",
]

DRAWS: Final = 2000
"""Simulated straight lines, and draws of the bootstrap, a group."""

SHAPES: Final = (1.0, 1.5, 2.0, 3.0)
"""Powers of the distance behind the break by which a score may fall."""

_SETTINGS: Final = {
    "step": 0.0025,
    "coarse": 0.01,
    "near": 0.02,
    "side": SIDE,
    "shapes": list(SHAPES),
    "price": 2.0,
}
_SIZES: Final = (0, 100, 1000, 10_000, sys.maxsize)
_FEWEST_DRAWS: Final = 200
_SQL = Path(__file__).with_name("sql")

Row: TypeAlias = Mapping[str, Any]


def cells(reader: Reader) -> list[Cell]:
    """All completed trials that the sweep still asks for, by architecture, mechanism, sparsity."""
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
        for row in reader.trusted(_text("cells.sql")).to_pylist()
    ]


def missing(reader: Reader) -> list[Missing]:
    """The cells that a sweep asks for and that have no end yet, by grid."""
    return [cell for cell, _, _ in _missing(reader)]


def cliff(reader: Reader, *, delta: float = 0.01, draws: int = DRAWS) -> list[Fit]:
    """Fits every architecture, every mechanism within it, and all cells together.

    Refuses nothing: where cells are missing, `Fit.missing` names them and `Fit.partial_note` is
    the sentence that every output has to carry.

    Args:
        reader: an open store; without completed cells there are no fits.
        delta: loss of score that still counts as none, at least 0; a smaller fall is no cliff.
        draws: simulated straight lines, and draws of the bootstrap, a group.

    Returns:
        One fit a group, `pooled` last.
    """
    members = cells(reader)
    if not members:
        return []
    absent = _missing(reader)
    reader.trusted(_text("points.sql"))
    curves: dict[str, dict[bool, Row]] = {}
    for row in fitted(reader, delta=delta, draws=draws):
        curves.setdefault(row["group"], {})[row["everything"]] = row
    return [
        replace(
            _fit(group, members, curves.get(group, {}), delta=delta),
            missing=tuple(cell for cell, *names in absent if _inside(group, *names)),
        )
        for group in _groups(members)
    ]


def fitted(reader: Reader, *, delta: float, draws: int) -> list[dict[str, Any]]:
    """What `sql/cliff.sql` answers for the groups of `kept.points`, one row each.

    Groups of about one size are answered together, because its vectors have one length. Beyond
    1 000 cells there are fewer draws, so that time and memory stay those of 1 000.
    """
    sizes = reader.trusted("SELECT count(*) AS n FROM kept.points GROUP BY place, everything")
    rows: list[dict[str, Any]] = []
    for above, most in pairwise(_SIZES):
        largest = max((n for n in sizes["n"].to_pylist() if above < n <= most), default=0)
        if largest:
            afford = max(_FEWEST_DRAWS, draws * _SIZES[2] // largest)
            settings = {**_SETTINGS, "delta": delta, "draws": min(draws, afford)}
            given = {**settings, "above": above, "most": most}
            found = reader.trusted(_text("cliff.sql"), given, computes=True)
            rows += found.to_pylist()
    return rows


def _text(name: str) -> str:
    return (_SQL / name).read_text(encoding="utf-8")


def _missing(reader: Reader) -> list[tuple[Missing, str, str]]:
    """Each missing cell with its architecture and its mechanism."""
    return [
        (
            Missing(row["trial_id"], row["grid"], row["status"]),
            row["architecture"],
            row["mechanism"],
        )
        for row in reader.trusted(_text("missing.sql")).to_pylist()
    ]


def _groups(members: Sequence[Cell]) -> list[str]:
    """Names of all groups, each architecture followed by its mechanisms, `pooled` last."""
    found: dict[str, None] = {}
    for cell in members:
        if cell.architecture:
            found[cell.architecture] = None
            found[f"{cell.architecture}.{cell.mechanism}"] = None
    return [*sorted(found), "pooled"]


def _inside(group: str, architecture: str, mechanism: str) -> bool:
    return group in ("pooled", architecture, f"{architecture}.{mechanism}")


def _fit(group: str, members: Sequence[Cell], curves: Mapping[bool, Row], *, delta: float) -> Fit:
    inside = [c for c in members if _inside(group, c.architecture, c.mechanism)]
    kept = sorted((c for c in inside if c.left_out is None), key=lambda c: c.sparsity or 0.0)
    row = curves.get(False)
    curve = curve_of(row, delta=delta)
    loss = "loss" if curve.break_ is not None else "line_loss"
    if curve.break_ is None:
        curve = dropped(curve, kept, [c for c in inside if c.left_out == "at the floor"])
    else:
        curve = replace(curve, reason=curve.reason + carried(kept, curve.break_))
    with_all = curves.get(True)
    architecture, _, mechanism = group.partition(".")
    return Fit(
        group=group,
        architecture=None if group == "pooled" else architecture,
        mechanism=mechanism or None,
        cells=tuple(cell.trial_id for cell in kept),
        left_out=tuple(LeftOut(cell.trial_id, cell.left_out) for cell in inside if cell.left_out),
        curve=curve,
        curve_with_all=None if with_all is None else curve_of(with_all, delta=delta),
        loss_at=None if row is None else row[f"{loss}_at"],
        loss_interval=interval_of(row, f"{loss}_low", f"{loss}_high", around=f"{loss}_at"),
        delta=delta,
        shapes=shapes_of(row),
    )
