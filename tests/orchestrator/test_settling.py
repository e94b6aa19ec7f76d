"""Of what the store holds and what a runner believes of an attempt's end, the store is right."""

from dataclasses import replace

from orchestrator.driver import run_sweep
from orchestrator.expand import expand
from orchestrator.trial import run_trial
from results.store import Store
from tests.orchestrator.sweeps import events, load, trivial


class Deaf:
    """A place that trains, and then believes that the worker died before it could say so."""

    def __init__(self, demands):
        pass

    def run(self, source):
        while (attempt := source.take()) is not None:
            told = run_trial(attempt)
            assert told.status == "completed"
            lost = {"status": "failed", "failure_class": "worker_lost", "recorded": False}
            source.done(replace(told, **lost))


def test_a_trial_that_completed_is_not_tried_again_when_nobody_heard_of_it(tmp_path, test_kinds):
    loaded = load(trivial())
    store = Store(tmp_path / "t")
    summary = run_sweep(loaded, expand(loaded), store=store, make_runner=Deaf)
    assert (summary.counts, summary.trained, summary.retried) == ({"completed": 2}, 2, 0)
    assert (
        sorted(status for _, _, status, _ in events(store.root))
        == ["completed"] * 2 + ["running"] * 2
    )
