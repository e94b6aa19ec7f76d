"""Asks where the break of a score is expected to narrow most, until its interval is narrow enough.

Knows nothing of training; every answer comes from the history, each interval from the fit itself.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from pydantic import Field

from orchestrator.region import Choice, Dimension, Region
from orchestrator.search import Answer, Method, Question, Space
from orchestrator.search._break_design import START, Arm, Point, coarse_left, likely, next_levels

__all__ = ["Config"]

AXES: Final = ("share", "quantile", "clip")
"""Last names of the axes that set sparsity."""

RESOLUTION: Final = 200
"""Levels of an axis that is given by its ends alone."""

DRAWS: Final = 500
"""Draws behind each interval that may end the search; the final fit has more."""

CONFIRMING: Final = 4
"""Cells by which a narrow interval has to be confirmed before a search ends: looked at after every
cell, an interval is also narrow by luck, and then too often in the wrong place."""

MOST_ARMS: Final = 64


class Config(Method):
    """The method `cliff`."""

    reads_cliff: ClassVar[bool] = True

    trials: int = Field(
        default=20, ge=8, le=100_000, description="most trials to ask for, baselines not counted"
    )
    target_width: float = Field(
        default=0.02,
        gt=0,
        le=1,
        description="a curve is done once its break's 95 % interval is at most this wide, and was"
        " four cells before, in units of sparsity",
    )
    axis: str | None = Field(
        default=None,
        description="dotted name of the axis that sets sparsity; null: the one whose last name is"
        " share, quantile or clip",
    )
    start: int = Field(
        default=START, ge=4, le=100, description="levels of each curve that come first, evenly"
    )
    seed: int = Field(default=0, ge=0, description="of the curves drawn to weigh levels")

    def build(self, space: Space) -> Cliff:
        """One curve for each point of the axes beside that of sparsity.

        Raises:
            ValueError: a grid has no such axis or several, or another one that is no list.
        """
        curves = [curve for region in space.regions for curve in self._curves(region, space)]
        if not 1 <= len(curves) <= MOST_ARMS:
            raise ValueError(
                f"a search for the break follows 1 to {MOST_ARMS} curves, got {len(curves)}."
                " Shorten the other axes."
            )
        return Cliff(self, space, curves)

    def _curves(self, region: Region, space: Space) -> Iterator[_Curve]:
        dimension, name = self._sparsity(region)
        others = [other for other in region.dimensions if other is not dimension]
        columns = []
        for other in others:
            if not isinstance(other, Choice):
                raise ValueError(
                    f"beside the axis of sparsity there are lists only, got the range {other.label}"
                    f" in grid {region.name}. Give it a count."
                )
            columns.append(
                [dict(zip(other.names, option, strict=True)) for option in other.options]
            )
        for chosen in itertools.product(*columns):
            fixed = {key: value for part in chosen for key, value in part.items()}
            points = (region.kept({**fixed, **option}) for option in _options(dimension))
            levels = {
                float(point[name]): point for point in points if space.allows(region.name, point)
            }
            if len(levels) > 1:
                yield _Curve(region.name, name, dict(sorted(levels.items())))

    def _sparsity(self, region: Region) -> tuple[Dimension, str]:
        """The dimension of sparsity, and its axis."""
        found = [
            (dimension, name)
            for dimension in region.dimensions
            for name in dimension.names
            if (name == self.axis if self.axis else name.rpartition(".")[2] in AXES)
        ]
        if len(found) != 1:
            wanted = self.axis or " or ".join(f"*.{name}" for name in AXES)
            known = ", ".join(name for d in region.dimensions for name in d.names) or "none"
            raise ValueError(
                f"grid {region.name} has one axis of sparsity ({wanted}), got {len(found)} of its"
                f" axes {known}. Name it with search.axis."
            )
        dimension, name = found[0]
        if isinstance(dimension, Choice) and not _numbers(dimension, name):
            raise ValueError(
                f"{name} in grid {region.name} has at least two numbers that differ, got"
                f" {[option[dimension.names.index(name)] for option in dimension.options]!r}."
                " Write a range."
            )
        return dimension, name


@dataclass(frozen=True, slots=True)
class _Curve:
    """One curve: the values of each of its levels."""

    grid: str
    axis: str
    levels: Mapping[float, Mapping[str, Any]]

    def holds(self, answer: Answer) -> bool:
        """Whether a trial is one of its cells."""
        if answer.grid != self.grid or self.axis not in answer.values:
            return False
        level = float(answer.values[self.axis])
        if level in self.levels:
            return dict(self.levels[level]) == dict(answer.values)
        some = next(iter(self.levels.values()))
        return all(answer.values.get(key) == some[key] for key in some if key != self.axis)


class Cliff:
    """The search over some curves."""

    def __init__(self, settings: Config, space: Space, curves: Sequence[_Curve]) -> None:
        """Takes what to search; nothing of it changes."""
        self._settings = settings
        self._space = space
        self._curves = curves
        self._widths: dict[tuple[tuple[Point, ...], bool], float | None] = {}

    def ask(self, history: Sequence[Answer]) -> Sequence[Question] | None:
        """The coarse set at once, then one cell at a time."""
        left = self._settings.trials - len(history)
        own = [[answer for answer in history if curve.holds(answer)] for curve in self._curves]
        arms = [self._arm(*pair) for pair in zip(self._curves, own, strict=True)]
        going = [index for index, arm in enumerate(arms) if not self._done(arm)]
        if left <= 0 or not going:
            return None
        asked = [arms[index] for index in going]
        coarse = coarse_left(asked, start=self._settings.start)
        chosen = coarse[:left] or next_levels(
            asked,
            count=1,
            seed=self._settings.seed * 100_003 + len(history),
            start=self._settings.start,
        )
        used = Counter[tuple[int, float]]()
        questions = []
        for place, level in chosen:
            index = going[place]
            taken = arms[index].taken.get(level, 0) + used[index, level]
            used[index, level] += 1
            questions.append(self._question(self._curves[index], own[index], level, taken))
        if not questions and all(answer.ended for answer in history):
            return None
        return questions

    def _question(
        self, curve: _Curve, answers: Sequence[Answer], level: float, taken: int
    ) -> Question:
        seeds = {answer.seed for answer in answers if answer.values[curve.axis] == level}
        free = [seed for seed in self._space.seeds if seed not in seeds]
        at = min(taken, len(self._space.seeds) - 1)
        seed = free[0] if seeds and free else self._space.seeds[at]
        return Question(grid=curve.grid, values=curve.levels[level], seed=seed)

    def _arm(self, curve: _Curve, answers: Sequence[Answer]) -> Arm:
        levels = [(float(answer.values[curve.axis]), answer) for answer in answers]
        return Arm(
            levels=tuple(curve.levels),
            points=tuple(point for level, answer in levels for point in _points(level, answer)),
            taken=Counter(level for level, _ in levels),
            waiting=tuple(level for level, answer in levels if not answer.ended),
            repeats=len(self._space.seeds),
        )

    def _done(self, arm: Arm) -> bool:
        """Whether the interval of the fit is narrow enough, and was without the last cells.

        At the earlier look that is the usual interval; the one to be reported pays for both looks.
        """
        if not likely(arm, width=2 * self._settings.target_width):
            return False  # A fit takes half a second; its interval is hardly ever the narrower.
        before = tuple(arm.points[: max(len(arm.points) - CONFIRMING, 0)])
        return self._narrow(before, adaptive=False) and self._narrow(arm.points, adaptive=True)

    def _narrow(self, points: Sequence[Point], *, adaptive: bool) -> bool:
        known = (tuple(points), adaptive)
        if known not in self._widths:
            self._widths[known] = _width(points, delta=self._space.delta, adaptive=adaptive)
        width = self._widths[known]
        return width is not None and width <= self._settings.target_width + 1e-9


def _points(level: float, answer: Answer) -> Iterator[Point]:
    """What a trial says, if it ended with numbers."""
    sparsity, score = answer.metrics.get("sparsity"), answer.score
    if not answer.ended or sparsity is None or score is None:
        return
    if math.isfinite(sparsity) and math.isfinite(score):
        if answer.left_out is None:
            yield Point(level, sparsity, score)
        elif answer.left_out == "at the floor":
            yield Point(level, sparsity, score, "floor")
        else:
            yield Point(level, sparsity, score, "out")


def _width(points: Sequence[Point], *, delta: float, adaptive: bool) -> float | None:
    """Width of the break's interval as the verb `cliff` gives it, None where it claims no break."""
    from results.cliff_points import curve_and_floor

    kept = [(point.sparsity, point.score) for point in points if point.standing == "kept"]
    floor = [(point.sparsity, point.score) for point in points if point.standing == "floor"]
    curve = curve_and_floor(kept, floor, delta=delta, draws=DRAWS, adaptive=adaptive)
    interval = curve.interval
    return None if interval is None else interval[1] - interval[0]


def _options(dimension: Dimension) -> Iterator[dict[str, Any]]:
    """The values that a dimension may give."""
    if isinstance(dimension, Choice):
        for option in dimension.options:
            yield dict(zip(dimension.names, option, strict=True))
        return
    low, high = dimension.low, dimension.high
    for number in range(RESOLUTION):
        part = number / (RESOLUTION - 1)
        value = low * (high / low) ** part if dimension.log else low + part * (high - low)
        yield {dimension.name: dimension.rounded(value)}


def _numbers(dimension: Choice, name: str) -> bool:
    place = dimension.names.index(name)
    values = [option[place] for option in dimension.options]
    right = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    return right and len(set(values)) == len(values) > 1
