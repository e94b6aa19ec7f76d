"""What runs next, what is tried again, when a sweep stops."""

import math

import pytest

from orchestrator.attempt import Attempt, Outcome
from orchestrator.failures import retries
from orchestrator.queue import Gates, TrialQueue
from orchestrator.spec import FAILURE_CLASSES, Retry


class Harness:
    """A queue of trials named by letters, and a worker that does as it is told."""

    def __init__(self, clock, trials="abc", *, retry=None, gates=None, **options):
        self.heard = []
        self.numbers = {}
        self.queue = TrialQueue(
            list(trials),
            make=self._make,
            retry=Retry(**{"backoff": 5.0} | (retry or {})),
            gates=Gates(**{"max_failed": 99, "max_consecutive": 99} | (gates or {})),
            clock=clock,
            jitter=options.pop("jitter", lambda: 0.5),
            on_outcome=lambda outcome, verdict: self.heard.append((outcome.trial_id, verdict)),
            **options,
        )

    def _make(self, trial_id):
        number = self.numbers[trial_id] = self.numbers.get(trial_id, -1) + 1
        return Attempt(root="", sweep="t", trial_id=trial_id, number=number, config={})

    def step(self, status="completed", failure_class=None):
        """Takes an attempt, ends it so, and returns `trial attempt`; None if none is due."""
        attempt = self.queue.take()
        if attempt is None:
            return None
        self.queue.started(attempt)
        self.end(attempt, status, failure_class)
        return f"{attempt.trial_id}{attempt.number}"

    def end(self, attempt, status="completed", failure_class=None):
        outcome = Outcome(
            trial_id=attempt.trial_id,
            number=attempt.number,
            status=status,
            failure_class=failure_class,
        )
        self.queue.done(outcome)

    def fail(self, failure_class="user_error"):
        return self.step("failed", failure_class)


def test_trials_come_in_order_and_the_queue_ends(clock):
    work = Harness(clock)
    assert [work.step(), work.step(), work.step(), work.step()] == ["a0", "b0", "c0", None]
    assert work.queue.finished
    assert work.heard == [("a", "completed"), ("b", "completed"), ("c", "completed")]


def test_a_queue_with_work_under_way_is_not_finished(clock):
    work = Harness(clock, "a")
    attempt = work.queue.take()
    assert not work.queue.finished
    work.queue.started(attempt)
    assert not work.queue.finished
    assert (work.queue.tally.running, work.queue.tally.waiting) == (1, 0)
    work.end(attempt)
    assert work.queue.finished
    assert (work.queue.tally.running, work.queue.tally.completed) == (0, 1)


def test_what_was_handed_out_runs_from_its_start_on(clock):
    work = Harness(clock, "abc")
    first, second = work.queue.take(), work.queue.take()
    assert (work.queue.tally.running, work.queue.tally.waiting) == (0, 3)
    work.queue.started(first)
    assert (work.queue.tally.running, work.queue.tally.waiting) == (1, 2)
    work.end(second, "failed", "node_lost")  # Its worker died before it could start.
    assert (work.queue.tally.running, work.queue.tally.waiting) == (1, 2)
    work.end(first)
    assert work.queue.tally.running == 0
    assert not work.queue.finished


def test_no_trials_is_finished_at_once(clock):
    assert Harness(clock, "").queue.finished


def test_a_failed_trial_waits_while_others_run(clock):
    work = Harness(clock, "ab")
    assert work.fail() == "a0"
    assert work.step() == "b0"
    assert work.step() is None
    assert not work.queue.finished
    clock.forward(4.9)
    assert work.step() is None
    clock.forward(0.1)
    assert work.step() == "a1"
    assert work.queue.finished
    assert (work.queue.tally.completed, work.queue.tally.retried) == (2, 1)


def test_the_wait_doubles(clock):
    work = Harness(clock, "a", retry={"max": 3})
    for wait in (5, 10, 20):
        work.fail()
        clock.forward(wait - 0.1)
        assert work.queue.take() is None
        clock.forward(0.1)
    assert work.fail() == "a3"
    assert work.queue.finished
    assert work.heard[-1] == ("a", "failed")


@pytest.mark.parametrize(("jitter", "wait"), [(0.0, 2.5), (1.0, 7.5)])
def test_what_failed_together_is_not_tried_again_together(clock, jitter, wait):
    work = Harness(clock, "a", jitter=lambda: jitter)
    work.fail()
    clock.forward(wait - 0.01)
    assert work.step() is None
    clock.forward(0.02)
    assert work.step() == "a1"


def test_the_wait_has_a_bound(clock):
    work = Harness(clock, "a", retry={"backoff": 1.0})
    for _ in range(2000):
        work.fail("preempted")
        clock.forward(1024)
    assert work.step() == "a2000"


