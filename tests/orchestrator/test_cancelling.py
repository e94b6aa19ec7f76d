"""Cancelling a whole sweep ends what runs, what began a moment ago, and what is about to begin."""

import pytest

from orchestrator import control, mending
from orchestrator.attempt import Attempt
from orchestrator.control import Asked, heeded
from orchestrator.driver import Options, run_sweep
from orchestrator.errors import Interrupted
from orchestrator.trial import run_trial
from tests.orchestrator.sweeps import cells, events, load, text_of

LONG = {"kind": "sleeping", "seconds": 30, "steps": 300}


class Ahead:
    """Takes all that there is before it runs the first, as a cluster whose workers start does."""

    def run(self, source):
        taken = []
        while (attempt := source.take()) is not None:
            taken.append(attempt)
        for attempt in taken:
            source.started(attempt)
            source.done(run_trial(attempt, asked_to_leave=lambda: source.stopping))


class Canceller:
    """Cancels the sweep when its first trial starts."""

    def __init__(self, storage):
        self.storage = storage
        self.asked = None

    def started(self, tally, attempt):
        if self.asked is None:
            self.asked = mending.cancel("t", storage=self.storage).trials

    def changed(self, difference): ...
    def planned(self, plan, left): ...
    def ended(self, tally, outcome, verdict): ...


def test_what_was_taken_and_begins_later_leaves_too(store, test_kinds):
    text = text_of(workload=LONG, grids=[{"name": "seeds", "parameters": {"seed": [1, 2]}}])
    with pytest.raises(Interrupted):
        run_sweep(
            load(text),
            cells(text),
            store=store,
            make_runner=lambda demands: Ahead(),
            options=Options(kinds=(test_kinds,)),
            listener=Canceller(str(store.root.parent)),
        )
    ends = [end[2:] for end in events(store.root) if end[2] != "running"]
    assert ends == [("failed", "preempted")] * 2


def test_who_is_cancelled_and_asked_to_leave_at_once_is_cancelled(store, test_kinds):
    """The look for the one is not due yet when the other is seen."""
    attempt = Attempt(root=str(store.root), sweep="t", trial_id="abc", number=0, config=LONG)
    looks = iter(range(9))

    def asked_to_leave():
        if next(looks) == 1:
            control.cancel(store, "abc", 0)
            return True
        return False

    outcome = run_trial(attempt, asked_to_leave=asked_to_leave)
    assert (outcome.status, outcome.failure_class) == ("cancelled", "cancelled")


def test_a_block_that_nobody_asks_anything_of_ends_without_acting(store):
    acted = []
    with heeded(Asked(store, control.STOP), lambda: acted.append("late")):
        pass
    assert acted == []
