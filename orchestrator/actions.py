"""The verbs as functions: what the command line does, callable from Python.

Must never print, and imports what is slow only inside the verb that needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.code import Record, kinds_folders, newest_record
from orchestrator.errors import InputError
from orchestrator.paths import (
    LEASE,
    run_directories,
    run_directory,
    storage_root,
)
from orchestrator.spec_load import LoadedSweep, load_bytes, load_sweep
from results.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

    from orchestrator.driver import Listener, Options, Summary
    from orchestrator.expand import Cell
    from orchestrator.planning import Plan
    from orchestrator.queue import TrialQueue

__all__ = [
    "SweepStatus",
    "find_trial",
    "ls",
    "plan",
    "record",
    "resume",
    "run",
    "show",
    "sql",
    "status",
    "validate",
]


def _cells(loaded: LoadedSweep, folders: Sequence[Path]) -> list[Cell]:
    """Expands a sweep with the user's kinds at hand."""
    from orchestrator.expand import expand
    from workloads.kinds import add_folder

    for folder in folders:
        try:
            add_folder(folder)
        except ValueError as error:
            raise InputError(f"kinds: {error}") from None
    return expand(loaded)


def validate(path: str | Path, *, kinds: Sequence[str] = ()) -> tuple[LoadedSweep, int | None]:
    """Checks a sweep file; starts nothing and stores nothing.

    Args:
        path: the file.
        kinds: folders of the user's kinds. They are code, so those that the file itself names are
            imported only where this names at least one.

    Returns:
        The sweep, and its number of cells; None where cells were not checked because the file
        has kinds of its own.

    Raises:
        InputError: the file, all its problems together.
    """
    loaded = load_sweep(path)
    if loaded.sweep.kinds and not kinds:
        return loaded, None
    folders = kinds_folders(loaded.sweep.kinds, base=loaded.folder, given=kinds)
    return loaded, len(_cells(loaded, folders))


def plan(
    path: str | Path, *, storage: str | None = None, kinds: Sequence[str] = ()
) -> tuple[Plan, LoadedSweep]:
    """Says which cells a sweep file asks for, and which of them the store knows.

    Raises:
        InputError: the file, all its problems together.
    """
    from orchestrator.planning import make_plan
    from results.ledger import Ledger

    loaded = load_sweep(path)
    folders = kinds_folders(loaded.sweep.kinds, base=loaded.folder, given=kinds)
    cells = _cells(loaded, folders)
    root = run_directory(storage_root(storage, in_file=loaded.sweep.storage), loaded.sweep.name)
    known = Ledger(Store(root), sweep=loaded.sweep.name).trials()
    return make_plan(loaded.sweep.name, cells, known), loaded


def run(
    path: str | Path,
    *,
    storage: str | None = None,
    kinds: Sequence[str] = (),
    runner: str = "ray_tune",
    address: str | None = None,
    options: Options | None = None,
    listener: Listener | None = None,
    on_queue: Callable[[TrialQueue], None] = lambda queue: None,
) -> Summary:
    """Runs what a sweep file asks for and the store does not hold yet.

    Args:
        path: the sweep file.
        storage: where run directories stand, instead of the file's.
        kinds: more folders with the user's kinds.
        runner: `ray_tune` or `inline`.
        address: of a Ray cluster; None starts one here.
        options: overrides of the file.
        listener: hears what happens.
        on_queue: is handed the queue of trials, to stop it.

    Raises:
        CliffsweepError: see `orchestrator.errors`; each class has its exit code.
        ResultsError: the store cannot be read or written.
    """
    loaded = load_sweep(path)
    folders = kinds_folders(loaded.sweep.kinds, base=loaded.folder, given=kinds)
    root = run_directory(storage_root(storage, in_file=loaded.sweep.storage), loaded.sweep.name)
    return _drive(
        loaded,
        folders,
        root,
        runner,
        address,
        options=options,
        listener=listener,
        on_queue=on_queue,
    )


def resume(
    name: str,
    *,
    storage: str | None = None,
    runner: str = "ray_tune",
    address: str | None = None,
    options: Options | None = None,
    listener: Listener | None = None,
    on_queue: Callable[[TrialQueue], None] = lambda queue: None,
) -> Summary:
    """Runs what is unfinished of a sweep, from its run directory alone.

    Raises:
        InputError: there is no such sweep.
        CliffsweepError: as `run`.
    """
    root = find_sweep(name, storage=storage)
    kept = record(name, storage=storage)
    loaded = load_bytes(kept.data, source=str(root / kept.name), folder=root)
    return _drive(
        loaded,
        kept.kinds,
        root,
        runner,
        address,
        options=options,
        listener=listener,
        on_queue=on_queue,
    )


def _drive(
    loaded: LoadedSweep,
    folders: Sequence[Path],
    root: Path,
    runner: str,
    address: str | None,
    *,
    options: Options | None,
    listener: Listener | None,
    on_queue: Callable[[TrialQueue], None],
) -> Summary:
    from dataclasses import replace

    from orchestrator.driver import Options, run_sweep
    from orchestrator.runners.choose import runner_maker

    cells = _cells(loaded, folders)
    chosen = replace(options or Options(), kinds=tuple(folders))
    unknown = set(chosen.only) - {cell.trial_id for cell in cells}
    if unknown:
        raise InputError(
            f"--only: a trial of the sweep is needed, got {min(unknown)!r}."
            " `cliffsweep plan` lists them."
        )
    _check_data(cells, chosen.data_dir)
    return run_sweep(
        loaded,
        cells,
        store=Store(root),
        make_runner=runner_maker(runner, root=root, sweep=loaded.sweep, address=address),
        options=chosen,
        listener=listener,
        on_queue=on_queue,
    )


