"""Runs a few cells for a short while, to learn what all of them will cost.

Must never leave anything behind, nor count as a run of the sweep.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from orchestrator.attempt import Attempt, Outcome
from orchestrator.difference import Difference
from orchestrator.driver import Options, run_sweep
from orchestrator.errors import InputError
from orchestrator.expand import Cell, trial_id
from orchestrator.likeness import Likeness
from orchestrator.planning import Plan
from orchestrator.provenance import host
from orchestrator.queue import Tally
from orchestrator.resources import Resources
from orchestrator.runners import Runner
from orchestrator.seen import Seen, seen_in
from orchestrator.spec import Checkpoint
from orchestrator.spec_load import LoadedSweep
from results.ledger import Ledger
from results.place import Place
from results.query import open_stores
from results.store import Store
from workloads.config import validate
from workloads.kinds import canonical

__all__ = ["PROBES", "Probed", "most_held", "probe"]

PROBES: Final = 4
"""Cells of a probe."""
SHARE: Final = 10
"""A probe takes this part of a cell's steps, so many times shorter."""
FEWEST_STEPS: Final = 20
MOST_CANDIDATES: Final = 300
"""Cells among which the most telling are looked for, evenly spaced in running order."""
_PROGRESS: Final = "SELECT trial_id, arg_max(value, step) AS step_s FROM metrics WHERE" + (
    " name = 'step_time_s' AND layer IS NULL AND value > 0 GROUP BY trial_id"
)


@dataclass(frozen=True, slots=True)
class Probed:
    """What a probe found.

    Attributes:
        seen: what its cells cost.
        memory: bytes that a worker held at most; None where the system does not say.
        cells: how many ran.
    """

    seen: Seen
    memory: int | None
    cells: int


def probe(
    loaded: LoadedSweep,
    cells: Sequence[Cell],
    *,
    folder: Place,
    make_runner: Callable[[Sequence[Resources]], Runner],
    options: Options,
) -> Probed:
    """Runs the most telling cells, shortened, in a folder of their own that goes again.

    Args:
        loaded: the sweep.
        cells: those that are left, in running order; at least one.
        folder: where the probe's rows stand meanwhile; workers reach it.
        make_runner: as of the driver.
        options: as of the driver.

    Raises:
        InputError: the program does not say how long it trains, or all probes failed.
        CliffsweepError: as a run.
    """
    alone, chosen = _alone(loaded), list(map(_shortened, _telling(cells)))
    place = folder / f".probe-{secrets.token_hex(6)}"
    store = Store(place / loaded.sweep.name)
    ledger = Ledger(store, sweep=loaded.sweep.name)
    memory = _Memory(ledger)
    try:
        run_sweep(
            alone, chosen, store=store, make_runner=make_runner, options=options, listener=memory
        )
        with open_stores([store.root]) as reader:
            rows = reader.sql(_PROGRESS).to_pylist()
        seen = seen_in(ledger, step_s={row["trial_id"]: row["step_s"] for row in rows})
        if not seen.costs:
            raise InputError(f"--probe: cells that run are needed, got: {_reason(ledger)}")
        return Probed(seen, memory.most, len(seen.costs))
    finally:
        for name in store.list():
            store.delete(name)
        if isinstance(place, Path):
            shutil.rmtree(place, ignore_errors=True)


def _reason(ledger: Ledger) -> str:
    """Why a cell failed, in a line."""
    details = [event.detail for event in ledger.events() if event.detail]
    return details[0].partition("\n")[0] if details else "no event"


def _alone(loaded: LoadedSweep) -> LoadedSweep:
    """The sweep as far as its cells are concerned: no search, no checkpoints, no second tries."""
    changes: dict[str, Any] = {"method": "grid", "search": {}, "checkpoint": Checkpoint(every=None)}
    retry = loaded.sweep.retry.model_copy(update={"max": 0})
    return replace(loaded, sweep=loaded.sweep.model_copy(update=changes | {"retry": retry}))


def _telling(cells: Sequence[Cell]) -> list[Cell]:
    """The cells that tell most of what all together cost."""
    places = np.unique(np.linspace(0, len(cells) - 1, min(len(cells), MOST_CANDIDATES)).astype(int))
    some = [cells[place] for place in places]
    likeness = Likeness([cell.config for cell in some])
    weights = np.array([_steps(cell.config) for cell in some], dtype=float)
    return [some[i] for i in likeness.telling(range(len(some)), weights, most=PROBES)]


def _steps(config: Mapping[str, Any]) -> int:
    length = validate(config).length
    if length is None:
        raise InputError(
            f"--probe: the program says beforehand how long it trains, got {config['kind']!r},"
            " which does not. Run some of its cells (run --only TRIAL); `plan` learns from those."
        )
    return length.steps


def _shortened(cell: Cell) -> Cell:
    """A tenth of a cell, at least 20 steps, and never more than the whole."""
    program = validate(cell.config)
    whole = _steps(cell.config)
    steps = max(FEWEST_STEPS, -(-whole // SHARE))
    short = program.shortened(steps + steps % 2) if steps + 1 < whole else None
    config = cell.config if short is None else canonical(short)
    return replace(
        cell, config=config, trial_id=trial_id(config), baseline_id=None, score_rule=None
    )


class _Memory:
    """Listens to a probe, and looks at its workers while they are warm."""

    def __init__(self, ledger: Ledger) -> None:
        """Takes where the workers say who they are."""
        self.most: int | None = None
        self._ledger = ledger

    def ended(self, tally: Tally, outcome: Outcome, verdict: str) -> None:
        """Looks at the worker whose trial ended, which waits for the next one."""
        event = self._ledger.end(outcome.trial_id, outcome.number)
        if event is not None and event.host == host() and event.pid is not None:
            held = most_held(event.pid)
            if held is not None:
                self.most = max(held, self.most or 0)

    def changed(self, difference: Difference) -> None:
        """A probe's folder is new."""

    def planned(self, plan: Plan, left: int) -> None:
        """A probe's cells are known."""

    def started(self, tally: Tally, attempt: Attempt) -> None:
        """What a worker holds is looked at when it ends."""

    def warned(self, sentence: str) -> None:
        """What goes wrong beside the trials is no matter."""


def most_held(pid: int) -> int | None:
    """Bytes of memory that a process has held at most; None where the system does not say."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    found = re.search(r"^VmHWM:\s+(\d+) kB$", text, re.MULTILINE)
    return None if found is None else int(found[1]) * 1024
