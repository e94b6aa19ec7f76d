"""Turns one grid of a sweep file into the assignments of its cells, lazily and in file order.

Knows names and values only: what a name means is decided by the workload that gets it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from workloads.shared import copied

__all__ = ["Assignment", "Axis", "assign", "axis_values", "cells_of", "lookup", "matches"]

_RANGE_KEYS = frozenset({"min", "max", "step", "count", "scale"})
MAX_COUNT = 1_000_000
"""Most values of one range."""
MAX_POINTS = 200_000
"""Most points of one grid's product; each takes about half a millisecond to check."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One named list of values.

    Attributes:
        name: dotted name into the workload.
        values: at least one.
        written: whether each value stands in the file, and so has a line of its own.
    """

    name: str
    values: Sequence[Any]
    written: bool = True


@dataclass(frozen=True, slots=True)
class Assignment:
    """What one cell gives to one name.

    Attributes:
        name: dotted name into the workload.
        value: what it gets.
        index: position among the axis' values, None if it comes from `set`.
        written: whether that value has a line of its own.
    """

    name: str
    value: Any
    index: int | None = None
    written: bool = True


def axis_values(value: object) -> tuple[list[Any], bool]:
    """Reads a list of values, or a range `{min, max, step | count, scale: linear | log}`.

    Returns:
        The values, and whether they stand in the file one by one.

    Raises:
        ValueError: neither, or empty.
    """
    if isinstance(value, list):
        if not value:
            raise ValueError("an axis has at least one value, got an empty list. Add values.")
        return value, True
    if isinstance(value, dict) and "min" in value and set(value) <= _RANGE_KEYS:
        return _range(value), False
    raise ValueError(
        f"an axis is a list or a range, got {value!r}."
        " Write [0.1, 0.5] or {min: 0.1, max: 0.9, count: 5}."
    )


def _range(given: Mapping[str, Any]) -> list[float | int]:
    """Computes a range in decimal, so that 0.1 steps give 0.3 and not 0.30000000000000004."""
    low, high = _limit(given, "min"), _limit(given, "max")
    if high < low:
        raise ValueError(f"max is at least min, got min {low} and max {high}. Swap them.")
    if ("step" in given) == ("count" in given):
        raise ValueError("a range has either step or count, got both or neither. Keep one.")
    scale = given.get("scale", "linear")
    if scale not in ("linear", "log"):
        raise ValueError(f"scale is linear or log, got {scale!r}. Choose one.")
    if "step" in given:
        if scale == "log":
            raise ValueError("a log range has a count, got a step. Write count: 5.")
        return _stepped(low, high, _limit(given, "step"))
    count = given["count"]
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MAX_COUNT:
        raise ValueError(
            f"count is a whole number from 1 to {MAX_COUNT}, got {count!r}. Change it."
        )
    if scale == "log":
        return _spaced_log(float(low), float(high), count)
    step = (high - low) / (count - 1) if count > 1 else Decimal(0)
    return [_number(low + i * step) for i in range(count)]


def _stepped(low: Decimal, high: Decimal, step: Decimal) -> list[float | int]:
    if step <= 0:
        raise ValueError(f"step is above 0, got {step}. Change it.")
    count = int((high - low) / step) + 1
    if count > MAX_COUNT:
        raise ValueError(f"a range has at most {MAX_COUNT} values, got {count}. Widen the step.")
    return [_number(low + i * step) for i in range(count)]


def _spaced_log(low: float, high: float, count: int) -> list[float | int]:
    if low <= 0:
        raise ValueError(f"a log range begins above 0, got {low}. Change min.")
    width = math.log(high) - math.log(low)
    inner = [
        float(f"{math.exp(math.log(low) + width * i / (count - 1)):.12g}")
        for i in range(1, count - 1)
    ]
    return [low, *inner, high][:count]


def _limit(given: Mapping[str, Any], key: str) -> Decimal:
    value = given.get(key)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and abs(value) <= 1e300):  # type: ignore[arg-type]  # NaN is no limit either
        raise ValueError(f"{key} is a number, got {value!r}. Change it.")
    return Decimal(repr(value))


def _number(value: Decimal) -> float | int:
    """An int where the range was written in whole numbers: 1 and 1.0 are not the same text."""
    exponent = value.as_tuple().exponent
    whole = isinstance(exponent, int) and exponent >= 0 and abs(value) < 2**53
    return int(value) if whole else float(f"{value:.15g}")


def cells_of(
    axes: Sequence[Axis],
    *,
    zipped: Sequence[Sequence[str]] = (),
    fixed: Mapping[str, Any] | None = None,
    when: Mapping[str, Mapping[str, Any]] | None = None,
    base: Mapping[str, Any],
) -> Iterator[tuple[dict[str, Any], tuple[Assignment, ...]]]:
    """Yields (values, assignments) of each cell of the product of the axes.

    Axes named together in `zipped` advance together. An axis with a condition exists only in
    cells that meet it; cells that then coincide are yielded once.

    Args:
        axes: in the order of the file; the last varies fastest.
        zipped: groups of axis names of equal length.
        fixed: name -> value for all cells of the grid.
        when: axis name -> {name: value or list of values}.
        base: the workload that the assignments change.
    """
    start = [Assignment(name, value) for name, value in (fixed or {}).items()]
    seen: set[tuple[tuple[str, int | None], ...]] = set()
    tracks = _tracks(axes, zipped)
    points = math.prod(len(track) for track in tracks)
    if points > MAX_POINTS:
        raise ValueError(f"a grid has at most {MAX_POINTS} points, got {points}. Narrow its axes.")
    for chosen in itertools.product(*tracks):
        picked = [choice for track in chosen for choice in track]
        values, used = _build(base, [*start, *picked], when or {})
        if when:  # Only then can two points be one cell.
            key = tuple((a.name, a.index) for a in used)
            if key in seen:
                continue
            seen.add(key)
        yield values, used


def _tracks(
    axes: Sequence[Axis], zipped: Sequence[Sequence[str]]
) -> list[list[tuple[Assignment, ...]]]:
    """One list of joint choices for each axis or group of zipped axes."""
    group_of = {name: tuple(group) for group in zipped for name in group}
    tracks: dict[tuple[str, ...], list[list[Assignment]]] = {}
    for axis in axes:
        key = group_of.get(axis.name, (axis.name,))
        choices = [Assignment(axis.name, v, i, axis.written) for i, v in enumerate(axis.values)]
        tracks.setdefault(key, []).append(choices)
    return [list(zip(*columns, strict=True)) for columns in tracks.values()]


def _build(
    base: Mapping[str, Any], picked: Sequence[Assignment], when: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Any], tuple[Assignment, ...]]:
    """Applies assignments, whole parts before what lies within them."""
    values = copied(dict(base))
    used: list[Assignment] = []
    for choice in sorted(picked, key=lambda a: a.name.count(".")):
        if choice.name not in when:
            assign(values, choice.name, choice.value)
            used.append(choice)
    for choice in picked:
        if choice.name in when and matches(values, when[choice.name]):
            assign(values, choice.name, choice.value)
            used.append(choice)
    return values, tuple(used)


def assign(values: dict[str, Any], name: str, value: object) -> None:
    """Sets a dotted name; a bare kind on the way becomes `{kind: it}`.

    Raises:
        ValueError: a part of the name is a list or a number.
    """
    *parents, last = name.split(".")
    here = values
    for part in parents:
        below = here.get(part)
        if below is None:
            below = {}
        elif isinstance(below, str):
            below = {"kind": below}
        elif not isinstance(below, dict):
            raise ValueError(f"{part!r} of {name!r} is a mapping, got {below!r}. Correct the name.")
        here[part] = below
        here = below
    here[last] = copied(value) if isinstance(value, dict | list) else value


def lookup(values: Mapping[str, Any], name: str) -> object:
    """Returns the value at a dotted name, None where there is none; a bare kind has a `kind`."""
    here: object = values
    for part in name.split("."):
        whole = {"kind": here} if isinstance(here, str) else here
        here = whole.get(part) if isinstance(whole, Mapping) else None
    return here


def matches(values: Mapping[str, Any], partial: Mapping[str, Any]) -> bool:
    """Whether every dotted name of `partial` has its value, or one of its list of values."""
    return all(_fits(lookup(values, name), wanted) for name, wanted in partial.items())


def _fits(value: object, wanted: object) -> bool:
    if isinstance(wanted, list) and not isinstance(value, list):
        return any(_fits(value, one) for one in wanted)
    if isinstance(wanted, str) and isinstance(value, Mapping):
        return dict(value) == {"kind": wanted}
    if isinstance(wanted, Mapping):
        whole = {"kind": value} if isinstance(value, str) else value
        return isinstance(whole, Mapping) and matches(whole, wanted)
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)
