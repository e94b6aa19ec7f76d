"""Points of a space through Optuna's samplers, and the settings of all methods that draw them.

Must never keep anything between two questions that is more than a cache: each is answered from the
history and the settings alone.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import Field

from orchestrator.region import Choice, Dimension, Range, Region
from orchestrator.search import Answer, Method, Question, Space

__all__ = [
    "MISSES",
    "Drawing",
    "distribution",
    "drawn",
    "key_of",
    "labels",
    "new_study",
    "per_seed",
    "quiet",
    "seed_of",
    "suggested",
    "unasked",
    "whole",
]

_REGION: Final = "grid"
"""The parameter that chooses among several regions; also how `enqueue` names one."""

_BEGUN: Final = 2**20
"""Sets the draws of `enqueue` apart from all others."""

MISSES: Final = 200
"""Draws in a row that are known already, left out or refused, after which a space is used up."""

optuna.logging.set_verbosity(optuna.logging.ERROR)


class Drawing(Method):
    """The settings of a method that draws points by Optuna."""

    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="of all draws")
    enqueue: list[dict[str, Any]] = Field(
        default_factory=list, description="axis -> value: points, or parts of some, to begin with"
    )

    def begun(self, space: Space) -> list[tuple[str, dict[str, Any]]]:
        """The points to begin with, (region, values); what they leave open is drawn at random.

        One that is no valid workload is passed over.

        Raises:
            ValueError: one lies nowhere in the space; "rule, got value. way out."
        """
        found = []
        for number, given in enumerate(self.enqueue):
            trial = new_study(space, seed=seed_of(self.seed, number, _BEGUN)).ask()
            try:
                grid, values = drawn(trial, space, given=given)
            except ValueError as error:
                raise ValueError(f"enqueue[{number}]: {error}") from None
            lost = [name for name in given if name not in values and name != _REGION]
            if lost:
                raise ValueError(
                    f"enqueue[{number}]: a point's axes exist under its other values, got"
                    f" {lost[0]!r}. Leave it out, or add what it exists under."
                )
            if not space.refused(grid, values):
                found.append((grid, values))
        return found


def new_study(space: Space, *, seed: int) -> optuna.Study:
    """An empty study, in memory, that draws at random."""
    up, down = optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE
    ways = [up if goal.maximize else down for goal in space.goals]
    return optuna.create_study(directions=ways, sampler=optuna.samplers.RandomSampler(seed=seed))


@contextmanager
def quiet() -> Iterator[None]:
    """Lets Optuna not say that a part of it is new."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def seed_of(*numbers: int) -> int:
    """A seed of its own for each question: numpy's SeedSequence over some whole numbers."""
    return int(np.random.SeedSequence(list(numbers)).generate_state(1)[0])


def key_of(grid: str, values: Mapping[str, Any]) -> str:
    """One text for a point, the same for equal ones."""
    return json.dumps([grid, values], sort_keys=True)


def per_seed(grid: str, values: Mapping[str, Any], space: Space) -> list[Question]:
    """The questions of one point: one a seed."""
    return [Question(grid=grid, values=values, seed=seed) for seed in space.seeds]


def unasked(
    questions: Sequence[Question], history: Sequence[Answer], space: Space
) -> list[Question]:
    """The questions that no trial of the history answers or will answer."""
    replicated = space.seeds != (None,)
    known = {(key_of(a.grid, a.values), a.seed if replicated else None) for a in history}
    return [q for q in questions if (key_of(q.grid, q.values), q.seed) not in known]


def labels(region: Region, space: Space) -> dict[str, Dimension]:
    """Optuna's name of each dimension that leaves a choice -> the dimension."""
    front = f"{region.name}/" if len(space.regions) > 1 else ""
    return {f"{front}{d.label}": d for d in region.dimensions if _is_open(d)}


def _is_open(dimension: Dimension) -> bool:
    if isinstance(dimension, Choice):
        return len(dimension.options) > 1
    return dimension.high > dimension.low


def distribution(dimension: Dimension) -> BaseDistribution:
    """What Optuna draws for a dimension; of a choice the number of the option."""
    if isinstance(dimension, Range):
        if dimension.whole:
            low, high = int(dimension.low), int(dimension.high)
            return IntDistribution(low, high, log=dimension.log)
        return FloatDistribution(dimension.low, dimension.high, log=dimension.log)
    if dimension.ordered:
        return IntDistribution(0, len(dimension.options) - 1)
    return CategoricalDistribution(list(range(len(dimension.options))))


