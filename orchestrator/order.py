"""Puts the cells of a sweep into the order in which they start.

Knows of a cell its grid and who is measured against it, nothing of what it trains.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

__all__ = ["Ordered", "in_order"]


class Ordered(Protocol):
    """What an order needs to know of a cell."""

    @property
    def trial_id(self) -> str:
        """Its id."""
        ...

    @property
    def grid(self) -> str:
        """The grid that asks for it."""
        ...

    @property
    def baseline_id(self) -> str | None:
        """The cell that its score is relative to."""
        ...


C = TypeVar("C", bound=Ordered)


def in_order(cells: Sequence[C], *, order: str) -> list[C]:
    """Puts cells into the order in which they start.

    `balanced` takes from all grids in step and within a grid by van der Corput's sequence, so
    that whatever prefix is finished covers the design evenly; baselines come first, since no
    score exists without them. `shuffled` is the same shuffle every time.
    """
    if order == "as_written":
        return list(cells)
    if order == "shuffled":
        shuffled = list(cells)
        random.Random(0).shuffle(shuffled)
        return shuffled
    baselines = {cell.baseline_id for cell in cells}
    grids: dict[str, list[C]] = {}
    for cell in cells:
        if cell.trial_id not in baselines:
            grids.setdefault(cell.grid, []).append(cell)
    first = [cell for cell in cells if cell.trial_id in baselines]
    return [*first, *_in_step([_spread(members) for members in grids.values()])]


def _in_step(grids: Sequence[Sequence[C]]) -> Iterator[C]:
    """Takes from all grids in proportion to their sizes: no prefix is off by a whole cell.

    The rule is Tijdeman's (The chairman assignment problem, 1980). With G grids of n_g of all N
    cells, x_g taken of each, the next cell k is of the most urgent grid, smallest
    (1 − 1/(2G−2) − s_g)/n_g, of those with s_g = k·n_g/N − x_g at least 1/(2G−2). Then always
    |k·n_g/N − x_g| ≤ 1 − 1/(2G−2). All is multiplied by N·(2G−2) and the
    least common multiple of all n_g, so it is exact.
    """
    if len(grids) == 1:
        yield from grids[0]
        return
    total, unit = sum(map(len, grids)), max(1, 2 * len(grids) - 2)
    weights = [math.lcm(*map(len, grids)) // len(grid) for grid in grids]
    taken = [0] * len(grids)
    for k in range(1, total + 1):
        due = [unit * (k * len(grid) - total * x) for grid, x in zip(grids, taken, strict=True)]
        ready = [g for g in range(len(grids)) if due[g] >= total and taken[g] < len(grids[g])]
        chosen = min(ready, key=lambda g: (total * (unit - 1) - due[g]) * weights[g])
        yield grids[chosen][taken[chosen]]
        taken[chosen] += 1


def _spread(members: Sequence[C]) -> list[C]:
    """Orders the cells of one grid so that any prefix lies all over it."""
    return [members[i] for i in sorted(range(len(members)), key=_van_der_corput)]


def _van_der_corput(index: int) -> float:
    """The index' binary digits mirrored at the point: 0, 1/2, 1/4, 3/4, 1/8 …"""
    value, share = 0.0, 0.5
    while index:
        value += share * (index & 1)
        index >>= 1
        share /= 2
    return value
