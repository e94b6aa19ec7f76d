"""Asks for every cell of the grids and, where a decision is still open, for more seeds of it.

Knows nothing of how a cell is run; which cells need another seed is decided in `replicating`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

from pydantic import Field

from orchestrator.region import Choice, Region
from orchestrator.replicating import Decision, Replicated, decide, further
from orchestrator.search import Answer, Method, Question, Space

__all__ = ["Config", "Replicating", "points_of", "seeds_of"]

RANKED: Final = "activation"
"""The axis whose values are ranked: of cells that differ in nothing else one is first."""


class Config(Method):
    """Adaptive replicates; made of `replicates.adaptive`, never named as a method."""

    free_seeds: ClassVar[bool] = True

    most: int = Field(default=8, ge=3, description="most seeds of a cell")
    until: float = Field(default=0.95, ge=0.5, lt=1, description="probability of no wrong decision")

    def build(self, space: Space) -> Replicating:
        """Every point of the grids, first with the seeds of the file.

        Raises:
            ValueError: an axis is no list, or is the seed itself.
        """
        return Replicating(self, space)


class Replicating:
    """The dialogue over all cells of the grids."""

    def __init__(self, settings: Config, space: Space) -> None:
        """Lists the points.

        Raises:
            ValueError: an axis is no list, or is the seed itself.
        """
        self._settings = settings
        self._space = space
        self._points = {
            _key(region.name, values): (region.name, values)
            for region in space.regions
            for values in points_of(region)
        }
        self._seeds = seeds_of(space, most=settings.most)

    def ask(self, history: Sequence[Answer]) -> Sequence[Question] | None:
        """All cells with the file's seeds; then a seed more for each cell that is undecided."""
        found = self.answers(history)
        first = [
            Question(grid=grid, values=values, seed=seed)
            for seed in self._space.seeds
            for key, (grid, values) in self._points.items()
            if all(answer.seed != seed for answer in found[key])
        ]
        if first:
            return first
        keys = further(self.cells(found), most=self._settings.most, until=self._settings.until)
        more = [self._next(key, found[key]) for key in keys]
        if not more and all(answer.ended for answer in history):
            return None
        return more

    def answers(self, history: Sequence[Answer]) -> dict[str, list[Answer]]:
        """The trials of each point, by its key; none of points that no trial was asked for."""
        found: dict[str, list[Answer]] = {key: [] for key in self._points}
        for answer in history:
            found.get(_key(answer.grid, answer.values), []).append(answer)
        return found

    def cells(self, answers: Mapping[str, Sequence[Answer]]) -> list[Replicated]:
        """What is known of each point, in their order."""
        return [self._cell(key, some) for key, some in answers.items()]

    def decided(self, cells: Sequence[Replicated]) -> dict[str, Decision]:
        """Key -> what its seeds say so far."""
        return decide(cells, most=self._settings.most, until=self._settings.until)

    def _next(self, key: str, answers: Sequence[Answer]) -> Question:
        asked = {answer.seed for answer in answers}
        grid, values = self._points[key]
        seed = next(seed for seed in self._seeds if seed not in asked)
        return Question(grid=grid, values=values, seed=seed)

    def _cell(self, key: str, answers: Sequence[Answer]) -> Replicated:
        known = {answer.seed: answer for answer in answers}
        ordered = [known[seed] for seed in self._seeds if seed in known]
        rules = {answer.score_rule for answer in ordered if answer.score_rule is not None}
        return Replicated(
            key=key,
            scores={
                answer.seed: answer.score
                for answer in ordered
                if answer.status == "completed"
                and answer.score is not None
                and answer.seed is not None
            },
            asked=len(ordered),
            open=sum(not answer.ended for answer in ordered),
            line=_line(rules.pop() if rules else None, self._space.delta),
            group=_group(*self._points[key]),
        )


def points_of(region: Region) -> Iterator[dict[str, Any]]:
    """Every point of a region, each once.

    Raises:
        ValueError: an axis is no list, or is the seed itself.
    """
    columns = []
    for dimension in region.dimensions:
        if not isinstance(dimension, Choice) or "seed" in dimension.names:
            raise ValueError(
                "cells with adaptive replicates have lists for axes and no axis seed, got"
                f" {dimension.label} in grid {region.name}. Give it a count, or drop adaptive."
            )
        columns.append([dict(zip(dimension.names, o, strict=True)) for o in dimension.options])
    seen = set()
    for chosen in itertools.product(*columns):
        values = region.kept({name: value for part in chosen for name, value in part.items()})
        if region.allows(values) and (key := _key(region.name, values)) not in seen:
            seen.add(key)
            yield values


def seeds_of(space: Space, *, most: int) -> list[int]:
    """The seeds of the file, then the whole numbers that follow the largest of them."""
    given = [seed for seed in space.seeds if seed is not None]
    start = max(given, default=-1) + 1
    return [*given, *range(start, start + max(most - len(given), 0))]


def _key(grid: str, values: Mapping[str, Any]) -> str:
    return f"{grid} {sorted((name, repr(value)) for name, value in values.items())}"


def _group(grid: str, values: Mapping[str, Any]) -> str | None:
    """Cells that differ in their activation alone."""
    if RANKED not in values:
        return None
    return _key(grid, {name: value for name, value in values.items() if name != RANKED})


def _line(rule: str | None, delta: float) -> float | None:
    """The score that is `delta` below the baseline's own."""
    if rule is None:
        return None
    return (0.0 if rule == "difference" else 1.0) - delta
