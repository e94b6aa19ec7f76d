"""Decides what runs next, what is tried again, and when a sweep has failed too much to go on.

Must never know where attempts run; time is a clock it is given.
"""

from __future__ import annotations

import heapq
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, InitVar, dataclass, field
from typing import Final

from orchestrator.attempt import Attempt, Outcome
from orchestrator.failures import retries
from orchestrator.rungs import Rung
from orchestrator.spec import Retry

__all__ = ["Gates", "Tally", "TrialQueue"]


FOREIGN_RETRIES: Final = 3
"""Goes at a trial whose attempt another process claimed first: a worker of a driver that is gone,
since this one holds the lease. The next attempt has the next number."""


_jitter: Final = random.Random().random
"""Of its own, since trials in this process reset the module's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """How much may fail before the sweep stops.

    Attributes:
        max_failed: trials that may fail; one more stops the sweep.
        max_consecutive: failures in a row, of any trials, that stop it.
    """

    max_failed: int
    max_consecutive: int


@dataclass(slots=True)
class Tally:
    """What happened so far in one run of the driver.

    Attributes:
        completed: trials that completed.
        stopped: trials that a stopping rule ended early.
        failed: trials whose retries are spent.
        retried: attempts that failed and are tried again.
        foreign: trials given up because other processes took every attempt at them.
        cancelled: trials that the user ended.
        left: attempts that saved themselves and left because the run stops.
        running: attempts under way; handed out is not yet under way.
        waiting: trials not yet started, retries among them.
    """

    completed: int = 0
    stopped: int = 0
    failed: int = 0
    retried: int = 0
    foreign: int = 0
    cancelled: int = 0
    left: int = 0
    running: int = 0
    waiting: int = 0


@dataclass(order=True, slots=True)
class _Waiting:
    due: float
    rank: int
    trial_id: str = field(compare=False)


@dataclass(eq=False)
class TrialQueue:
    """The trials of one run of the driver, in order, with their retries.

    Attributes:
        trial_ids: what to run, in order.
        make: builds the next attempt at a trial, when it is about to start.
        retry: budgets and waits.
        gates: when to stop.
        clock: seconds that never jump back.
        jitter: a number from 0 to 1 that spreads retries, so that what failed together is not tried
            again together.
        may_start: asked before each start; the first no stops the queue.
        on_start: hears of each attempt when it really starts.
        on_outcome: hears each outcome with its verdict: `completed`, `stopped` (early), `retry`,
            `failed`, `cancelled`, `left` (it saved itself because the run stops) or `foreign`
            (other processes took every attempt).
        on_stop: called once, when nothing more starts and what runs should leave.
        settle: given what a runner believes of an attempt's end, says what stands.
        more: asked for further trials whenever none is due; None from it: no more will come.
        on_warning: hears what the runner wants the user to know.
        at_rung: hears of an attempt at a rung, and says whether it should stop there.
        admit: asked with each trial before it is taken; a sentence from it says why neither it nor
            what comes behind it is to start, while what runs finishes.
        tally: what happened so far.
        stop_reason: why a gate, its budget among them, stopped the sweep; None if none did.
    """

    trial_ids: InitVar[Sequence[str]]
    _: KW_ONLY
    make: Callable[[str], Attempt]
    retry: Retry
    gates: Gates
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = _jitter
    may_start: Callable[[], bool] = lambda: True
    on_start: Callable[[Attempt], None] = lambda attempt: None
    on_outcome: Callable[[Outcome, str], None] = lambda outcome, verdict: None
    on_stop: Callable[[], None] = lambda: None
    settle: Callable[[Outcome], Outcome] = lambda outcome: outcome
    more: Callable[[], Sequence[str] | None] | None = None
    on_warning: Callable[[str], None] = lambda sentence: None
    at_rung: Callable[[Attempt, Rung], bool] = lambda attempt, rung: False
    admit: Callable[[str], str | None] | None = None
    tally: Tally = field(init=False)
    stop_reason: str | None = field(init=False, default=None)

    def __post_init__(self, trial_ids: Sequence[str]) -> None:
        """Puts the work in order; nothing runs yet."""
        self._heap = [_Waiting(0.0, rank, id_) for rank, id_ in enumerate(trial_ids)]
        self._rank = len(self._heap)
        self._spent: Counter[tuple[str, str]] = Counter()
        self._in_a_row = 0
        self._pending: set[str] = set()
        self._stopping = False
        self.tally = Tally(waiting=len(self._heap))

    @property
    def finished(self) -> bool:
        """Whether no attempt is left and none is under way."""
        return not (self._heap or self._pending or self.tally.running or self.more)

    @property
    def stopping(self) -> bool:
        """Whether nothing more starts."""
        return self._stopping

    @property
    def learns(self) -> bool:
        """Whether what comes next hangs on how others end, so that nothing is taken ahead."""
        return self.more is not None

    def stop(self) -> None:
        """Lets nothing more start, and what runs leave."""
        if not self._stopping:
            self._stopping = True
            self.on_stop()

    def take(self) -> Attempt | None:
        """Returns the next attempt that is due."""
        if self._stopping or not (self._due() or self.more):
            return None
        if not self.may_start():
            self.stop()
            return None
        if not self._due():
            self._ask()
        if not self._due():
            return None
        refused = self.admit(self._heap[0].trial_id) if self.admit is not None else None
        if refused is not None:
            self._end(refused)
            return None
        trial_id = heapq.heappop(self._heap).trial_id
        self._pending.add(trial_id)
        return self.make(trial_id)

    def _end(self, reason: str) -> None:
        """Lets nothing more start, while what runs finishes."""
        self.stop_reason = reason
        self._heap.clear()
        self.more = None
        self._count_waiting()

    def _due(self) -> bool:
        return bool(self._heap) and self._heap[0].due <= self.clock()

    def _ask(self) -> None:
        """Takes in what comes behind the trials known so far, unless nobody can say yet."""
        found = self.more() if self.more is not None else None
        if found is None:
            self.more = None
        for trial_id in found or ():
            heapq.heappush(self._heap, _Waiting(0.0, self._rank, trial_id))
            self._rank += 1
        self._count_waiting()

    def warn(self, sentence: str) -> None:
        """Passes on what the user should know of the runner."""
        self.on_warning(sentence)

    def reported(self, attempt: Attempt, rung: Rung) -> bool:
        """Says whether an attempt stops at a rung."""
        return self.at_rung(attempt, rung)

    def started(self, attempt: Attempt) -> None:
        """Hears that an attempt that was taken runs from now on."""
        self._pending.discard(attempt.trial_id)
        self.tally.running += 1
        self._count_waiting()
        self.on_start(attempt)

    def done(self, outcome: Outcome) -> None:
        """Hears how an attempt ended, plans a retry if one is left, and looks at the gates."""
        if outcome.trial_id in self._pending:  # Its worker died before it could start.
            self._pending.discard(outcome.trial_id)
        else:
            self.tally.running -= 1
        outcome = self.settle(outcome)
        verdict = self._verdict(outcome)
        self.on_outcome(outcome, verdict)
        self._count_waiting()

    def _verdict(self, outcome: Outcome) -> str:
        if outcome.status == "completed":
            self.tally.completed += 1
            self._in_a_row = 0
            return "completed"
        if outcome.status == "stopped":
            self.tally.stopped += 1
            self._in_a_row = 0
            return "stopped"
        if outcome.status == "cancelled":
            self.tally.cancelled += 1
            return "cancelled"
        foreign = outcome.status == "foreign"
        failure_class = "foreign" if foreign else outcome.failure_class or "user_error"
        spent = self._spent[outcome.trial_id, failure_class]
        budget = FOREIGN_RETRIES if foreign else retries(failure_class, self.retry)
        if not self._stopping and spent < budget:
            self._again(outcome.trial_id, failure_class, spent)
            return "retry"
        if foreign:
            self.tally.foreign += 1
            return "foreign"
        if self._stopping and failure_class == "preempted":
            self.tally.left += 1
            return "left"
        self.tally.failed += 1
        self._in_a_row += 1
        self._look_at_gates(failure_class)
        return "failed"

    def _again(self, trial_id: str, failure_class: str, spent: int) -> None:
        """Puts a trial back, behind the others that are due by then."""
        self._spent[trial_id, failure_class] += 1
        self.tally.retried += 1
        wait = self.retry.backoff * 2 ** min(spent, 10) * (0.5 + self.jitter())
        heapq.heappush(self._heap, _Waiting(self.clock() + wait, self._rank, trial_id))
        self._rank += 1

    def _look_at_gates(self, failure_class: str) -> None:
        if self._stopping:
            return
        if self.tally.failed > self.gates.max_failed:
            self.stop_reason = (
                f"max_failed_trials: at most {self.gates.max_failed} trials may fail, got"
                f" {self.tally.failed} (the last: {failure_class})."
                " Mend the cause, then resume; or raise max_failed_trials."
            )
        elif self._in_a_row >= self.gates.max_consecutive:
            self.stop_reason = (
                f"max_consecutive_failures: fewer than {self.gates.max_consecutive} failures in a"
                f" row, got {self._in_a_row} (the last: {failure_class})."
                " Mend the cause, then resume."
            )
        if self.stop_reason is not None:
            self.stop()

    def _count_waiting(self) -> None:
        self.tally.waiting = len(self._heap) + len(self._pending)
