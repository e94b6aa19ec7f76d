"""An attempt whose step never ends is ended all the same."""

import threading

import pytest

from orchestrator.attempt import Attempt, Outcome
from orchestrator.overdue import Watch, ended_in_time
from orchestrator.runners.ray_deaths import death
from results.ledger import Event, Ledger


@pytest.fixture
def attempt(store):
    def make(**options):
        return Attempt(
            root=str(store.root), sweep="t", trial_id="t", number=0, config={}, **options
        )

    return make


def watch(attempt, clock, *, asked=lambda: False):
    return Watch(attempt, asked_to_leave=asked, monotonic=clock)


def test_within_timeout_and_grace_nothing_is_overdue(attempt, clock):
    found = watch(attempt(timeout_s=60.0, grace_s=10.0), clock)
    clock.forward(70.0)
    assert found.overdue() is None
    clock.forward(0.1)
    failure_class, detail = found.overdue()
    assert failure_class == "timeout"
    assert detail == (
        "trial_timeout: a trial ends within 60 s, got a step that did not end 10 s later (grace)."
        " Raise trial_timeout or make steps shorter."
    )


def test_without_a_timeout_an_attempt_may_take_for_ever(attempt, clock):
    found = watch(attempt(), clock)
    clock.forward(1e9)
    assert found.overdue() is None


def test_grace_counts_from_the_request_to_leave(attempt, clock):
    asked = threading.Event()
    found = watch(attempt(grace_s=10.0), clock, asked=asked.is_set)
    clock.forward(1000.0)
    assert found.overdue() is None
    asked.set()
    assert found.overdue() is None
    clock.forward(10.1)
    failure_class, detail = found.overdue()
    assert failure_class == "preempted"
    assert detail.startswith("asked to leave, and killed since its step did not end within 10 s")


def test_what_is_overdue_is_recorded_and_then_killed(attempt, store):
    killed = threading.Event()
    asked = attempt(timeout_s=0.0, grace_s=0.0)
    with ended_in_time(asked, asked_to_leave=lambda: False, kill=killed.set):
        assert killed.wait(30.0)
    end = Ledger(store, sweep="t").end("t", 0)
    assert (end.status, end.failure_class) == ("failed", "timeout")
    assert death(asked, "The worker died: SIGKILL").failure_class == "timeout"


def test_who_ends_in_time_is_left_alone(attempt, store):
    with ended_in_time(attempt(timeout_s=60.0), asked_to_leave=lambda: False, kill=pytest.fail):
        pass
    assert Ledger(store, sweep="t").end("t", 0) is None
    assert "overdue" not in {thread.name for thread in threading.enumerate()}


def test_a_worker_that_died_behind_its_recorded_completion_has_completed(attempt, store):
    Ledger(store, sweep="t").record(Event(sweep="t", trial_id="t", attempt=0, status="completed"))
    assert death(attempt(), "The worker died unexpectedly") == Outcome(
        trial_id="t", number=0, status="completed"
    )


def test_a_death_without_a_record_is_told_by_its_cause(attempt):
    found = death(attempt(), "The worker died unexpectedly")
    assert (found.failure_class, found.recorded) == ("worker_lost", False)