def _suggest(trial: optuna.Trial, label: str, dimension: Dimension) -> float:
    found = distribution(dimension)
    if isinstance(found, FloatDistribution):
        return trial.suggest_float(label, found.low, found.high, log=found.log)
    if isinstance(found, IntDistribution):
        return trial.suggest_int(label, found.low, found.high, log=found.log)
    assert isinstance(found, CategoricalDistribution)
    return int(trial.suggest_categorical(label, found.choices))  # type: ignore[arg-type]


def drawn(
    trial: optuna.Trial, space: Space, *, given: Mapping[str, Any] | None = None
) -> tuple[str, dict[str, Any]]:
    """A point: the name of its region, and its values.

    Args:
        trial: of a study, which suggests one dimension after the other.
        space: where it lies.
        given: values that are not drawn.

    Raises:
        ValueError: a value given lies nowhere in the space.
    """
    fixed = given or {}
    region = _region(trial, space, fixed)
    named = {id(dimension): label for label, dimension in labels(region, space).items()}
    values: dict[str, Any] = {}
    for dimension in region.dimensions:
        if not region.exists(dimension, values):
            continue
        label = named.get(id(dimension))
        if any(name in fixed for name in dimension.names):
            values |= _given(dimension, fixed)
        elif label is None:
            values |= _values(dimension, 0)
        else:
            values |= _values(dimension, _suggest(trial, label, dimension))
    return region.name, region.kept(values)


def _region(trial: optuna.Trial, space: Space, fixed: Mapping[str, Any]) -> Region:
    """The region that a point lies in: the one that the values given need, else a drawn one."""
    asked = {name for name in fixed if name != _REGION}
    fitting = [
        region
        for region in space.regions
        if fixed.get(_REGION, region.name) == region.name
        and asked <= {name for d in region.dimensions for name in d.names}
    ]
    if not fitting:
        names = sorted({n for r in space.regions for d in r.dimensions for n in d.names})
        raise ValueError(
            f"a point's names are axes of one grid, got {sorted(fixed)}."
            f" Axes: {', '.join(names) or 'none'}."
        )
    if len(space.regions) == 1 or fixed:
        return fitting[0]
    names = [region.name for region in space.regions]
    return space.region(str(trial.suggest_categorical(_REGION, names)))


def _given(dimension: Dimension, fixed: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(dimension, Range):
        value = fixed[dimension.name]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and dimension.low <= value <= dimension.high:
            return {dimension.name: dimension.rounded(value)}
        raise ValueError(
            f"{dimension.name} lies from {dimension.low} to {dimension.high}, got {value!r}."
            " Change it."
        )
    for option in dimension.options:
        found = dict(zip(dimension.names, option, strict=True))
        if all(fixed.get(name, value) == value for name, value in found.items()):
            return found
    told = {name: fixed[name] for name in dimension.names if name in fixed}
    raise ValueError(f"{dimension.label} has one of its own values, got {told!r}. Choose one.")


def _values(dimension: Dimension, value: float) -> dict[str, Any]:
    if isinstance(dimension, Range):
        single = dimension.low == dimension.high
        return {dimension.name: dimension.rounded(dimension.low if single else value)}
    return dict(zip(dimension.names, dimension.options[int(value)], strict=True))


def suggested(
    space: Space, grid: str, values: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
    """What Optuna would have suggested for a point: its parameters and their distributions."""
    region = space.region(grid)
    parameters: dict[str, Any] = {}
    distributions: dict[str, BaseDistribution] = {}
    if len(space.regions) > 1:
        parameters[_REGION] = grid
        distributions[_REGION] = CategoricalDistribution([r.name for r in space.regions])
    for label, dimension in labels(region, space).items():
        if all(name not in values for name in dimension.names):
            continue
        distributions[label] = distribution(dimension)
        if isinstance(dimension, Range):
            parameters[label] = values[dimension.name]
        else:
            parameters[label] = _number_of(dimension, values)
    return parameters, distributions


def whole(space: Space) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
    """Parameters of every dimension of every region, and their distributions."""
    distributions: dict[str, BaseDistribution] = {}
    if len(space.regions) > 1:
        distributions[_REGION] = CategoricalDistribution([r.name for r in space.regions])
    for region in space.regions:
        distributions |= {n: distribution(d) for n, d in labels(region, space).items()}
    return {name: _some(found) for name, found in distributions.items()}, distributions


def _some(found: BaseDistribution) -> Any:  # noqa: ANN401
    if isinstance(found, CategoricalDistribution):
        return found.choices[0]
    assert isinstance(found, FloatDistribution | IntDistribution)
    return found.low


def _number_of(dimension: Choice, values: Mapping[str, Any]) -> int:
    """The option that a point took, by those of its axes that exist."""
    given = [values.get(name, ...) for name in dimension.names]
    return next(
        number
        for number, option in enumerate(dimension.options)
        if all(value is ... or value == part for value, part in zip(given, option, strict=True))
    )
