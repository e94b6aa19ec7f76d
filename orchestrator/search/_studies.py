"""Searches that learn: each question is put to an Optuna sampler over a study made of the history.

Must never keep a study as the record of anything: it is made again whenever it is needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import optuna
from optuna.trial import TrialState
from pydantic import Field

from orchestrator.search import Answer, Question, Space
from orchestrator.search._draws import (
    MISSES,
    Drawing,
    drawn,
    key_of,
    new_study,
    per_seed,
    seed_of,
    suggested,
    unasked,
)
from workloads.kinds import Part

__all__ = ["Learning", "Limit", "Point", "Studied"]


class Limit(Part):
    """What a trial has to keep to, as measured: a metric's last value within bounds."""

    name: str = Field(min_length=1, description="a whole-model metric")
    min: float | None = Field(default=None, description="at least this")
    max: float | None = Field(default=None, description="at most this")


class Learning(Drawing):
    """The settings of a method that learns from answers."""

    constraints: list[Limit] = Field(
        default_factory=list, description="what the best trial has to keep to"
    )


@dataclass(frozen=True, slots=True)
class Point:
    """A point of the space with what is known of it, over all its seeds.

    Attributes:
        grid: its region.
        values: axis name -> value.
        state: `RUNNING` until every seed has ended; then `COMPLETE` with values, `PRUNED` where
            some were stopped early, `FAIL` where none gave values.
        metrics: means of the last values over the seeds that count for that state.
        step: the last step of those that were stopped.
    """

    grid: str
    values: Mapping[str, Any]
    state: TrialState
    metrics: Mapping[str, float]
    step: int = 0


class Studied:
    """Asks one point after the other."""

    def __init__(
        self,
        settings: Learning,
        space: Space,
        sampler: Callable[[int], optuna.samplers.BaseSampler],
        *,
        attributes: Callable[[Sequence[Point]], Sequence[dict[str, Any]]] | None = None,
    ) -> None:
        """Takes what asks.

        Args:
            settings: of the method.
            space: where to ask.
            sampler: makes the sampler of a question from that question's seed.
            attributes: what the sampler would have noted of each point, in their order.
        """
        self._settings = settings
        self._space = space
        self._sampler = sampler
        self._attributes = attributes or (lambda points: [{} for _ in points])
        self._first = settings.begun(space)

    def ask(self, history: Sequence[Answer]) -> Sequence[Question] | None:
        """The next point, with all its seeds; None once there are enough."""
        points = list(_points(history, self._space, self._settings.constraints))
        open_ = unasked(
            [q for p in points for q in per_seed(p.grid, p.values, self._space)],
            history,
            self._space,
        )
        if open_:
            return open_
        if len(history) + len(self._space.seeds) > self._settings.trials:
            return None
        known = {key_of(point.grid, point.values) for point in points}
        for grid, values in self._first:
            if key_of(grid, values) not in known:
                return per_seed(grid, values, self._space)
        found = self._next(points, known)
        return None if found is None else per_seed(*found, self._space)

    def _next(self, points: Sequence[Point], known: set[str]) -> tuple[str, dict[str, Any]] | None:
        """A point that nobody knows; a question that leads to a known one is asked again anew."""
        study = self._study(points)
        for tried in range(MISSES):
            study.sampler = self._sampler(seed_of(self._settings.seed, len(points), tried))
            trial = study.ask()
            grid, values = drawn(trial, self._space)
            if key_of(grid, values) not in known and self._space.allows(grid, values):
                return grid, values
            study.tell(trial, state=TrialState.FAIL)
        return None

    def _study(self, points: Sequence[Point]) -> optuna.Study:
        study = new_study(self._space, seed=0)
        notes = self._attributes(points)
        study.add_trials(
            [self._trial(point, note) for point, note in zip(points, notes, strict=True)]
        )
        return study

    def _trial(self, point: Point, note: dict[str, Any]) -> optuna.trial.FrozenTrial:
        parameters, distributions = suggested(self._space, point.grid, point.values)
        reached = [point.metrics.get(goal.name, math.nan) for goal in self._space.goals]
        told: dict[str, Any] = {}
        if point.state is TrialState.COMPLETE:
            told = {"values": reached}
        elif point.state is TrialState.PRUNED and len(reached) == 1:
            told = {"intermediate_values": {point.step: reached[0]}}
        if point.state in (TrialState.COMPLETE, TrialState.PRUNED):
            told["constraints"] = _violations(self._settings.constraints, point.metrics)
        return optuna.trial.create_trial(
            state=point.state,
            params=parameters,
            distributions=distributions,
            system_attrs=note,
            **told,
        )


def _violations(limits: Iterable[Limit], metrics: Mapping[str, float]) -> dict[str, float]:
    """How far each limit is passed; 0 or less where it is kept."""
    found = {}
    for limit in limits:
        value = metrics[limit.name]
        if limit.min is not None:
            found[f"{limit.name} min"] = limit.min - value
        if limit.max is not None:
            found[f"{limit.name} max"] = value - limit.max
    return found


def _points(history: Sequence[Answer], space: Space, limits: Sequence[Limit]) -> Iterable[Point]:
    """The points of the history, in the order in which they were planned first."""
    found: dict[str, list[Answer]] = {}
    for answer in history:
        found.setdefault(key_of(answer.grid, answer.values), []).append(answer)
    needed = [goal.name for goal in space.goals] + [limit.name for limit in limits]
    for answers in found.values():
        yield _point(answers, needed)


def _point(answers: Sequence[Answer], needed: Sequence[str]) -> Point:
    grid, values = answers[0].grid, answers[0].values
    if not all(answer.ended for answer in answers):
        return Point(grid, values, TrialState.RUNNING, {})
    told = [
        answer
        for answer in answers
        if answer.status in ("completed", "stopped")
        and all(math.isfinite(answer.metrics.get(name, math.nan)) for name in needed)
    ]
    whole = [answer for answer in told if answer.status == "completed"]
    if not told:
        return Point(grid, values, TrialState.FAIL, {})
    counted = whole or told
    means = {name: fmean(answer.metrics[name] for answer in counted) for name in needed}
    state = TrialState.COMPLETE if whole else TrialState.PRUNED
    return Point(grid, values, state, means, step=max(answer.step or 0 for answer in counted))
