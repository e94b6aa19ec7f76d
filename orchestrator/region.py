"""One grid of a sweep file as a space to search: its dimensions, and when each of them exists.

Knows names and values only: neither what they mean nor who asks for them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from orchestrator.space import assign, axis_values, lookup, matches
from orchestrator.spec import Grid
from workloads.shared import copied

__all__ = ["Choice", "Dimension", "Range", "Region", "region_of", "written_as"]

_CONTINUOUS: Final = frozenset({"min", "max", "scale"})
_MOST_READINGS: Final = 256
"""Readings of one stored workload that are tried before it counts as foreign."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some values; axes that are zipped are one choice.

    Attributes:
        names: the axes that it sets.
        options: for each option one value a name.
        ordered: whether the options are numbers that grow.
    """

    names: tuple[str, ...]
    options: tuple[tuple[Any, ...], ...]
    ordered: bool = False

    @property
    def label(self) -> str:
        """A name of its own within the region."""
        return "+".join(self.names)


@dataclass(frozen=True, slots=True)
class Range:
    """A number between two others, both included.

    Attributes:
        name: the axis that it sets.
        low: the least.
        high: the most.
        log: whether its logarithm is even.
        whole: whether it is a whole number.
    """

    name: str
    low: float
    high: float
    log: bool = False
    whole: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The axes that it sets."""
        return (self.name,)

    @property
    def label(self) -> str:
        """A name of its own within the region."""
        return self.name

    def rounded(self, value: float) -> float | int:
        """A value as it goes into the workload: six digits say enough, and stay readable."""
        if self.whole:
            return int(value)
        return float(min(max(float(f"{value:.6g}"), self.low), self.high))


Dimension = Choice | Range


