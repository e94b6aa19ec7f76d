"""The verbs as functions: what the command line does, callable from Python.

Must never print, and imports what is slow only inside the verb that needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.clusters import storage_of
from orchestrator.code import kinds_folders, sweep_files
from orchestrator.collector import collector_rests
from orchestrator.errors import InputError
from orchestrator.hearing import heard
from orchestrator.imports import heavy_imports
from orchestrator.paths import run_directory, storage_root
from orchestrator.probe import opened
from orchestrator.reading import SweepStatus, find_sweep, ls, record, show, sql, status
from orchestrator.spec_load import LoadedSweep, load_bytes, load_sweep
from results.place import Place
from results.store import Store

if TYPE_CHECKING:
    from orchestrator.driver import Listener, Options, Summary
    from orchestrator.expand import Cell
    from orchestrator.planning import Plan
    from orchestrator.queue import TrialQueue

__all__ = [
    "SweepStatus",
    "cells_of",
    "drive",
    "find_sweep",
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


def _ignore(sentence: str) -> None:
    """Tells nobody."""


def cells_of(
    loaded: LoadedSweep, folders: Sequence[Path], *, warn: Callable[[str], None] = _ignore
) -> list[Cell]:
    """Expands a sweep with the user's kinds at hand; `warn` as in `expand`."""
    with heavy_imports("torch"):
        import workloads.streams  # noqa: F401  (torch, which every kind needs)
        from orchestrator.expand import expand
        from workloads.kinds import add_folder

    for folder in folders:
        try:
            add_folder(folder)
        except ValueError as error:
            raise InputError(f"kinds: {error}") from None
    with collector_rests():
        return expand(loaded, warn=warn)


def validate(
    path: str | Path | Mapping[str, Any],
    *,
    kinds: Sequence[str] = (),
    overrides: Sequence[str] = (),
) -> tuple[LoadedSweep, int | None]:
    """Checks a sweep file; starts nothing and stores nothing.

    Args:
        path: the file.
        kinds: folders of the user's kinds. They are code, so those that the file itself names are
            imported only where this names at least one.
        overrides: words such as `activation.share=0.5,0.9` that change the file's axes.

    Returns:
        The sweep, and its number of cells, of a search that learns the most that it asks for;
        None where cells were not checked because the file has kinds of its own.

    Raises:
        InputError: the file, all its problems together.
    """
    loaded = load_sweep(path, overrides=overrides)
    if loaded.sweep.kinds and not kinds:
        return loaded, None
    folders = kinds_folders(loaded.sweep.kinds, base=loaded.folder, given=kinds)
    return loaded, len(cells_of(loaded, folders)) or _most(loaded)


def _most(loaded: LoadedSweep) -> int:
    from orchestrator.expand import sought

    found = sought(loaded)
    return 0 if found is None else found.method.trials


def plan(
    path: str | Path | Mapping[str, Any],
    *,
    storage: str | None = None,
    kinds: Sequence[str] = (),
    overrides: Sequence[str] = (),
) -> tuple[Plan, LoadedSweep]:
    """Says which cells a sweep file asks for, and which of them the store knows.

    Raises:
        InputError: the file, all its problems together.
    """
    from orchestrator.asking import planned
    from orchestrator.planning import make_plan
    from results.ledger import Ledger

    loaded = load_sweep(path, overrides=overrides)
    folders = kinds_folders(loaded.sweep.kinds, base=loaded.folder, given=kinds)
    told: list[str] = []
    cells = cells_of(loaded, folders, warn=told.append)
    root = run_directory(storage_root(storage, in_file=loaded.sweep.storage), loaded.sweep.name)
    asked, to_come = planned(loaded, Store(root))
    known = Ledger(Store(root), sweep=loaded.sweep.name).trials()
    found = make_plan(loaded.sweep.name, [*cells, *asked], known)
    return replace(found, to_come=to_come, passed_over=tuple(told)), loaded


def run(
    spec: str | Path | Mapping[str, Any],
    *,
    storage: str | None = None,
    kinds: Sequence[str] = (),
    overrides: Sequence[str] = (),
    runner: str = "ray_tune",
    address: str | None = None,
    options: Options | None = None,
    listener: Listener | None = None,
    on_queue: Callable[[TrialQueue], None] | None = None,
    quiet: bool = False,
) -> Summary:
    """Runs what a sweep asks for and the store does not hold yet.

    Args:
        spec: a sweep file, or its keys as a mapping; a relative path in them starts here.
        storage: where run directories stand, instead of the file's.
        kinds: more folders with the user's kinds.
        overrides: words such as `activation.share=0.5,0.9` that change the file's axes.
        runner: `ray_tune` or `inline`.
        address: of a Ray cluster, or its name in the configuration; None starts one here.
        options: overrides of the file.
        listener: hears what happens; None: progress is shown in a notebook or at a terminal.
        on_queue: is handed the queue of trials, to stop it; None: an interrupt lets running trials
            save themselves and leave, a second one ends them at once.
        quiet: the progress shows nothing but what fails.

    Raises:
        CliffsweepError: see `orchestrator.errors`; each class has its exit code.
        ResultsError: the store cannot be read or written.
    """
    with heard(listener, on_queue, quiet=quiet) as told:
        loaded = load_sweep(spec, overrides=overrides)
        folders = kinds_folders(loaded.sweep.kinds, base=loaded.folder, given=kinds)
        base = storage_root(storage, of_cluster=storage_of(address), in_file=loaded.sweep.storage)
        root = run_directory(base, loaded.sweep.name)
        return drive(loaded, folders, root, runner, address, options=options, **told)


