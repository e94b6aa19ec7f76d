"""Says what changed since a sweep was started last, before anything starts again.

Must never decide what runs: cells do that by their identity.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from orchestrator.code import Record
from orchestrator.errors import CliffsweepError
from orchestrator.planning import Plan, work_left
from orchestrator.provenance import Code
from orchestrator.spec import Sweep
from orchestrator.spec_load import load_bytes
from results.ledger import Event, TrialRow

__all__ = ["Difference", "Setting", "difference"]

_CELLS: Final = frozenset({"name", "workload", "grids", "replicates", "baseline", "kinds"})
"""Keys of a sweep file that show in the cells themselves."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A key of the sweep file that changed without changing any cell."""

    key: str
    before: object
    now: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What is not as it was.

    Attributes:
        new: cells that the store did not know.
        kept: cells that it knew.
        removed: cells that are no longer wanted.
        settings: what changed beside the cells.
        other_code: commit -> finished cells that ran with it and not with the present one.
        commit: the present one; None outside of git.
    """

    new: int
    kept: int
    removed: int
    settings: tuple[Setting, ...] = ()
    other_code: Mapping[str, int]
    commit: str | None = None

    @property
    def sentences(self) -> list[str]:
        """What a user should know before it starts; nothing for a sweep that is as it was."""
        said = [f"{s.key}: {s.before} before, {s.now} now" for s in self.settings]
        if self.kept and (self.new or self.removed):
            said.insert(
                0, f"{self.new} new cells, {self.kept} kept, {self.removed} no longer wanted"
            )
        present = _short(self.commit)
        return said + [
            f"{count} finished cells ran with commit {_short(commit)}, this is {present};"
            " they are kept as they are"
            for commit, count in self.other_code.items()
        ]


def difference(
    plan: Plan,
    known: Mapping[str, TrialRow],
    latest: Mapping[str, Event],
    *,
    sweep: Sweep,
    before: Record | None,
    code: Code,
) -> Difference:
    """Compares a plan with what the run directory held before it.

    Args:
        plan: cells against the store.
        known: the trials of the store, by id.
        latest: the last event of each trial.
        sweep: the sweep file's values.
        before: the version that was started last.
        code: the commit at work.
    """
    unfinished = {cell.trial_id for cell in work_left(plan, latest)}
    wanted = (planned.cell.trial_id for planned in plan.cells)
    finished = [known[id_] for id_ in wanted if id_ in known and id_ not in unfinished]
    commits = Counter(row.commit for row in finished if row.commit and row.commit != code.commit)
    return Difference(
        new=plan.count("new"),
        kept=plan.count("kept"),
        removed=len(plan.removed),
        settings=_settings(before, sweep),
        other_code=dict(commits) if code.commit else {},
        commit=code.commit,
    )


def _settings(before: Record | None, sweep: Sweep) -> tuple[Setting, ...]:
    """The changed keys, nested ones by their dotted names."""
    if before is None:
        return ()
    try:
        earlier = load_bytes(before.data, source=before.name, folder=Path()).sweep
    except CliffsweepError:
        return ()  # A version that this code cannot read any more says nothing.
    old, new = _flat(earlier), _flat(sweep)
    return tuple(
        Setting(key, old.get(key), new.get(key))
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    )


def _flat(sweep: Sweep) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in sweep.model_dump(exclude=set(_CELLS)).items():
        if isinstance(value, dict) and value:
            found |= {f"{key}.{inner}": deeper for inner, deeper in value.items()}
        else:
            found[key] = value
    return found


def _short(commit: str | None) -> str:
    return commit[:10] if commit else "unknown"