@dataclass(frozen=True, slots=True)
class Region:
    """A grid of the sweep file as a space.

    Attributes:
        name: of the grid.
        dimensions: those without a condition first.
        base: the workload, with what the grid sets.
        when: axis -> condition under which it exists.
        exclude: partial cells to leave out.
    """

    name: str
    dimensions: tuple[Dimension, ...]
    base: Mapping[str, Any] = field(default_factory=dict)
    when: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    exclude: Sequence[Mapping[str, Any]] = ()

    def workload(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The workload of a point, whole parts assigned before what lies within them.

        Raises:
            ValueError: a name leads into something that is no mapping.
        """
        workload = copied(dict(self.base))
        free = [name for name in values if name not in self.when]
        bound = [name for name in values if name in self.when]
        for name in [*sorted(free, key=lambda name: name.count(".")), *bound]:
            assign(workload, name, values[name])
        return workload

    def exists(self, dimension: Dimension, values: Mapping[str, Any]) -> bool:
        """Whether a dimension is there once some values are chosen."""
        conditions = [self.when[name] for name in dimension.names if name in self.when]
        if len(conditions) < len(dimension.names):
            return True
        workload = self.workload(values)
        return any(matches(workload, condition) for condition in conditions)

    def kept(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values without those of axes whose own condition is not met."""
        kept = {name: value for name, value in values.items() if name not in self.when}
        for name, value in values.items():
            if name in self.when and matches(self.workload(kept), self.when[name]):
                kept[name] = value
        return kept

    def allows(self, values: Mapping[str, Any]) -> bool:
        """Whether a point is not left out."""
        if not self.exclude:
            return True
        workload = self.workload(values)
        return not any(matches(workload, partial) for partial in self.exclude)

    def readings(self, config: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The points that a canonical workload may have come from, the likeliest first.

        Whoever asks makes the workload of each and compares: what is read here are only the
        values of axes, not what lies beside them.
        """
        for values in itertools.islice(self._read({}, 0, config), _MOST_READINGS):
            yield self.kept(values)

    def _read(
        self, values: dict[str, Any], place: int, config: Mapping[str, Any]
    ) -> Iterator[dict[str, Any]]:
        if place == len(self.dimensions):
            yield values
            return
        dimension = self.dimensions[place]
        if not self.exists(dimension, values):
            yield from self._read(values, place + 1, config)
            return
        for found in _values_in(dimension, config):
            yield from self._read({**values, **found}, place + 1, config)


def _values_in(dimension: Dimension, config: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What a dimension may have given to a workload."""
    if isinstance(dimension, Range):
        value = lookup(config, dimension.name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and dimension.low <= value <= dimension.high:  # type: ignore[operator]
            yield {dimension.name: value}
        return
    for option in dimension.options:
        found = dict(zip(dimension.names, option, strict=True))
        if all(written_as(lookup(config, name), value) for name, value in found.items()):
            yield found


def written_as(value: object, written: object) -> bool:
    """Whether a canonical value may have been written so: with defaults left out, a bare kind."""
    if isinstance(written, str) and isinstance(value, Mapping):
        return value.get("kind") == written
    if isinstance(written, Mapping):
        return isinstance(value, Mapping) and all(
            written_as(value.get(key), part) for key, part in written.items()
        )
    if isinstance(written, list | tuple) and isinstance(value, list | tuple):
        same = len(value) == len(written)
        return same and all(map(written_as, value, written))
    return value == written and isinstance(value, bool) == isinstance(written, bool)


def region_of(grid: Grid, *, workload: Mapping[str, Any]) -> Region:
    """Reads a grid as a space.

    Args:
        grid: of the sweep file.
        workload: the base that it changes.

    Raises:
        KeyError: an axis cannot be read; its arguments are the axis and the sentence.
        ValueError: what the grid sets leads into something that is no mapping.
    """
    base = copied(dict(workload))
    for name, value in sorted(grid.set.items(), key=lambda item: item[0].count(".")):
        assign(base, name, value)
    dimensions = _dimensions(grid)
    free = [d for d in dimensions if not set(d.names) <= set(grid.when)]
    bound = [d for d in dimensions if set(d.names) <= set(grid.when)]
    return Region(grid.name, (*free, *bound), base, grid.when, tuple(grid.exclude))


def _dimensions(grid: Grid) -> list[Dimension]:
    group_of = {name: tuple(group) for group in grid.zip for name in group}
    columns: dict[tuple[str, ...], dict[str, list[Any]]] = {}
    found: dict[tuple[str, ...], Dimension] = {}
    for name, given in grid.parameters.items():
        key = group_of.get(name, (name,))
        try:
            if is_continuous(given):
                found[key] = _range(name, given, zipped=len(key) > 1)
            else:
                columns.setdefault(key, {})[name] = axis_values(given)[0]
                found.setdefault(key, Choice((), ()))
        except ValueError as error:
            raise KeyError(name, str(error)) from None
    for key, values in columns.items():
        options = tuple(zip(*values.values(), strict=True))
        found[key] = Choice(tuple(values), options, ordered=_grow([o[0] for o in options]))
    return list(found.values())


def is_continuous(given: object) -> bool:
    """Whether an axis is a range that only a search can walk: no step or count, or a log step."""
    if not isinstance(given, Mapping) or "min" not in given:
        return False
    whole = set(given) == _CONTINUOUS | {"step"} and given["scale"] == "log"
    return set(given) <= _CONTINUOUS or whole


def _range(name: str, given: Mapping[str, Any], *, zipped: bool) -> Range:
    if zipped:
        raise ValueError(f"zipped axes are lists, got the range {dict(given)!r}. Add a count.")
    whole = "step" in given
    if whole and given["step"] != 1:
        raise ValueError(f"a log range has step 1 or none, got {given['step']!r}. Write step: 1.")
    # What is wrong with the limits is told as for a range with a count.
    low, high = axis_values({k: v for k, v in given.items() if k != "step"} | {"count": 2})[0]
    if whole and not (isinstance(given["min"], int) and isinstance(given["max"], int)):
        raise ValueError(f"step: 1 goes from one whole number to another, got {dict(given)!r}.")
    return Range(name, low, high, log=given.get("scale") == "log", whole=whole)


def _grow(values: Sequence[Any]) -> bool:
    """Whether values are numbers, each larger than the one before."""
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    return numbers and len(values) > 1 and all(a < b for a, b in itertools.pairwise(values))
