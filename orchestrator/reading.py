"""The verbs that read: what sweeps there are, how they stand, what a trial did, SQL.

Must never write, and imports what is slow only inside the verb that needs it.
"""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.code import Record, newest_record
from orchestrator.errors import InputError
from orchestrator.paths import run_directories, run_directory, storage_root
from results.errors import ResultsError
from results.links import refuse_links
from results.place import Place
from results.store import Store

if TYPE_CHECKING:
    from results.render import Table

__all__ = [
    "SweepStatus",
    "find_sweep",
    "find_sweeps",
    "find_trial",
    "look_round",
    "ls",
    "record",
    "show",
    "sql",
    "status",
    "sweep_delta",
]


def find_sweep(name: str, *, storage: str | None = None) -> Place:
    """Returns the run directory of a sweep that was started.

    Raises:
        InputError: there is none; the message names those that exist.
        StorageError: something in it is a symbolic link.
    """
    base = storage_root(storage)
    root = run_directory(base, Path(name).stem if name.endswith((".yaml", ".yml")) else name)
    refuse_links(root)
    if Store(root).holds("sweep") or Store(root).holds("trials"):
        return root
    known = [path.name for path in run_directories(base)]
    close = get_close_matches(name, known, n=1)
    hint = (
        f" Did you mean {close[0]!r}?" if close else f" Sweeps there: {', '.join(known) or 'none'}."
    )
    raise InputError(f"{name}: a sweep in {base} is needed, got none of that name.{hint}")


def find_sweeps(
    names: str | None, *, every: bool = False, storage: str | None = None
) -> list[Place]:
    """The run directories that a statement reads.

    Args:
        names: a sweep, or several with commas between.
        every: all sweeps of the storage instead.
        storage: where run directories stand.

    Raises:
        InputError: there is no such sweep, or none at all.
    """
    if every:
        base = storage_root(storage)
        found = run_directories(base)
        if not found:
            raise InputError(
                f"--all: a sweep is needed, got none in {base}. Choose another --storage."
            )
        return found
    wanted = [name for name in (names or "").split(",") if name]
    if not wanted:
        raise InputError(
            "sql: the name of a sweep is needed, got none. `cliffsweep ls` shows them."
        )
    return list(dict.fromkeys(find_sweep(name, storage=storage) for name in wanted))


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepStatus:
    """How a sweep stands.

    Attributes:
        sweep: its name.
        root: its run directory.
        total: wanted cells.
        counts: wanted cells per status.
        grids: grid -> wanted cells per status.
        running: trial ids under way.
        failures: (trial_id, attempt, failure class, first line) of failed trials.
        driver: `host pid N` of the driver at work; None if there is none.
        seconds: from the first start to the last event; None before the first.
    """

    sweep: str
    root: Place
    total: int
    counts: dict[str, int]
    grids: dict[str, dict[str, int]]
    running: list[str]
    failures: list[tuple[str, int, str, str]]
    driver: str | None
    seconds: float | None


def status(name: str, *, storage: str | None = None) -> SweepStatus:
    """Says how far a sweep is; reads only, while it runs or after.

    Raises:
        InputError: there is no such sweep.
    """
    from results.standing import standing

    root = find_sweep(name, storage=storage)
    found = standing(Store(root))
    return SweepStatus(
        sweep=root.name,
        root=root,
        total=found.total,
        counts=found.counts,
        grids=found.grids,
        running=found.running,
        failures=found.failures,
        driver=_driver(root),
        seconds=found.seconds,
    )


def _driver(root: Place) -> str | None:
    from orchestrator.lease import holder_of

    holder = holder_of(Store(root))
    return None if holder is None or holder.vanished() else f"{holder.host} pid {holder.pid}"


def ls(*, storage: str | None = None) -> list[SweepStatus]:
    """All sweeps of a storage root, by name; one that cannot be read is left out with a warning."""
    found, unread = look_round(storage=storage)
    for sentence in unread.values():
        warnings.warn(sentence, stacklevel=2)
    return found


