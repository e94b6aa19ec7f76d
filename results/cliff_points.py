"""Fits points that stand in no store, by the same SQL as `cliff`.

Knows nothing of where the points come from, and leaves none of them out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from results.cliff import fitted
from results.cliff_verdict import curve_of
from results.fits import Curve
from results.query import Reader, open_stores

__all__ = ["curves_of"]

_PLACED: Final = (
    "CREATE OR REPLACE TABLE kept.points AS SELECT unnest($place) AS place, "
    "false AS everything, unnest($id) AS id, unnest($x)::DOUBLE AS x, unnest($y)::DOUBLE AS y"
)


def curves_of(
    points: Mapping[str, Sequence[tuple[float, float]]], *, delta: float, draws: int
) -> dict[str, Curve]:
    """Curve of each group of (sparsity, score) points, in the order given.

    Args:
        points: group -> its points; both numbers finite.
        delta: loss of score that still counts as none, at least 0.
        draws: simulated straight lines, and draws of the bootstrap, a group.
    """
    with open_stores([]) as reader:
        return _curves(reader, points, delta=delta, draws=draws)


def _curves(
    reader: Reader,
    points: Mapping[str, Sequence[tuple[float, float]]],
    *,
    delta: float,
    draws: int,
) -> dict[str, Curve]:
    flat = [(place, pair) for place, pairs in points.items() for pair in pairs]
    rows = {}
    if flat:
        columns = {
            "place": [place for place, _ in flat],
            "id": [f"{number:08d}" for number in range(len(flat))],
            "x": [x for _, (x, _) in flat],
            "y": [y for _, (_, y) in flat],
        }
        reader.trusted(_PLACED, columns)
        rows = {row["group"]: row for row in fitted(reader, delta=delta, draws=draws)}
    return {place: curve_of(rows.get(place), delta=delta) for place in points}
