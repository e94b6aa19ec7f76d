"""Which levels to measure next so that what is known of the break narrows most.

A pure function of what is known; it never learns how a cell is run, nor what its values mean.

The worth of a level is the expected reduction of the break's variance (linear Bayes): over curves
drawn from the posterior, covariance(break, score there)² / (variance(score there) + noise²), which
counts what is not known of the line, the fall and its shape. Several at once are chosen one after
the other, each as if those before it were answered; cells that still run count as answered too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from orchestrator.search._break_posterior import Posterior, posterior

__all__ = ["START", "Arm", "Point", "coarse_left", "likely", "next_levels"]

Floats: TypeAlias = npt.NDArray[np.float64]

START: Final = 6
"""Levels of the coarse set that comes first."""

DRAWS: Final = 600
"""Curves on which the worth of a level is computed."""

CHANCE: Final = 0.1
"""Share of the way from chance to the baseline below which a score says nothing, as in the fit."""


@dataclass(frozen=True, slots=True)
class Point:
    """One finished cell.

    Attributes:
        level: what was asked for.
        sparsity: what was measured, 0 to 1.
        score: finite.
        standing: `kept` where the fit rests on it, `floor` where the score is at chance level and
            so says only that the fall is over, `out` where it is left out for another reason.
    """

    level: float
    sparsity: float
    score: float
    standing: Literal["kept", "floor", "out"] = "kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One curve whose break is looked for.

    Attributes:
        levels: what may be asked, ascending, at least two.
        points: its finished cells.
        taken: level -> cells asked for there, also those that wait, run or failed.
        waiting: the level of each cell that has not ended.
        repeats: cells that a level can have, one for each seed.
        repeat_cost: trials that the first cell of another seed costs: its baseline is one.
    """

    levels: Sequence[float]
    points: Sequence[Point] = ()
    taken: Mapping[float, int] = field(default_factory=dict)
    waiting: Sequence[float] = ()
    repeats: int = 1
    repeat_cost: float = 2.0


def next_levels(
    arms: Sequence[Arm], *, count: int, seed: int, start: int = START
) -> list[tuple[int, float]]:
    """The next cells to ask for, as (index of the arm, level); fewer where no level is left.

    An arm first gets its coarse set, `start` levels evenly over its range; then every cell goes to
    the arm whose break's standard deviation it is expected to shrink most.

    Args:
        arms: those that are not done.
        count: cells wanted.
        seed: of the drawn curves; the same arms and seed give the same answer.
        start: levels of the coarse set, at least 4.
    """
    chosen = coarse_left(arms, start=start)
    if len(chosen) >= count:
        return chosen[:count]
    begun = Counter(index for index, _ in chosen)
    views = {
        index: _View(arm, seed=seed)
        for index, arm in enumerate(arms)
        if not begun[index] and any(point.standing == "kept" for point in arm.points)
    }
    while len(chosen) < count:
        best = max(views, key=lambda index: views[index].gain, default=None)
        if best is None or views[best].gain <= 0:
            break
        chosen.append((best, views[best].take()))
    return chosen


def likely(arm: Arm, *, width: float) -> bool:
    """Whether 95 % of what is known of the break lie within such a width."""
    kept = [point for point in arm.points if point.standing == "kept"]
    floored = [point.sparsity for point in arm.points if point.standing == "floor"]
    if not kept:
        return False
    if floored and min(floored) - max(point.sparsity for point in kept) <= width:
        return True  # The fall may lie between the two.
    low, high = _known(kept, _expected(np.asarray(arm.levels), arm.points)).interval()
    return high - low <= width


def _known(kept: Sequence[Point], sparsities: Floats) -> Posterior:
    x = np.asarray([point.sparsity for point in kept])
    y = np.asarray([point.score for point in kept])
    return posterior(x, y, start=float(sparsities.min()), end=float(sparsities.max()))


def coarse_left(arms: Sequence[Arm], *, start: int = START) -> list[tuple[int, float]]:
    """What is missing of the coarse sets, taken from all arms in step."""
    sets = [_coarse(arm.levels, start) for arm in arms]
    return [
        (index, sets[index][number])
        for number in range(start)
        for index, arm in enumerate(arms)
        if number < len(sets[index]) and not _near(arm, sets[index][number], start=start)
    ]


