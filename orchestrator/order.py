"""Puts the cells of a sweep into the order in which they start.

Knows of a cell its grid and who is measured against it, nothing of what it trains.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
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

    `balanced` takes from every grid in step and within a grid by van der Corput's sequence, so
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
    members: dict[str, list[int]] = {}
    for index, cell in enumerate(cells):
        members.setdefault(cell.grid, []).append(index)
    keys: dict[int, tuple[bool, float, int]] = {}
    for indices in members.values():
        ranked = sorted(range(len(indices)), key=_van_der_corput)
        for rank, position in enumerate(ranked):
            index = indices[position]
            first = cells[index].trial_id in baselines
            keys[index] = (not first, (rank + 0.5) / len(indices), index)
    return [cells[index] for index in sorted(keys, key=keys.__getitem__)]


def _van_der_corput(index: int) -> float:
    """The index' binary digits mirrored at the point: 0, 1/2, 1/4, 3/4, 1/8 …"""
    value, share = 0.0, 0.5
    while index:
        value += share * (index & 1)
        index >>= 1
        share /= 2
    return value
