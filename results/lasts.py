"""The last whole-model values of single trials, as soon as they have ended.

Must never be asked about many trials at once where one statement would do: it opens a file each.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from results.columns import to_values
from results.compacted import rows_of
from results.errors import SchemaError, StorageError
from results.names import FinalsName
from results.schema import decode
from results.store import Store

__all__ = ["Lasts", "lasts"]


@dataclass(frozen=True, slots=True)
class Lasts:
    """What a trial reached.

    Attributes:
        step: the last one with a value.
        metrics: last value of each whole-model metric.
    """

    step: int
    metrics: dict[str, float]


def lasts(store: Store, trial_ids: Collection[str]) -> dict[str, Lasts]:
    """What some trials reached; without those that stored no value.

    Args:
        store: the run directory.
        trial_ids: trials that ended.

    Raises:
        StorageError: the store cannot be read.
    """
    found = {}
    for trial_id in trial_ids:
        loose = _from_finals(store, trial_id)
        if loose is not None:
            found[trial_id] = loose
    rest = [trial_id for trial_id in trial_ids if trial_id not in found]
    return found | _from_views(store, rest) if rest else found


def _from_finals(store: Store, trial_id: str) -> Lasts | None:
    """What the finals of the highest attempt say; None where others have to be asked."""
    names = list(filter(None, map(FinalsName.parse, store.list(f"finals/{trial_id}/"))))
    if not names:
        return None
    newest = max(names, key=lambda name: name.attempt)
    if not rows_of(store, trial_id).sums_up(newest):
        return None
    try:
        data = store.read(str(newest))
        table = decode(data, kind="finals", where=store.where(newest))
    except (SchemaError, StorageError):
        return None  # Compacted meanwhile, or damaged: the views tell which.
    columns = (to_values(table.column(name)) for name in ("layer", "name", "step", "last"))
    rows = [row for row in zip(*columns, strict=True) if row[0] is None]
    if not rows:
        return None
    return Lasts(max(row[2] for row in rows), {row[1]: row[3] for row in rows})


def _from_views(store: Store, trial_ids: Collection[str]) -> dict[str, Lasts]:
    """The same through SQL, which knows of compacted files and of trials without finals."""
    from results.query import open_stores

    statement = (
        "SELECT trial_id, name, step, last FROM finals"
        " WHERE layer IS NULL AND list_contains($trials, trial_id)"
    )
    with open_stores([store.root]) as reader:
        rows = reader.trusted(statement, {"trials": list(trial_ids)}).to_pylist()
    found: dict[str, Lasts] = {}
    for row in rows:
        known = found.get(row["trial_id"], Lasts(-1, {}))
        metrics = known.metrics | {row["name"]: row["last"]}
        found[row["trial_id"]] = Lasts(max(known.step, row["step"]), metrics)
    return found