def _coarse(levels: Sequence[float], start: int) -> list[float]:
    """Levels evenly over the range, both ends first, then from the middle outwards by halves."""
    places = np.linspace(0, len(levels) - 1, min(start, len(levels))).round().astype(int)
    inner = list(places[1:-1])
    order = [places[0], places[-1]]
    while inner:
        order.append(inner.pop(len(inner) // 2))
    return [levels[place] for place in order]


def _near(arm: Arm, level: float, *, start: int) -> bool:
    """Whether a cell nearer than half the distance between two coarse levels was asked for."""
    taken = [place for place, known in enumerate(arm.levels) if arm.taken.get(known)]
    reach = (len(arm.levels) - 1) / (start - 1) / 2
    here = arm.levels.index(level)
    return any(place == here or abs(place - here) < reach for place in taken)


class _View:
    """What is known of one arm, and the worth of each level it may still be asked for."""

    def __init__(self, arm: Arm, *, seed: int) -> None:
        kept = [point for point in arm.points if point.standing == "kept"]
        floored = [point for point in arm.points if point.standing == "floor"]
        levels = np.asarray(arm.levels, dtype=np.float64)
        sparsities = _expected(levels, arm.points)
        known = _known(kept, sparsities)
        waiting = np.interp(arm.waiting, levels, sparsities)
        breaks, scores = known.curves(np.r_[sparsities, waiting], count=DRAWS, seed=seed)
        self._levels = levels
        self._noise = known.noise**2
        self._sure = np.ones(len(levels))
        self._cost = np.ones(len(levels))
        if floored:
            self._mind_floor(floored, sparsities, scores)
            scores = np.maximum(scores, np.mean([point.score for point in floored]))
        taken = np.asarray([arm.taken.get(level, 0) for level in arm.levels])
        self._cost[(taken > 0) & (taken >= taken.max())] = arm.repeat_cost
        self._sure[taken >= arm.repeats] = 0.0
        joint = np.column_stack([breaks, scores])
        joint = joint - joint.mean(axis=0)
        self._joint = joint.T @ joint / len(joint)
        for place in range(len(waiting)):
            self._answered(1 + len(levels) + place)

    def _mind_floor(self, floored: Sequence[Point], sparsities: Floats, scores: Floats) -> None:
        """A cell that would be at chance level tells nothing: discounts it by that chance."""
        floor = float(np.mean([point.score for point in floored]))
        above = scores[:, : len(sparsities)] > floor + CHANCE * (1 - floor)
        self._sure *= above.mean(axis=0)
        self._sure[sparsities >= min(point.sparsity for point in floored)] = 0.0

    @property
    def gain(self) -> float:
        """By how much the best level shrinks the break's standard deviation, a trial of cost."""
        worth = self._worth()
        return float(worth[worth.argmax()])

    def take(self) -> float:
        """The best level, from now on taken as answered."""
        place = int(self._worth().argmax())
        self._answered(1 + place)
        self._sure[place] = 0.0
        return float(self._levels[place])

    def _worth(self) -> Floats:
        variance = self._joint[0, 0]
        inner = slice(1, 1 + len(self._levels))
        spread = np.diag(self._joint)[inner] + self._noise
        saved = np.minimum(self._joint[0, inner] ** 2 / spread * self._sure, variance)
        return np.asarray((np.sqrt(variance) - np.sqrt(variance - saved)) / self._cost)

    def _answered(self, place: int) -> None:
        column = self._joint[:, place]
        self._joint = self._joint - np.outer(column, column) / (column[place] + self._noise)


def _expected(levels: Floats, points: Sequence[Point]) -> Floats:
    """(levels,) the sparsity expected at each: between what was measured, by straight lines."""
    measured: dict[float, list[float]] = {}
    for point in points:
        measured.setdefault(point.level, []).append(point.sparsity)
    asked = sorted(measured)
    return np.interp(levels, asked, [float(np.mean(measured[level])) for level in asked])
