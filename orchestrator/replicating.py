"""Which cells need another seed: those whose interval still crosses the decision.

Two decisions: on which side of a line a cell's mean score lies, and which cell of a group is first.
Knows nothing of how a cell is run, nor of what its values mean.

Errors, for normal scores of any spread (see `sequential`): a cell is put on the wrong side with
probability at most 1 − `until`; the best cell of a group is passed over with at most 1 − `until`,
by Bonferroni's inequality over the others that it could lose to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from orchestrator.sequential import interval

__all__ = ["Decision", "Replicated", "decide", "further"]

FIRST = 2
"""Seeds at the first look; a spread needs two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicated:
    """One cell with all its seeds.

    Attributes:
        key: names the cell.
        scores: seed -> score of each completed trial, in the order in which seeds are asked for.
        asked: seeds asked for, ended or not.
        open: how many of them have not ended.
        line: what its mean is compared with, None for nothing.
        group: cells of one group are ranked, None for none.
    """

    key: str
    scores: Mapping[int, float] = field(default_factory=dict)
    asked: int = 0
    open: int = 0
    line: float | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What the seeds of a cell say so far.

    Attributes:
        interval: of its mean score, as wide as looking at it again and again makes it; None for
            fewer than two seeds.
        side: of its line; `open` where the interval crosses it, None where it has no line.
        rank: `first`, `behind` (another cell of the group is better), `open`, None without group.
    """

    interval: tuple[float, float] | None
    side: Literal["above", "below", "open"] | None
    rank: Literal["first", "behind", "open"] | None

    @property
    def settled(self) -> bool:
        """Whether nothing is open."""
        return "open" not in (self.side, self.rank)


def decide(cells: Sequence[Replicated], *, most: int, until: float) -> dict[str, Decision]:
    """Key -> decision. `most` is the largest number of seeds a cell may get."""
    ranks: dict[str, Literal["first", "behind", "open"]] = {}
    groups: dict[str, list[Replicated]] = {}
    for cell in cells:
        if cell.group is not None:
            groups.setdefault(cell.group, []).append(cell)
    for members in groups.values():
        beaten = _beaten(members, most=most, until=until)
        left = len(members) - len(beaten)
        for cell in members:
            ranks[cell.key] = "behind" if cell.key in beaten else "first" if left == 1 else "open"
    found = {}
    for cell in cells:
        values = np.asarray(list(cell.scores.values()), dtype=np.float64)
        reach = interval(values, until=until, first=FIRST, most=most)
        found[cell.key] = Decision(reach, _side(cell.line, reach), ranks.get(cell.key))
    return found


def further(cells: Sequence[Replicated], *, most: int, until: float) -> list[str]:
    """The cells that get one more seed now, in their order; those still running wait."""
    found = decide(cells, most=most, until=until)
    return [
        cell.key
        for cell in cells
        if cell.open == 0 and cell.asked < most and not found[cell.key].settled
    ]


def _side(
    line: float | None, reach: tuple[float, float] | None
) -> Literal["above", "below", "open"] | None:
    if line is None:
        return None
    if reach is None or reach[0] < line <= reach[1]:
        return "open"
    return "above" if reach[0] >= line else "below"


def _beaten(members: Sequence[Replicated], *, most: int, until: float) -> set[str]:
    """The cells that some other one is better than, seed by seed.

    A cell is beaten for good, also by one that is beaten itself: each further pair would cost
    error. One of two errs, so each pair is two-sided at twice its share.
    """
    if len(members) < 2:
        return set()
    share = 2 * (1 - until) / (len(members) - 1)
    beaten = set()
    for a in members:
        for b in members:
            seeds = [seed for seed in a.scores if seed in b.scores]
            differences = np.asarray([a.scores[seed] - b.scores[seed] for seed in seeds])
            reach = interval(differences, until=max(1 - share, 0.0), first=FIRST, most=most)
            if reach is not None and reach[1] < 0:
                beaten.add(a.key)
    return beaten
