"""The verbs that mend as functions: retry and cancel some trials, remove what is no longer needed.

Must never print; what is selected is decided here, once, for every verb.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator import control
from orchestrator.errors import InputError
from orchestrator.lease import Lease, holder_of
from orchestrator.paths import forecast_of
from orchestrator.reading import find_sweep, find_trial, sql
from results.errors import StorageError
from results.ledger import Ledger
from results.place import Place, Url
from results.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Cancelled", "Removal", "cancel", "removal", "remove", "select"]


def select(
    name: str,
    *,
    storage: str | None = None,
    statuses: Sequence[str],
    trials: Sequence[str] = (),
    classes: Sequence[str] = (),
    where: str | None = None,
) -> list[str]:
    """Ids of the wanted trials that fit every condition, in order.

    Args:
        name: of the sweep.
        storage: where run directories stand.
        statuses: that a trial may have.
        trials: beginnings of ids; all trials where empty.
        classes: failure classes; any where empty.
        where: a SQL condition over the view `trials`.

    Raises:
        InputError: no such sweep or trial, or a named trial has another status.
        QueryError: the condition was refused or failed.
    """
    if where is not None and not where.strip():
        raise InputError(
            f"--where: a SQL condition over the view trials is needed, got {where!r}."
            " Leave it out to select without one."
        )
    named = [find_trial(name, beginning, storage=storage) for beginning in trials]
    text = "SELECT trial_id, status, failure_class FROM trials WHERE wanted"
    found = sql(name, text + (f" AND (\n{where}\n)" if where else ""), storage=storage).to_pylist()
    chosen = [row for row in found if not named or row["trial_id"] in named]
    fit = [row for row in chosen if row["status"] in statuses]
    other = next((row for row in chosen if row["status"] not in statuses), None)
    if named and other is not None:
        raise InputError(
            f"{other['trial_id']}: a trial that is {' or '.join(statuses)} is needed, got one that"
            f" is {other['status']}. `cliffsweep status {name}` shows how they stand."
        )
    return sorted(r["trial_id"] for r in fit if not classes or r["failure_class"] in classes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """What a request to cancel reached.

    Attributes:
        trials: ids that were asked to end, running or waiting.
        whole: whether the sweep's driver was asked to stop as well.
    """

    trials: tuple[str, ...]
    whole: bool


def cancel(
    name: str,
    *,
    storage: str | None = None,
    trials: Sequence[str] = (),
    where: str | None = None,
    now: bool = False,
) -> Cancelled:
    """Asks a driver at work to end trials, or all of them and itself.

    Running trials save a checkpoint first, unless `now`.

    Raises:
        InputError: no such sweep or trial, or no driver is at work.
        QueryError: the condition was refused or failed.
    """
    store = Store(find_sweep(name, storage=storage))
    holder = holder_of(store)
    if holder is None or holder.vanished():
        raise InputError(
            f"{name}: a driver at work is needed, got none, so nothing runs."
            f" `cliffsweep status {name}` shows how it stands."
        )
    whole = not trials and where is None
    statuses = ("running",) if whole else ("running", "planned", "failed", "cancelled")
    chosen = select(name, storage=storage, statuses=statuses, trials=trials, where=where)
    ledger = Ledger(store, sweep=name)
    latest = ledger.latest()
    for trial_id in chosen:
        event = latest.get(trial_id)
        running = event is not None and event.status == "running"
        attempt = event.attempt if event is not None and running else ledger.attempts(trial_id)
        control.cancel(store, trial_id, attempt, now=now)
    if whole:
        # Last, for at its sight all trials leave, those too that began meanwhile or are about to.
        store.put(control.STOP, b"")
    return Cancelled(trials=tuple(chosen), whole=whole)


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What would be removed.

    Attributes:
        root: the run directory.
        paths: folders that would go, whole.
        files: in them.
        bytes: in them.
    """

    root: Place
    paths: tuple[Place, ...]
    files: int
    bytes: int


def removal(name: str, *, storage: str | None = None, checkpoints: bool = False) -> Removal:
    """Looks what there is to remove; removes nothing.

    Args:
        name: of the sweep.
        storage: where run directories stand.
        checkpoints: only those of trials that need them no more, the completed and the stopped.

    Raises:
        InputError: there is no such sweep, or its run directory is a link.
        StorageError: something that would be removed is a link.
    """
    root = find_sweep(name, storage=storage)
    if not isinstance(root, Path):
        return _distant_removal(root, checkpoints=checkpoints)
    if root.is_symlink() and not checkpoints:
        raise InputError(
            f"{name}: a run directory is removed where it lies, got a link to {root.readlink()}."
            " Delete the link, or name the storage that it leads to."
        )
    Store(root).list("checkpoints/")  # Refuses links.
    paths = tuple(_spent_checkpoints(root)) if checkpoints else (root,)
    sizes = [
        file.lstat().st_size
        for path in paths
        for file in path.rglob("*")
        if file.is_symlink() or file.is_file()
    ]
    return Removal(root=root, paths=paths, files=len(sizes), bytes=sum(sizes))


def _distant_removal(root: Url, *, checkpoints: bool) -> Removal:
    store = Store(root)
    names = store.list("checkpoints/" if checkpoints else "")
    trials = {name.split("/")[1] for name in names} if checkpoints else set()
    spent = _spent(store, trials)
    gone = [name for name in names if not checkpoints or name.split("/")[1] in spent]
    paths = tuple(root / "checkpoints" / trial for trial in spent) if checkpoints else (root,)
    sizes = [store.stamp(name)[0] for name in gone]
    return Removal(root=root, paths=paths, files=len(gone), bytes=sum(sizes))


def _spent_checkpoints(root: Path) -> Iterator[Path]:
    folder = root / "checkpoints"
    found = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    yield from (folder / name for name in _spent(Store(root), found))


def _spent(store: Store, trials: Iterable[str]) -> list[str]:
    """Those that need their checkpoints no more, by id."""
    latest = Ledger(store, sweep=store.root.name).latest()
    ended = {id_ for id_, event in latest.items() if event.status in ("completed", "stopped")}
    return sorted(ended.intersection(trials))


def remove(planned: Removal) -> None:
    """Removes it, while no driver can be at work.

    A folder is renamed out of sight first, so that nobody sees half of one. With a run directory
    goes the forecast that `plan` kept of its sweep.

    Raises:
        LeaseError: a driver works on the sweep.
        InputError: something cannot be removed.
    """
    lease = Lease(Store(planned.root))
    lease.acquire()
    try:
        for path in planned.paths:
            if not isinstance(path, Path):
                _remove_distant(path)
                continue
            aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.removed")
            path.rename(aside)
            shutil.rmtree(aside)
        if planned.root in planned.paths:
            forecasts, name = forecast_of(planned.root)
            forecasts.delete(name)
    except OSError as error:
        raise InputError(
            f"{error.filename}: it can be removed, got '{error.strerror}'."
            " Look at the folder's owner and mode."
        ) from None
    finally:
        with suppress(StorageError):  # The lease may have gone with the run directory.
            lease.release()


def _remove_distant(place: Url) -> None:
    """Removes every object; what makes it a sweep goes first, so that half of one is none."""
    store = Store(place)
    names = store.list()
    store.delete(*(name for name in names if name.startswith(("sweep/", "trials/"))))
    store.delete(*(name for name in names if not name.startswith(("sweep/", "trials/"))))
