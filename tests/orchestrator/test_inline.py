"""The runner of this process: one attempt after another; time passes only when it waits."""

import pytest

from orchestrator.attempt import Attempt
from orchestrator.queue import Gates, TrialQueue
from orchestrator.runners.inline import Runner
from orchestrator.spec import Retry
from tests.orchestrator.sweeps import KINDS, events


@pytest.fixture
def queue(store, clock, test_kinds):
    """Makes a queue of these programs, trials named `t0`, `t1` …"""

    def make(*configs, **options):
        numbers = {}

        def attempt(trial_id):
            numbers[trial_id] = number = numbers.get(trial_id, -1) + 1
            config = configs[int(trial_id[1:])]
            options = {"number": number, "config": config, "kinds": (str(KINDS),)}
            return Attempt(root=str(store.root), sweep="t", trial_id=trial_id, **options)

        gates = Gates(max_failed=99, max_consecutive=99)
        options = {"retry": Retry(max=2, backoff="5s"), "gates": gates, "clock": clock} | options
        return TrialQueue(
            [f"t{i}" for i in range(len(configs))], make=attempt, jitter=lambda: 0.5, **options
        )

    return make


def test_attempts_run_one_after_another(queue, store, clock):
    work = queue({"kind": "trivial"}, {"kind": "trivial", "value": 2.0})
    Runner(clock=clock, wait=clock.forward).run(work)
    assert work.finished
    assert [(id_, status) for id_, _, status, _ in events(store.root)] == [
        ("t0", "running"),
        ("t0", "completed"),
        ("t1", "running"),
        ("t1", "completed"),
    ]


def test_it_waits_only_for_retries_that_are_not_due(queue, store, clock):
    begun = clock()
    work = queue({"kind": "failing", "at": 1}, {"kind": "trivial"})
    Runner(clock=clock, wait=clock.forward).run(work)
    assert work.finished
    assert clock() - begun == pytest.approx(5 + 10, abs=0.1)
    assert [end for id_, *_, end in events(store.root) if id_ == "t0"][1::2] == ["user_error"] * 3


def test_who_stops_the_queue_ends_the_run_with_its_trial_saved(queue, store, clock):
    work = queue({"kind": "trivial", "steps": 9}, {"kind": "trivial"})
    take = work.take

    def take_and_stop():
        attempt = take()
        work.stop()
        return attempt

    work.take = take_and_stop
    Runner(clock=clock, wait=clock.forward).run(work)
    assert events(store.root)[-1] == ("t0", 0, "failed", "preempted")
    assert not work.finished


def test_nothing_to_do_ends_at_once(queue, clock):
    def refuse(seconds):
        raise AssertionError(f"waited {seconds} s")

    work = queue()
    Runner(clock=clock, wait=refuse).run(work)
    assert work.finished