def _check_data(cells: Sequence[Cell], data_dir: str | None) -> None:
    """Finds out before anything starts that data are missing or damaged."""
    from workloads.config import validate as validate_workload

    seen = set()
    for cell in cells:
        task = repr(cell.config.get("task"))
        if task not in seen:
            seen.add(task)
            try:
                validate_workload(cell.config).check(Path(data_dir) if data_dir else None)
            except (OSError, RuntimeError, ValueError) as error:
                raise InputError(str(error)) from None


def find_sweep(name: str, *, storage: str | None = None) -> Path:
    """Returns the run directory of a sweep that was started.

    Raises:
        InputError: there is none; the message names those that exist.
    """
    from difflib import get_close_matches

    base = storage_root(storage)
    root = run_directory(base, Path(name).stem if name.endswith((".yaml", ".yml")) else name)
    if (root / "sweep").is_dir() or (root / "trials").is_dir():
        return root
    known = [path.name for path in run_directories(base)]
    close = get_close_matches(name, known, n=1)
    hint = (
        f" Did you mean {close[0]!r}?" if close else f" Sweeps there: {', '.join(known) or 'none'}."
    )
    raise InputError(f"{name}: a sweep in {base} is needed, got none of that name.{hint}")


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
    root: Path
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
    from collections import Counter

    from results.ledger import Ledger

    root = find_sweep(name, storage=storage)
    ledger = Ledger(Store(root), sweep=root.name)
    wanted = {id_: row for id_, row in ledger.trials().items() if row.wanted}
    latest = {id_: event for id_, event in ledger.latest().items() if id_ in wanted}
    counts: Counter[str] = Counter()
    grids: dict[str, Counter[str]] = {}
    for id_, row in wanted.items():
        standing = latest[id_].status if id_ in latest else "planned"
        counts[standing] += 1
        grids.setdefault(row.grid, Counter())[standing] += 1
    times = [event.ts for event in ledger.events() if event.ts is not None]
    return SweepStatus(
        sweep=root.name,
        root=root,
        total=len(wanted),
        counts=dict(counts),
        grids={grid: dict(counter) for grid, counter in grids.items()},
        running=sorted(id_ for id_, event in latest.items() if event.status == "running"),
        failures=[
            (id_, e.attempt, e.failure_class or "", (e.detail or "").partition("\n")[0])
            for id_, e in latest.items()
            if e.status == "failed"
        ],
        driver=_driver(root),
        seconds=(max(times) - min(times)).total_seconds() if times else None,
    )


def _driver(root: Path) -> str | None:
    import json

    from orchestrator.lease import Holder

    store = Store(root)
    if not store.exists(LEASE):
        return None
    try:
        holder = Holder(**json.loads(store.read(LEASE)))
    except (ValueError, TypeError):
        return None
    return None if holder.vanished() else f"{holder.host} pid {holder.pid}"


def ls(*, storage: str | None = None) -> list[SweepStatus]:
    """All sweeps of a storage root, by name."""
    base = storage_root(storage)
    return [status(path.name, storage=str(base)) for path in run_directories(base)]


def sql(
    name: str,
    text: str,
    *,
    storage: str | None = None,
    parameters: dict[str, Any] | None = None,
) -> pa.Table:
    """Answers one SELECT over a sweep's views.

    Raises:
        InputError: there is no such sweep.
        QueryError: the statement was refused or failed.
    """
    from results.query import open_stores

    with open_stores([find_sweep(name, storage=storage)]) as reader:
        return reader.sql(text, parameters)


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


def show(name: str, trial: str, *, storage: str | None = None) -> dict[str, Any]:
    """All about one trial: configuration, attempts, last values of whole-model metrics.

    Args:
        name: of the sweep.
        trial: the beginning of the trial's id.
        storage: where run directories stand.

    Raises:
        InputError: no such sweep, or the beginning fits no trial or several.
    """
    from dataclasses import asdict

    from results.ledger import Ledger

    trial_id = find_trial(name, trial, storage=storage)
    ledger = Ledger(Store(find_sweep(name, storage=storage)), sweep=name)
    row = ledger.trials()[trial_id]
    last = sql(
        name,
        "SELECT name, arg_max(value, step) AS value FROM metrics"
        " WHERE trial_id = $trial AND layer IS NULL GROUP BY name ORDER BY name",
        storage=storage,
        parameters={"trial": trial_id},
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
    from results.ledger import Ledger

    root = find_sweep(name, storage=storage)
    ids = list(Ledger(Store(root), sweep=root.name).trials())
    found = [id_ for id_ in ids if id_.startswith(prefix)]
    if len(found) == 1:
        return found[0]
    some = ", ".join(found[:5]) or "none"
    raise InputError(
        f"{prefix}: the beginning of one trial's id is needed, got that of {len(found)} ({some})."
        f" `cliffsweep plan` and `cliffsweep sql {name} 'SELECT trial_id FROM trials'` list them."
    )
