"""Runs a sweep: what it asks for, less what its store already holds.

Must never know which runner does the work, nor how progress is shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from orchestrator.attempt import Attempt, Outcome
from orchestrator.code import keep, newest_record
from orchestrator.control import STOP, Asked, stale
from orchestrator.difference import Difference, difference
from orchestrator.errors import GateError, Interrupted, LeaseError
from orchestrator.expand import Cell
from orchestrator.failures import end_status
from orchestrator.keeping import Keeper
from orchestrator.lease import NOT_RENEWED, Lease
from orchestrator.options import Options
from orchestrator.paths import leave_name
from orchestrator.planning import Plan, make_plan, record_plan, status_counts, work_left
from orchestrator.provenance import code_version
from orchestrator.queue import Gates, Tally, TrialQueue
from orchestrator.runners import Runner
from orchestrator.spec import Resources, Retry, Sweep
from orchestrator.spec_load import LoadedSweep
from orchestrator.summary import Listener, Summary
from results.ledger import Event, Ledger
from results.links import refuse_links
from results.store import Store

__all__ = ["Listener", "Options", "Summary", "run_sweep"]

FOLD_EVERY: Final = 250
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
            listener.planned(session.plan, len(left))
        tally = Tally()
        if left:
            tally = session.work(left, make_runner, lease, on_queue)
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
    kinds: tuple[str, ...] = ()
    files: str | None = None
    leave: str = field(init=False)
    keeper: Keeper = field(init=False)
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
        self.kinds = tuple(map(str, kept.kinds))
        self.files = None if kept.files is None else str(kept.files)
        known, code = self.ledger.trials(), code_version(Path(__file__).parent)
        self.plan = make_plan(self.sweep.name, self.cells, known)
        self.difference = difference(
            self.plan, known, self.ledger.latest(), sweep=self.sweep, before=before, code=code
        )
        record_plan(self.plan, self.ledger, code=code, goal=self.sweep.metric.goal)
        self._close_orphans()
        self.ledger.fold()
        self.ledger.sweep_superseded()
        self.keeper = Keeper(self.store, sweep=self.sweep.name, warn=self._warn, clock=self.clock)

    def _warn(self, sentence: str) -> None:
        if self.listener is not None:
            self.listener.warned(sentence)

    def _close_orphans(self) -> None:
        """Ends attempts that have no end: their driver is gone, since this one has the lease."""
        for event in self.ledger.latest().values():
            if event.status == "running":
                self._record_end(
                    event.trial_id,
                    event.attempt,
                    failure_class="preempted",
                    detail="the driver went away; the trial goes on from its last checkpoint.",
                )

    def left(self) -> list[Cell]:
        """Cells that this run has to do."""
        left = work_left(self.plan, self.ledger.latest())
        return [cell for cell in left if self._asked(cell)]

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
        by_id = {cell.trial_id: cell for cell in left}
        asked_to_stop = Asked(self.store, STOP)
        queue = TrialQueue(
            list(by_id),
            make=lambda trial_id: self._attempt(by_id[trial_id]),
            retry=Retry(max=0) if self.options.once else self.sweep.retry,
            gates=Gates(
                max_failed=self.sweep.max_failed_trials.of(self.plan.total),
                max_consecutive=self.sweep.max_consecutive_failures,
            ),
            may_start=lambda: not lease.lost and not asked_to_stop(),
            on_start=lambda attempt: self._started(queue, attempt),
            on_outcome=lambda outcome, verdict: self._ended(queue, outcome, verdict),
            on_stop=lambda: self.store.put(self.leave, b""),
            settle=self._settled,
        )
        on_queue(queue)
        demands = {self.options.override(cell.resources): None for cell in left}
        try:
            make_runner(tuple(demands)).run(queue)
        except KeyboardInterrupt:
            raise Interrupted(f"{self.sweep.name}: ended at once.", sweep=self.sweep.name) from None
        self.ledger.fold()
        self.ledger.sweep_superseded()
        self.keeper.finish()
        self._raise_if_stopped(queue, lease)
        return queue.tally

    def _raise_if_stopped(self, queue: TrialQueue, lease: Lease) -> None:
        name = self.sweep.name
        if queue.stop_reason is not None:
            raise GateError(queue.stop_reason, sweep=name)
        if queue.stopping and lease.lost:
            raise LeaseError(f"{name}: {NOT_RENEWED}")
        if queue.stopping and (queue.tally.waiting or queue.tally.left or queue.tally.running):
            raise Interrupted(f"{name}: interrupted.", sweep=name)

    def _attempt(self, cell: Cell) -> Attempt:
        return Attempt(
            root=str(self.store.root),
            sweep=self.sweep.name,
            trial_id=cell.trial_id,
            number=self.ledger.attempts(cell.trial_id),
            config=cell.config,
            resources=self.options.override(cell.resources),
            resume_from=self.ledger.usable_checkpoint(cell.trial_id),
            checkpoint_every=self.sweep.checkpoint.every,
            checkpoint_keep=self.sweep.checkpoint.keep,
            timeout_s=self.sweep.trial_timeout,
            kinds=self.kinds,
            files=self.files,
            data_dir=self.options.data_dir,
            leave=self.leave,
            grace_s=self.sweep.grace,
        )

    def _started(self, queue: TrialQueue, attempt: Attempt) -> None:
        if self.listener is not None:
            self.listener.started(queue.tally, attempt)

    def _settled(self, outcome: Outcome) -> Outcome:
        """What the store holds of an attempt's end, once and for all.

        A worker taken for dead may have completed a moment ago or be about to, and one whose
        storage answered with an error may have stored its end all the same: the first end that is
        there stands, or a retry would complete the trial a second time.
        """
        if outcome.recorded or self._record_end(
            outcome.trial_id,
            outcome.number,
            failure_class=outcome.failure_class or "worker_lost",
            detail=outcome.detail or "",
        ):
            return outcome
        event = self.ledger.end(outcome.trial_id, outcome.number)
        if event is None:
            return outcome
        return replace(
            outcome,
            status=event.status,
            failure_class=event.failure_class,
            detail=event.detail,
            recorded=True,
        )

    def _ended(self, queue: TrialQueue, outcome: Outcome, verdict: str) -> None:
        for sentence in outcome.warnings:
            self._warn(f"{outcome.trial_id} attempt {outcome.number}: {sentence}")
        self.ended += 1
        if self.ended % FOLD_EVERY == 0:
            self.ledger.fold()
        self.keeper.ended(last=queue.finished)
        if self.listener is not None:
            self.listener.ended(replace(queue.tally), outcome, verdict)

    def _record_end(self, trial_id: str, number: int, *, failure_class: str, detail: str) -> bool:
        """Writes the end of an attempt whose worker could not; False where one is there."""
        return self.ledger.record(
            Event(
                sweep=self.sweep.name,
                trial_id=trial_id,
                attempt=number,
                status=end_status(failure_class),
                failure_class=failure_class,
                detail=detail,
            )
        )

    def summary(self, tally: Tally, wall_s: float) -> Summary:
        """How the sweep stands now."""
        latest = self.ledger.latest()
        left = work_left(self.plan, latest)
        asked = sum(self._asked(planned.cell) for planned in self.plan.cells)
        return Summary(
            sweep=self.sweep.name,
            total=self.plan.total,
            counts=dict(status_counts(self.plan, latest)),
            asked=asked,
            done=asked - sum(self._asked(cell) for cell in left),
            trained=tally.completed,
            retried=tally.retried,
            wall_s=wall_s,
            removed=len(self.plan.removed),
        )