def test_a_retry_without_wait_is_due_at_once_but_behind_the_others(clock):
    work = Harness(clock, "ab", retry={"backoff": 0.0})
    assert [work.fail(), work.step(), work.step()] == ["a0", "b0", "a1"]


@pytest.mark.parametrize(
    ("failure_class", "budget"),
    [
        ("user_error", 2),
        ("cuda_oom", 2),
        ("host_oom", 2),
        ("worker_lost", 2),
        ("storage", 2),
        ("diverged", 0),
        ("timeout", 0),
        ("cancelled", 0),
        ("preempted", math.inf),
        ("node_lost", math.inf),
    ],
)
def test_each_class_has_its_budget(failure_class, budget):
    assert retries(failure_class, Retry(max=2)) == budget
    assert retries(failure_class, Retry(max=2, on={failure_class: 7})) == 7
    assert retries(failure_class, Retry(max=2, on={failure_class: 0})) == 0


def test_every_class_was_thought_of():
    assert {name for name in FAILURE_CLASSES if retries(name, Retry(max=0)) == 0} == (
        set(FAILURE_CLASSES) - {"preempted", "node_lost"}
    )


def test_budgets_do_not_share(clock):
    work = Harness(clock, "a", retry={"max": 1})
    for failure_class in ("user_error", "cuda_oom", "preempted", "preempted"):
        work.fail(failure_class)
        clock.forward(1e6)
    assert work.heard == [("a", "retry")] * 4
    assert work.fail() == "a4"
    assert work.heard[-1] == ("a", "failed")
    assert work.queue.tally.failed == 1


def test_budgets_belong_to_a_trial(clock):
    work = Harness(clock, "ab", retry={"max": 1, "backoff": 0.0})
    while not work.queue.finished:
        work.fail()
        clock.forward(1)
    assert work.numbers == {"a": 1, "b": 1}


def test_an_attempt_that_another_process_holds_counts_for_nothing(clock):
    work = Harness(clock, "a", gates={"max_failed": 0, "max_consecutive": 1})
    for _ in range(3):
        work.step("foreign")
        assert work.heard[-1] == ("a", "retry")
        clock.forward(1e6)
    work.step("foreign")
    assert work.queue.finished
    assert work.queue.stop_reason is None
    assert (work.queue.tally.foreign, work.queue.tally.failed) == (1, 0)


def test_one_failure_more_than_allowed_stops_the_sweep(clock):
    work = Harness(clock, "abcd", gates={"max_failed": 1})
    work.fail("diverged")
    assert work.queue.stop_reason is None
    work.step()
    work.fail("diverged")
    assert work.queue.stopping
    assert work.queue.take() is None
    assert work.queue.stop_reason == (
        "max_failed_trials: at most 1 trials may fail, got 2 (the last: diverged)."
        " Mend the cause, then resume; or raise max_failed_trials."
    )


def test_failures_in_a_row_stop_the_sweep(clock):
    work = Harness(clock, "abcdef", gates={"max_consecutive": 2})
    work.fail("diverged")
    work.step()
    work.fail("diverged")
    assert not work.queue.stopping
    work.fail("diverged")
    assert work.queue.stopping
    assert "max_consecutive_failures: fewer than 2 failures in a row, got 2" in (
        work.queue.stop_reason
    )


def test_an_attempt_that_is_tried_again_passes_no_gate(clock):
    work = Harness(clock, "a", gates={"max_failed": 0, "max_consecutive": 1})
    work.fail("user_error")
    assert not work.queue.stopping


def test_a_stopped_queue_starts_nothing_and_retries_nothing(clock):
    work = Harness(clock, "ab", gates={"max_failed": 0})
    attempt = work.queue.take()
    work.queue.stop()
    assert work.queue.take() is None
    work.end(attempt, "failed", "preempted")
    assert work.heard == [("a", "left")]
    assert (work.queue.tally.left, work.queue.tally.failed) == (1, 0)
    assert work.queue.stop_reason is None
    assert not work.queue.finished


def test_what_may_not_start_stops_the_queue(clock):
    answers = [True, False, True]
    work = Harness(clock, "abc", may_start=lambda: answers.pop(0))
    assert work.step() == "a0"
    assert work.step() is None
    assert work.queue.stopping
    assert work.step() is None
    assert answers == [True]
    assert work.numbers == {"a": 0}


def test_whoever_stops_the_queue_it_tells_so_once(clock):
    stops = []
    work = Harness(clock, "ab", gates={"max_failed": 0}, on_stop=lambda: stops.append(1))
    attempts = [work.queue.take(), work.queue.take()]
    assert stops == []
    for attempt in attempts:
        work.end(attempt, "failed", "diverged")
    work.queue.stop()
    assert stops == [1]


def test_a_failure_without_a_class_is_the_users(clock):
    work = Harness(clock, "a", retry={"max": 0})
    work.step("failed")
    assert work.heard == [("a", "failed")]
