"""The forecast of a sweep as functions: made before it runs, judged when it has.

Must never run a trial of the sweep itself; a probe's are none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Any

from orchestrator.code import kinds_folders
from orchestrator.forecasting import Asked, Forecast, Room, forecast
from orchestrator.paths import (
    forecast_of,
    newest_sweep_file,
    run_directories,
    run_directory,
    storage_root,
)
from orchestrator.seen import Seen, seen_in
from orchestrator.summary import Judged, Summary
from results.errors import ResultsError
from results.ledger import Ledger
from results.place import Place
from results.store import Store

if TYPE_CHECKING:
    from orchestrator.driver import Options
    from orchestrator.expand import Cell
    from orchestrator.planning import Plan
    from orchestrator.probing import Probed
    from orchestrator.spec_load import LoadedSweep

__all__ = ["foresee", "judged"]

_MOST_SWEEPS = 5
"""Other sweeps of the storage, the newest, whose finished cells are looked at."""
_MOST_CELLS = 3000
"""Cells that are looked at one by one; of more, as many evenly spaced ones stand for all."""


def foresee(
    plan: Plan,
    loaded: LoadedSweep,
    *,
    storage: str | None = None,
    kinds: Sequence[str] = (),
    runner: str = "ray_tune",
    address: str | None = None,
    options: Options | None = None,
    at_a_time: int | None = None,
    probe: bool = False,
) -> Forecast | None:
    """Forecasts what is left of a plan, from finished cells like its own or from a probe.

    Args:
        plan: the cells.
        loaded: their sweep.
        storage: where run directories stand.
        kinds: more folders with the user's kinds.
        runner: that will run them; a probe is run by it too.
        address: of a Ray cluster.
        options: overrides of the file.
        at_a_time: trials that run at the same time; None: as many as fit on this machine.
        probe: whether to run a few short cells for it.

    Returns:
        None where nothing is left, or nothing is known of such cells. A forecast is kept, so that
        the run can be compared with it.

    Raises:
        InputError: a probe cannot be.
        CliffsweepError: a probe's run failed.
    """
    from orchestrator.planning import work_left

    root = storage_root(storage, in_file=loaded.sweep.storage)
    place = run_directory(root, loaded.sweep.name)
    ledger = Ledger(Store(place), sweep=loaded.sweep.name)
    left = work_left(plan, ledger.latest())
    alike, more = _to_come(loaded, Store(place))
    count, some = len(left) + more, [*left, *alike]
    if not count:
        return None
    probed = _probed(loaded, some, kinds, root, runner, address, options) if probe else None
    found = forecast(
        [_asked(cell, options) for cell in some[:: -(-len(some) // _MOST_CELLS)]],
        _seen(ledger, loaded.sweep.name, root, probed),
        of=count,
        room=_room(loaded, runner=runner, at_a_time=at_a_time),
        memory=None if probed is None else probed.memory,
        probed=probe,
    )
    if found is not None:
        kept, name = forecast_of(place)
        kept.put(name, json.dumps(found.as_dict()).encode())
    return found


def _seen(ledger: Ledger, sweep: str, root: Place, probed: Probed | None) -> Seen:
    """What is known of costs: a probe's and the sweep's own, else those of other sweeps."""
    seen = seen_in(ledger)
    if probed is not None:
        return probed.seen + seen
    return seen if seen.costs else _others(root, apart_from=sweep)


def judged(summary: Summary, *, root: Place) -> Summary:
    """Compares the newest forecast of a sweep with what came, once.

    Args:
        summary: of the run that is over.
        root: its run directory.

    Returns:
        The summary with how right the forecast was; the same where there was none.
    """
    return replace(summary, forecast=_judge(summary, root))


def _judge(summary: Summary, root: Place) -> Judged | None:
    store, name = forecast_of(root)
    if not store.exists(name):
        return None
    told: dict[str, Any] = json.loads(store.read(name))
    ledger = Ledger(Store(root), sweep=summary.sweep)
    took = {
        event.trial_id: sum(event.seconds.values())
        for event in ledger.events()
        if event.status == "completed" and event.seconds is not None
    }
    both = [(told["seconds"][id_], took[id_]) for id_ in told["seconds"] if took.get(id_)]
    if not both:
        return None
    store.delete(name)
    errors = sorted(abs(expected / actual - 1) for expected, actual in both)
    whole = told["cells"] == summary.trained
    return Judged(
        wall_s=told["wall_s"],
        took_s=summary.wall_s if whole else None,
        cells=len(both),
        median_error=median(errors),
        worst_error=errors[min(len(errors) - 1, int(0.9 * len(errors)))],
    )


def _asked(cell: Cell, options: Options | None) -> Asked:
    resources = cell.resources if options is None else options.override(cell.resources)
    return Asked(cell.trial_id, cell.config, resources)


def _to_come(loaded: LoadedSweep, store: Store) -> tuple[list[Cell], int]:
    """Cells such as a search will ask for, and how many it may; none where all are known."""
    from orchestrator.asking import planned, samples

    alike = samples(loaded)
    return alike, planned(loaded, store)[1] if alike else 0


def _room(loaded: LoadedSweep, *, runner: str, at_a_time: int | None) -> Room:
    """What this machine runs at a time, or what the user says of another."""
    most = loaded.sweep.max_concurrent_trials
    if runner == "inline":
        return Room(cpus=float("inf"), gpus=float("inf"), most=1)
    if at_a_time is not None:
        return Room(cpus=float("inf"), gpus=float("inf"), most=at_a_time)
    from workloads.devices import gpus

    return Room(
        cpus=len(os.sched_getaffinity(0)),
        gpus=len(gpus()),
        most=most if isinstance(most, int) else None,
    )


def _others(root: Place, *, apart_from: str) -> Seen:
    """What the cells of other sweeps in the storage cost."""
    stores = [Store(path) for path in run_directories(root) if path.name != apart_from]
    newest = sorted(stores, key=lambda store: newest_sweep_file(store) or "")
    seen = Seen()
    for store in newest[-_MOST_SWEEPS:]:
        try:
            seen = seen + seen_in(Ledger(store, sweep=store.root.name))
        except (ResultsError, ValueError):
            continue  # Written by another version, or with kinds that are not at hand.
    return seen


def _probed(
    loaded: LoadedSweep,
    left: Sequence[Cell],
    kinds: Sequence[str],
    root: Place,
    runner: str,
    address: str | None,
    options: Options | None,
) -> Probed:
    from orchestrator.driver import Options
    from orchestrator.probing import probe
    from orchestrator.runners.choose import runner_maker

    folders = kinds_folders(loaded.sweep.kinds, base=loaded.folder, given=kinds)
    chosen = replace(options or Options(), kinds=tuple(folders), only=())
    make_runner = runner_maker(runner, sweep=loaded.sweep, address=address, options=chosen)
    return probe(loaded, left, folder=root, make_runner=make_runner, options=chosen)
