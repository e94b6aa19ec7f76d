"""Fits points that stand in no store, by the same SQL and the same verdict as `cliff`.

Knows nothing of where the points come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from results.cliff import fitted
from results.cliff_verdict import FEWEST, curve_of, dropped
from results.fits import Cell, Curve
from results.query import open_stores

__all__ = ["curve_and_floor"]

_PLACED: Final = (
    "CREATE OR REPLACE TABLE kept.points AS SELECT 'curve' AS place, "
    "false AS everything, unnest($id) AS id, unnest($x)::DOUBLE AS x, unnest($y)::DOUBLE AS y, "
    "$adaptive AS adaptive"
)


def curve_and_floor(
    kept: Sequence[tuple[float, float]],
    floor: Sequence[tuple[float, float]],
    *,
    delta: float,
    draws: int,
    adaptive: bool,
) -> Curve:
    """The curve through some points, with those at chance level that no fit rests on.

    Args:
        kept: (sparsity, score), both finite, that the fit rests on.
        floor: those at chance level.
        delta: loss of score that still counts as none, at least 0.
        draws: simulated straight lines, and draws of the bootstrap.
        adaptive: whether a search that looks at the interval chose the points.
    """
    rows: list[dict[str, Any]] = []
    if len(kept) >= 2:
        columns = {
            "id": [f"{number:08d}" for number in range(len(kept))],
            "x": [x for x, _ in kept],
            "y": [y for _, y in kept],
        }
        with open_stores([]) as reader:
            reader.trusted(_PLACED, {**columns, "adaptive": adaptive})
            rows = fitted(reader, delta=delta, draws=draws if len(kept) >= FEWEST else 1)
    curve = curve_of(rows[0] if rows else None, delta=delta)
    if curve.break_ is not None or curve.level is None:
        return curve
    return dropped(curve, [_cell(*point) for point in kept], [_cell(*point) for point in floor])


def _cell(sparsity: float, score: float) -> Cell:
    return Cell(
        sweep="",
        trial_id="",
        architecture="",
        mechanism="",
        sparsity=sparsity,
        score=score,
        score_rule=None,
        metric=None,
        left_out=None,
    )
