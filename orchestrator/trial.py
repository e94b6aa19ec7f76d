"""Runs one attempt at one trial, wherever it is called: the heart.

Must never know which runner called it, what else is in the sweep, or whether to retry.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from orchestrator.attempt import Attempt, Outcome
from orchestrator.checkpoints import Checkpoints, Pace
from orchestrator.code import folder_here
from orchestrator.control import asked_to_cancel, cancelled
from orchestrator.entries import Entries, device_of
from orchestrator.failures import (
    Cancelled,
    Diverged,
    Stopped,
    TimedOut,
    classify,
    describe,
    end_status,
    is_checkpoint_error,
    nonfinite,
)
from orchestrator.imports import heavy_imports
from orchestrator.resuming import Origin, origin
from orchestrator.rungs import Climb, Rung
from results.errors import StorageError
from results.ledger import Ledger
from results.store import Store
from results.writer import Writer
from workloads.stopwatch import Stopwatch

if TYPE_CHECKING:
    from workloads.config import Progress
    from workloads.state import State

__all__ = ["Attempt", "Course", "Outcome", "run_trial", "trial_in_rungs"]

Course = Generator[Rung, bool, Outcome]  # An attempt that halts at its rungs.
_BEFORE: Final = "stopped early, before its process died; nothing was left to train."


def run_trial(
    attempt: Attempt,
    *,
    at_rung: Callable[[Rung], bool] = lambda rung: False,
    **surroundings: Any,  # noqa: ANN401
) -> Outcome:
    """Claims an attempt, trains it, records it; returns however it ends.

    Whatever a program raises ends the attempt and nothing else, `sys.exit()` among it.

    Args:
        attempt: what to run.
        at_rung: hears what the stopping rule wants to know, and says whether the attempt stops.
        surroundings: as `trial_in_rungs` takes them.

    Raises:
        KeyboardInterrupt: as it came, after the attempt's end was recorded.
    """
    course = trial_in_rungs(attempt, **surroundings)
    try:
        rung = next(course)
        while True:
            rung = course.send(at_rung(rung))
    except StopIteration as ended:
        outcome: Outcome = ended.value
        return outcome


def trial_in_rungs(
    attempt: Attempt,
    *,
    clock: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
    asked_to_leave: Callable[[], bool] = lambda: False,
    on_error: Callable[[BaseException], object] | None = None,
) -> Course:
    """The same, halting at each rung until it is told whether the attempt stops there.

    Args:
        attempt: what to run.
        clock: seconds since 1970, of events and rows.
        monotonic: seconds that never jump, of all that has a length.
        asked_to_leave: looked at after every step; once true, the trial saves itself and leaves.
        on_error: is handed what the program raised, its frames still alive, once that is recorded.

    Yields:
        What the stopping rule wants to know; it is sent back whether the attempt stops. It
        returns how the attempt ended.

    Raises:
        KeyboardInterrupt: as it came, after the attempt's end was recorded.
    """
    run = _Run(attempt, clock, asked_to_leave, Stopwatch(clock=monotonic))
    unclaimed = run.claim()
    if unclaimed is not None:
        return unclaimed
    try:
        stopped = yield from run.train()
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        outcome = run.failed(error)
        if isinstance(error, KeyboardInterrupt):
            raise
        if on_error is not None and outcome.failure_class not in ("cancelled", "preempted"):
            on_error(error)
        return outcome
    return run.ended(stopped)


@dataclass
class _Run:
    """One attempt while it runs."""

    attempt: Attempt
    clock: Callable[[], float]
    asked_to_leave: Callable[[], bool]
    stopwatch: Stopwatch
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._store = Store(self.attempt.root)
        self._ledger = Ledger(self._store, sweep=self.attempt.sweep, clock=self.clock)
        self._entries = Entries(self.attempt, self._ledger, stopwatch=self.stopwatch)
        self._asked_to_cancel = asked_to_cancel(self.attempt)
        self._checkpoints = Checkpoints(self._store, trial_id=self.attempt.trial_id)
        self._origin: str | None = self.attempt.resume_from

    def claim(self) -> Outcome | None:
        """Claims the attempt; returns how it ended where that cannot be."""
        try:
            if self._ledger.claim(self.attempt.trial_id, self.attempt.number):
                return None
        except StorageError as error:
            return Outcome.of(self.attempt, "failed", "storage", str(error), recorded=False)
        return Outcome.of(self.attempt, "foreign")

    def train(self) -> Generator[Rung, bool, str | None]:
        """Iterates the program; returns why it was stopped early, None where it was not."""
        # Late, because torch takes a second that no other part of the program should wait for.
        with heavy_imports("torch._dynamo"):
            import workloads.warm  # noqa: F401
            from workloads.config import validate
            from workloads.kinds import add_folder
            from workloads.state import isolated

        attempt = self.attempt
        for folder in attempt.kinds:
            add_folder(folder_here(self._store, folder))
        seed = attempt.config.get("seed", 0)
        stopped: str | None = _BEFORE
        with isolated(seed=seed if isinstance(seed, int) else 0, threads=attempt.threads):
            found = self._begin_from_checkpoint()
            training = validate(attempt.config).build()
            with self._writer(found) as writer:
                if not attempt.stopped:
                    # What was raised may keep the program's frames; its processes end now.
                    with closing(self._timed(training.train(found.state))) as steps:
                        stopped = yield from self._iterate(steps, found, writer)
                self.stopwatch.turn_to("write")  # What is left of this block: closing the writer.
        with self.stopwatch("checkpoint"):
            self._checkpoints.prune(keep=attempt.checkpoint_keep)
        return stopped

    def _iterate(
        self, steps: Iterator[Progress], found: Origin, writer: Writer
    ) -> Generator[Rung, bool, str | None]:
        """Takes one step after the other: rows first, then the checkpoint of the same step."""
        state, climb = found.state, Climb(self.attempt.ladder, resumed_from=found.step)
        pace = Pace(self.attempt.checkpoint_every, self._total, first=state.step)
        seen, leaving = -1 if found.step is None else found.step, None
        for progress in steps:
            rung = climb.rung(progress, state)
            if progress.step != seen:  # Else it only says that it is still there.
                with self.stopwatch("write"):
                    writer.write(progress.step, climb.metrics(progress, rung), progress.layers)
                seen = progress.step
            self._check(progress)
            leaving = leaving or self._leaving()
            if state.savable or (state.savable is None and (leaving or pace.due(state))):
                self._save(writer, state)
            if leaving is not None and state.savable is None:
                raise leaving
            state.leaving = leaving is not None
            if rung is not None:
                writer.flush()  # What the rule hears of has to be there after a resume.
                if (yield rung) and not rung.final and next(steps, None) is not None:
                    return f"stopped early at {rung}."
        if leaving is not None:
            raise leaving
        return None

    def _timed(self, steps: Iterator[Progress]) -> Generator[Progress]:
        """Passes progress on, and counts the program's own seconds as training."""
        self.stopwatch.turn_to("other")
        while True:
            with self.stopwatch("train"):
                progress = next(steps, None)
            if progress is None:
                return
            yield progress

    def _total(self) -> float:
        return self.stopwatch.total

    def _leaving(self) -> Exception | None:
        """Why the trial should save itself and end now, if it should."""
        leave = self.asked_to_leave()  # Who cancels the whole sweep asks for both.
        if self._asked_to_cancel() or (leave and cancelled(self.attempt)):
            return Cancelled("cancelled by the user; a retry goes on from its checkpoint.")
        if leave:
            return Stopped("left when asked to; it goes on from its checkpoint.")
        return None

    def failed(self, error: BaseException) -> Outcome:
        """Records what was raised, and deletes a checkpoint that would be refused for ever."""
        if self._origin is not None and is_checkpoint_error(error):
            self._checkpoints.discard(self._origin)
        failure_class, detail = classify(error), describe(error)
        status = end_status(failure_class)
        recorded = self._entries.end(status, failure_class=failure_class, detail=detail)
        outcome = Outcome.of(self.attempt, status, failure_class, detail, recorded=recorded)
        return replace(outcome, warnings=self.warnings)

    def ended(self, stopped: str | None) -> Outcome:
        """Records that the program came to its end, or why it was stopped before."""
        status = "completed" if stopped is None else "stopped"
        if self._entries.end(status, detail=stopped):
            outcome = Outcome.of(self.attempt, status, detail=stopped)
            return replace(outcome, warnings=self.warnings)
        detail = (
            f"{self._store.root}: it takes the end of an attempt, got none. Check that storage."
        )
        return Outcome.of(self.attempt, "failed", "storage", detail, recorded=False)

    def _begin_from_checkpoint(self) -> Origin:
        """Opens what the attempt goes on from and records its start."""
        self._entries.device = device_of(self.attempt.resources)
        found = origin(
            self.attempt,
            checkpoints=self._checkpoints,
            ledger=self._ledger,
            device=self._entries.device,
            stopwatch=self.stopwatch,
        )
        self._origin, self.warnings = found.name, found.warnings
        self._entries.begin(found.step, found.warnings)
        return found

    def _writer(self, found: Origin) -> Writer:
        return Writer(
            self._store,
            sweep=self.attempt.sweep,
            trial_id=self.attempt.trial_id,
            attempt=self.attempt.number,
            resumed_from=found.step,
            carried=found.carried,
            clock=self.clock,
        )

    def _check(self, progress: Progress) -> None:
        # Before the first update nothing can diverge: norms have no statistics yet, and a squared
        # activation may overflow in the evaluation of a model that trains well.
        bad = nonfinite(progress.metrics) if progress.step > 0 else None
        if bad is not None:
            value = progress.metrics[bad]
            raise Diverged(
                f"{bad}: a loss is finite, got {value} at step {progress.step}."
                " Lower the learning rate or clip the gradient."
            )
        limit = self.attempt.timeout_s
        if limit is not None and self.stopwatch.total > limit:
            raise TimedOut(
                f"trial_timeout: a trial ends within {limit:g} s, got step {progress.step} by then."
                " Raise trial_timeout or train less."
            )

    def _save(self, writer: Writer, state: State) -> None:
        """Saves the state of the step just written.

        The rows come first: no checkpoint may outlive the rows that it rests on.
        """
        with self.stopwatch("write"):
            writer.flush()
        with self.stopwatch("checkpoint"):
            self._checkpoints.save(
                attempt=self.attempt.number,
                step=state.step,
                fill=state.save,
                carried=writer.carried(),
            )
            # One more than asked for: it is what a damaged newest one costs no more than.
            self._checkpoints.prune(keep=self.attempt.checkpoint_keep + 1)