def resume(
    name: str,
    *,
    storage: str | None = None,
    runner: str = "ray_tune",
    address: str | None = None,
    options: Options | None = None,
    listener: Listener | None = None,
    on_queue: Callable[[TrialQueue], None] | None = None,
    quiet: bool = False,
) -> Summary:
    """Runs what is unfinished of a sweep, from its run directory alone; else as `run`.

    Raises:
        InputError: there is no such sweep.
        CliffsweepError: as `run`.
    """
    with heard(listener, on_queue, quiet=quiet) as told:
        storage = str(storage_root(storage, of_cluster=storage_of(address)))
        root = find_sweep(name, storage=storage)
        kept = record(name, storage=storage)
        store = Store(root)
        files = Path() if kept.files is None else store.folder(kept.files)
        loaded = load_bytes(kept.data, source=store.where(kept.name), folder=files)
        folders = [store.folder(kind) for kind in kept.kinds]
        return drive(loaded, folders, root, runner, address, options=options, **told)


def drive(
    loaded: LoadedSweep,
    folders: Sequence[Path],
    root: Place,
    runner: str,
    address: str | None,
    *,
    options: Options | None,
    listener: Listener,
    on_queue: Callable[[TrialQueue], None],
) -> Summary:
    from orchestrator.asking import planned, samples
    from orchestrator.cluster_token import ready_to_join
    from orchestrator.driver import Options, run_sweep
    from orchestrator.foreseeing import judged
    from orchestrator.runners.choose import coming_up, runner_maker

    joined = None if runner == "inline" else ready_to_join(address)
    store = opened(root)
    with coming_up(runner, address=joined, fresh=not store.holds("sweep")) as ahead:
        cells = cells_of(loaded, folders, warn=listener.warned)
        chosen = options or Options()
        asked = planned(loaded, store)[0] if chosen.only else []
        chosen = replace(chosen, kinds=tuple(folders), only=_only(chosen.only, [*cells, *asked]))
        _check_needs([*cells, *samples(loaded)], chosen, loaded)
        if ahead is not None:
            ahead.wait()
        make_runner = runner_maker(
            runner, sweep=loaded.sweep, address=joined, options=chosen, ahead=ahead, root=store.root
        )
        done = run_sweep(
            loaded,
            cells,
            store=store,
            make_runner=make_runner,
            options=chosen,
            listener=listener,
            on_queue=on_queue,
        )
        return judged(done, root=root)


def _only(beginnings: Sequence[str], cells: Sequence[Cell]) -> tuple[str, ...]:
    """Completes the beginnings of trials' ids.

    Raises:
        InputError: no cell's id begins so, or several do.
    """
    whole: list[str] = []
    for beginning in beginnings:
        found = [c.trial_id for c in cells if beginning and c.trial_id.startswith(beginning)]
        if len(found) != 1:  # Ids are equally long, so a whole one is the beginning of itself only.
            several = f", with which {len(found)} begin" if found else ""
            raise InputError(
                f"--only: a trial of the sweep is needed, got {beginning!r}{several}."
                " `cliffsweep plan` lists them."
            )
        whole += found
    return tuple(whole)


def _check_needs(cells: Sequence[Cell], options: Options, loaded: LoadedSweep) -> None:
    """Finds out before anything starts that data, a script or the use of devices is wrong."""
    from workloads.config import validate as validate_workload

    files = sweep_files(loaded.sweep.files, base=loaded.folder)
    data_dir = Path(options.data_dir) if options.data_dir else None
    seen = set()
    for cell in cells:
        gpus = options.override(cell.resources).gpu
        asked = cell.config if gpus > 1 else [*map(cell.config.get, ("kind", "task", "run", "env"))]
        needs = repr([gpus, asked])
        if needs not in seen:
            seen.add(needs)
            try:
                program = validate_workload(cell.config)
                program.check(data_dir, files=files)
            except (OSError, RuntimeError, ValueError) as error:
                raise InputError(str(error)) from None
            if gpus > 1:
                try:
                    program.fits_devices(int(gpus))
                except ValueError as error:
                    raise InputError(f"resources.gpu: {error}") from None