def look_round(*, storage: str | None = None) -> tuple[list[SweepStatus], dict[str, str]]:
    """All sweeps of a storage root that can be read, by name, and why the others cannot.

    Raises:
        StorageError: the storage root itself cannot be listed.
    """
    base = storage_root(storage)
    found, unread = [], {}
    for path in run_directories(base):
        try:
            found.append(status(path.name, storage=str(base)))
        except (InputError, ResultsError) as error:
            unread[path.name] = str(error)
    return found, unread


def sql(
    name: str,
    text: str,
    *,
    storage: str | None = None,
    parameters: dict[str, Any] | None = None,
    as_of: datetime | None = None,
    memory: int = 10**9,
    timeout: float = 30.0,
    max_rows: int = 1_000_000,
) -> Table:
    """Answers one SELECT over a sweep's views, in a process of its own.

    Files that cannot be read are passed over, each with a warning.

    Args:
        name: of the sweep, or of several with commas between.
        text: the statement; `$name` stands for a parameter.
        storage: where run directories stand.
        parameters: values by name.
        as_of: shows the sweeps as they were then; None for now.
        memory: bytes that the statement may use.
        timeout: seconds that it may take.
        max_rows: rows that its answer may have.

    Raises:
        InputError: there is no such sweep.
        LimitError: the statement passed one of the limits.
        QueryError: the statement was refused or failed.
    """
    from results.query_child import answer

    roots = find_sweeps(name, storage=storage)
    found = answer(
        roots, text, parameters, memory=memory, timeout=timeout, max_rows=max_rows, as_of=as_of
    )
    for sentence in found.warnings:
        warnings.warn(sentence, stacklevel=2)
    return found.table


def record(name: str, *, storage: str | None = None) -> Record:
    """The sweep file of a sweep as it was started last.

    Raises:
        InputError: there is no such sweep, or it was never started.
    """
    root = find_sweep(name, storage=storage)
    found = newest_record(Store(root))
    if found is None:
        raise InputError(f"{name}: a sweep that was started is needed, got none in {root}.")
    return found


def sweep_delta(name: str, *, storage: str | None = None) -> float:
    """The loss of score that a sweep counts as none.

    Raises:
        InputError: there is no such sweep, or it was never started.
    """
    from orchestrator.spec_load import load_bytes

    kept = record(name, storage=storage)
    return load_bytes(kept.data, source=kept.name, folder=Path()).sweep.delta


def show(name: str, trial: str, *, storage: str | None = None) -> dict[str, Any]:
    """All about one trial: configuration, attempts, last values of whole-model metrics.

    Args:
        name: of the sweep.
        trial: the beginning of the trial's id.
        storage: where run directories stand.

    Raises:
        InputError: no such sweep, or the beginning fits no trial or several.
    """
    from results.ledger import Ledger
    from results.query import open_stores

    trial_id = find_trial(name, trial, storage=storage)
    root = find_sweep(name, storage=storage)
    ledger = Ledger(Store(root), sweep=root.name)
    row = ledger.trials()[trial_id]
    with open_stores([root]) as reader:
        last = reader.trusted(
            "SELECT name, last AS value FROM finals"
            " WHERE trial_id = $trial AND layer IS NULL ORDER BY name",
            {"trial": trial_id},
        )
    return {
        **asdict(row),
        "events": [asdict(event) for event in ledger.events() if event.trial_id == trial_id],
        "last": last.to_pylist(),
    }


def find_trial(name: str, prefix: str, *, storage: str | None = None) -> str:
    """Completes the beginning of a trial's id.

    Raises:
        InputError: no trial of the sweep begins so, or several do.
    """
    from results.standing import planned

    ids = planned(Store(find_sweep(name, storage=storage)))
    found = [id_ for id_ in ids if prefix and id_.startswith(prefix)]
    if len(found) == 1:
        return found[0]
    some = ", ".join(found[:5]) or "none"
    raise InputError(
        f"{prefix or 'trial'}: the beginning of one trial's id is needed,"
        f" got that of {len(found)} ({some})."
        f" `cliffsweep plan` and `cliffsweep sql {name} 'SELECT trial_id FROM trials'` list them."
    )
