"""Finds for each cell of a sweep the one of another sweep that it is to be compared with.

Knows nothing of scores; only configurations decide.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Configured", "Matching", "Setting", "flat", "match", "settings"]


@dataclass(frozen=True, slots=True)
class Configured:
    """A cell by its identity alone.

    Attributes:
        trial_id: hash of the canonical workload, so equal in any sweep that holds it.
        config: dotted key path -> value as JSON text, see `flat`.
    """

    trial_id: str
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A key path whose values are not the same in both sweeps.

    Attributes:
        path: dotted, such as `train.epochs`.
        only_a: values as JSON text that only cells of the first sweep have, sorted.
        only_b: values that only cells of the second have.
        common: whether some value occurs in both.
    """

    path: str
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    common: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """Which cell belongs to which.

    Attributes:
        same: trial ids that both sweeps hold, in the order of the first.
        changed: (id in the first, id in the second) of cells that differ only in `by`.
        by: key paths in which the two sweeps differ as a whole.
        ambiguous_a: cells of the first sweep that would fit several of the other, or share theirs.
        ambiguous_b: such cells of the second.
        only_a: cells of the first sweep without a partner.
        only_b: cells of the second without one.
    """

    same: tuple[str, ...]
    changed: tuple[tuple[str, str], ...]
    by: tuple[str, ...]
    ambiguous_a: tuple[str, ...]
    ambiguous_b: tuple[str, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]


def flat(config: Mapping[str, Any], *, below: str = "") -> dict[str, str]:
    """A configuration as dotted key path -> value as JSON text; lists count as one value."""
    found: dict[str, str] = {}
    for key, value in config.items():
        path = f"{below}{key}"
        if isinstance(value, Mapping) and value:
            found |= flat(value, below=f"{path}.")
        else:
            found[path] = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return found


def settings(a: Sequence[Configured], b: Sequence[Configured]) -> list[Setting]:
    """Key paths whose sets of values differ, by name.

    Only the cells that have a path speak for it: not every kind has every field.
    """
    values_a, values_b = _values(a), _values(b)
    found = []
    for path in sorted(values_a.keys() | values_b.keys()):
        of_a, of_b = values_a.get(path, set()), values_b.get(path, set())
        if of_a != of_b:
            only = tuple(sorted(of_a - of_b)), tuple(sorted(of_b - of_a))
            common = not of_a.isdisjoint(of_b)
            found.append(Setting(path=path, only_a=only[0], only_b=only[1], common=common))
    return found


def match(a: Sequence[Configured], b: Sequence[Configured]) -> Matching:
    """Matches cells of equal ids, then cells that differ only in what sets the sweeps apart.

    The sweeps differ *as a whole* in a key path when no value occurs on both sides: every cell of
    the first has other epochs than every cell of the second, or only one side has the field at
    all. Two cells without a partner of equal id belong together when all other paths agree, and
    when each is the only one of its sweep that looks so. Where several do (three seeds against
    three other seeds), no pairing is better than another: they stay apart and are named ambiguous.
    An axis that both sweeps vary over common values never pairs cells that differ in it.

    Args:
        a: cells of the first sweep.
        b: cells of the second.
    """
    ids_a, ids_b = {cell.trial_id for cell in a}, {cell.trial_id for cell in b}
    by = tuple(setting.path for setting in settings(a, b) if not setting.common)
    rest_a = _by_rest([cell for cell in a if cell.trial_id not in ids_b], without=by)
    rest_b = _by_rest([cell for cell in b if cell.trial_id not in ids_a], without=by)
    changed: list[tuple[str, str]] = []
    ambiguous: tuple[list[str], list[str]] = [], []
    for rest in rest_a.keys() & rest_b.keys():
        if len(rest_a[rest]) == len(rest_b[rest]) == 1:
            changed.append((rest_a[rest][0], rest_b[rest][0]))
        else:
            ambiguous[0].extend(rest_a[rest])
            ambiguous[1].extend(rest_b[rest])
    return Matching(
        same=tuple(cell.trial_id for cell in a if cell.trial_id in ids_b),
        changed=tuple(sorted(changed)),
        by=by,
        ambiguous_a=tuple(sorted(ambiguous[0])),
        ambiguous_b=tuple(sorted(ambiguous[1])),
        only_a=_alone(rest_a, rest_b),
        only_b=_alone(rest_b, rest_a),
    )


def _values(cells: Sequence[Configured]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for cell in cells:
        for path, value in cell.config.items():
            found[path].add(value)
    return found


def _by_rest(
    cells: Sequence[Configured], *, without: Sequence[str]
) -> dict[tuple[tuple[str, str], ...], list[str]]:
    """Trial ids by what is left of their configuration without some paths."""
    left_out = set(without)
    found: dict[tuple[tuple[str, str], ...], list[str]] = defaultdict(list)
    for cell in cells:
        rest = sorted(item for item in cell.config.items() if item[0] not in left_out)
        found[tuple(rest)].append(cell.trial_id)
    return found


def _alone(
    cells: Mapping[tuple[tuple[str, str], ...], list[str]],
    others: Mapping[tuple[tuple[str, str], ...], list[str]],
) -> tuple[str, ...]:
    return tuple(sorted(id_ for rest in cells.keys() - others.keys() for id_ in cells[rest]))
