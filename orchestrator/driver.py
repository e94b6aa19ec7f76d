"""Runs a sweep: what it asks for, less what its store already holds.

Must never know which runner does the work, nor how progress is shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from orchestrator.asking import Asking, asking
from orchestrator.attempt import Attempt, Outcome
from orchestrator.budget import Meter
from orchestrator.code import keep, newest_record
from orchestrator.control import STOP, Asked, heeded, stale
from orchestrator.difference import Difference, difference
from orchestrator.ending import Ends
from orchestrator.errors import GateError, Interrupted, LeaseError
from orchestrator.expand import Cell
from orchestrator.judging import Judging
from orchestrator.keeping import Keeper
from orchestrator.lease import NOT_RENEWED, Lease
from orchestrator.options import Options
from orchestrator.paths import leave_name
from orchestrator.planning import Plan, make_plan, record_new, record_plan, work_left
from orchestrator.provenance import Code, code_version
from orchestrator.queue import Gates, Tally, TrialQueue
from orchestrator.runners import Runner
from orchestrator.spec import Resources, Retry, Sweep
from orchestrator.spec_load import LoadedSweep
from orchestrator.summary import Listener, Summary, summary_of
from results.ledger import Ledger
from results.links import refuse_links
from results.store import Store

__all__ = ["Listener", "Options", "Summary", "run_sweep"]

FOLD_EVERY: Final = 50
"""Ended attempts, two events each, after which loose events are folded."""

RunnerMaker = Callable[[Sequence[Resources]], Runner]


def run_sweep(
    loaded: LoadedSweep,
    cells: Sequence[Cell],
    *,
    store: Store,
    make_runner: RunnerMaker,
    options: Options | None = None,
    listener: Listener | None = None,
    clock: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
    on_queue: Callable[[TrialQueue], None] = lambda queue: None,
) -> Summary:
    """Plans, runs what is left, and returns how it stands.

    Args:
        loaded: the sweep file.
        cells: its cells, in running order.
        store: the run directory.
        make_runner: given all demands that occur, makes the place where attempts run. It is not
            called when nothing is left.
        options: what the command line adds.
        listener: hears what happens.
        clock: seconds since 1970, for what is stored.
        monotonic: seconds that never jump, for how long it took.
        on_queue: is handed the queue, to stop it from a signal handler.

    Raises:
        LeaseError: another driver works on this run directory, or may by now.
        GateError: too much failed.
        Interrupted: the queue was stopped from outside.
        RunnerError: the cluster did not start, or a trial fits nowhere.
        StorageError: the run directory cannot be written.
    """
    begun = monotonic()
    refuse_links(store.root)
    chosen = options or Options()
    with Lease(store, steal=chosen.steal) as lease:
        session = _Session(loaded, cells, store, chosen, listener, clock)
        session.open()
        left = session.left()
        if listener is not None:
            listener.changed(session.difference)
            plan = replace(session.plan, to_come=session.most - session.plan.total)
            listener.planned(plan, len(left) + plan.to_come)
        tally = Tally()
        if left:
            tally = session.work(left, make_runner, lease, on_queue)
        else:
            session.ledger.sweep_superseded()
        return session.summary(tally, monotonic() - begun)


@dataclass(slots=True)
class _Session:
    """One run of the driver on one run directory."""

    loaded: LoadedSweep
    cells: Sequence[Cell]
    store: Store
    options: Options
    listener: Listener | None
    clock: Callable[[], float]
    ledger: Ledger = field(init=False)
    plan: Plan = field(init=False)
    difference: Difference = field(init=False)
    asking: Asking | None = field(init=False)
    code: Code = field(init=False)
    ends: Ends = field(init=False)
    judging: Judging = field(init=False)
    by_id: dict[str, Cell] = field(default_factory=dict)
    kinds: tuple[str, ...] = ()
    files: str | None = None
    leave: str = field(init=False)
    keeper: Keeper = field(init=False)
    meter: Meter = field(init=False)
    ended: int = 0

    @property
    def sweep(self) -> Sweep:
        """The sweep file's values."""
        return self.loaded.sweep

    def open(self) -> None:
        """Records file, code and plan, and closes attempts that a dead driver left open."""
        self.ledger = Ledger(self.store, sweep=self.sweep.name, clock=self.clock)
        self.leave = leave_name(self.clock())
        for request in stale(self.store):
            self.store.delete(request)
        before = newest_record(self.store)
        files = [(name, self.loaded.folder / name) for name in self.sweep.files]
        kept = keep(self.store, self.loaded.data, self.options.kinds, files=files, now=self.clock())
        self.kinds, self.files = kept.kinds, kept.files
        self.ledger.fold_trials()
        known, latest = self.ledger.trials(), self.ledger.latest()
        self.code = code_version(Path(__file__).parent)
        self.asking = asking(self.loaded, self.store, warn=self._warn)
        cells = self.cells if self.asking is None else self.asking.known(known, latest)
        self.plan = make_plan(self.sweep.name, cells, known)
        self.difference = difference(
            self.plan, known, latest, sweep=self.sweep, before=before, code=self.code
        )
        record_plan(self.plan, self.ledger, code=self.code, goal=self.sweep.metrics[0].goal)
        self.ends = Ends(self.ledger, sweep=self.sweep.name)
        self.by_id = {planned.cell.trial_id: planned.cell for planned in self.plan.cells}
        spent = self.ledger.events() if self.sweep.budget.limited else []
        self.meter = Meter(self.sweep.budget, spent, gpus=self._gpus)
        self.ends.close_orphans()
        self.judging = Judging(self.sweep)
        self.judging.replay(cells, store=self.store, ledger=self.ledger)
        self.ledger.fold()
        self.keeper = Keeper(self.store, sweep=self.sweep.name, warn=self._warn, clock=self.clock)

    def _warn(self, sentence: str) -> None:
        if self.listener is not None:
            self.listener.warned(sentence)

    def left(self) -> list[Cell]:
        """Cells that this run has to do, as far as they are known."""
        left = work_left(self.plan, self.ledger.latest())
        if not left and self.asking is not None and not self.options.only:
            left = self._new_cells() or []
        return [cell for cell in left if self._asked(cell)]

    def _new_cells(self) -> list[Cell] | None:
        """What the search asks for next, planned; None: nothing more."""
        assert self.asking is not None
        new = self.asking.more()
        if new:
            self.plan = self.plan.grown(new)
            adaptive = self.asking.adaptive
            record_new(new, self.ledger, sweep=self.sweep, code=self.code, adaptive=adaptive)
        return new

    @property
    def most(self) -> int:
        """Trials that there may be at the end."""
        return self.plan.total if self.asking is None else self.asking.most

    def _asked(self, cell: Cell) -> bool:
        return not self.options.only or cell.trial_id in self.options.only

    def work(
        self,
        left: Sequence[Cell],
        make_runner: RunnerMaker,
        lease: Lease,
        on_queue: Callable[[TrialQueue], None],
    ) -> Tally:
        """Runs the cells that are left.

        Raises:
            GateError: too much failed.
            LeaseError: the lease could not be renewed.
            Interrupted: somebody stopped the queue.
        """
        queue = self._queue(left, lease)
        on_queue(queue)
        self.keeper.begin()
        asked = [*(self.asking.demands if self.asking else []), *(c.resources for c in left)]
        demands = dict.fromkeys(map(self.options.override, asked))
        try:
            with heeded(Asked(self.store, STOP), queue.stop):
                make_runner(tuple(demands)).run(queue)
        except KeyboardInterrupt:
            raise Interrupted(f"{self.sweep.name}: ended at once.", sweep=self.sweep.name) from None
        self.ledger.fold()
        self.keeper.finish()
        self.ledger.sweep_superseded()
        self._raise_if_stopped(queue, lease)
        return queue.tally

    def _queue(self, left: Sequence[Cell], lease: Lease) -> TrialQueue:
        self.by_id |= {cell.trial_id: cell for cell in left}
        queue = TrialQueue(
            [cell.trial_id for cell in left],
            make=lambda trial_id: self._attempt(self.by_id[trial_id]),
            retry=Retry(max=0) if self.options.once else self.sweep.retry,
            gates=Gates(
                max_failed=self.sweep.max_failed_trials.of(self.most),
                max_consecutive=self.sweep.max_consecutive_failures,
            ),
            may_start=lambda: not lease.lost,
            on_start=lambda attempt: self._started(queue, attempt),
            on_outcome=lambda outcome, verdict: self._ended(queue, outcome, verdict),
            on_stop=lambda: self.store.put(self.leave, b""),
            settle=self.ends.settled,
            on_warning=self._warn,
            admit=self.meter.admit if self.sweep.budget.limited else None,
            more=None if self.asking is None or self.options.only else self._more,
            at_rung=lambda attempt, rung: self.judging.stops(self.by_id[attempt.trial_id], rung),
        )
        return queue

    def _more(self) -> list[str] | None:
        """Ids of the trials that the search asks for next; None: no more will come."""
        new = self._new_cells()
        self.by_id |= {cell.trial_id: cell for cell in new or ()}
        return None if new is None else [cell.trial_id for cell in new]

    def _raise_if_stopped(self, queue: TrialQueue, lease: Lease) -> None:
        name = self.sweep.name
        if queue.stop_reason is not None:
            raise GateError(queue.stop_reason, sweep=name)
        if queue.stopping and lease.lost:
            raise LeaseError(f"{name}: {NOT_RENEWED}")
        if queue.stopping and (queue.tally.left or not queue.finished):
            raise Interrupted(f"{name}: interrupted.", sweep=name)

    def _attempt(self, cell: Cell) -> Attempt:
        return Attempt(
            root=str(self.store.root),
            sweep=self.sweep.name,
            trial_id=cell.trial_id,
            number=(number := self.ledger.attempts(cell.trial_id)),
            config=cell.config,
            resources=self.options.override(cell.resources),
            resume_from=self.ledger.usable_checkpoint(cell.trial_id) if number else None,
            checkpoint_every=self.sweep.checkpoint.every,
            checkpoint_keep=self.sweep.checkpoint.keep,
            timeout_s=self.sweep.trial_timeout,
            kinds=self.kinds,
            files=self.files,
            data_dir=self.options.data_dir,
            leave=self.leave,
            ladder=self.judging.ladder(cell),
            stopped=self.judging.stopped(cell),
            grace_s=self.sweep.grace,
        )

    def _gpus(self, trial_id: str) -> float:
        cell = self.by_id.get(trial_id)  # None: no longer asked for.
        return self.options.override(cell.resources if cell else self.sweep.resources).gpu

    def _started(self, queue: TrialQueue, attempt: Attempt) -> None:
        self.meter.started(attempt.trial_id)
        if self.listener is not None:
            self.listener.started(queue.tally, attempt)

    def _ended(self, queue: TrialQueue, outcome: Outcome, verdict: str) -> None:
        for sentence in outcome.warnings:
            self._warn(f"{outcome.trial_id} attempt {outcome.number}: {sentence}")
        if self.asking is not None and verdict != "retry":
            self.asking.heard(outcome.trial_id, outcome.status, outcome.failure_class)
        self.meter.ended(outcome.trial_id)
        self.ended += 1
        if self.ended % FOLD_EVERY == 0:
            self.ledger.fold()
        self.keeper.ended(last=queue.finished)
        if self.listener is not None:
            self.listener.ended(replace(queue.tally), outcome, verdict)

    def summary(self, tally: Tally, wall_s: float) -> Summary:
        """How the sweep stands now."""
        return summary_of(self.plan, self.ledger.latest(), tally, asked=self._asked, wall_s=wall_s)
