"""Why a trial stands as it does."""

import pytest

from orchestrator.driver import Options
from orchestrator.lease import Lease
from orchestrator.reasons import why
from results.store import Store
from tests.orchestrator.sweeps import ids, text_of, trivial
from tests.orchestrator.test_driver import Workplace
from tests.orchestrator.test_mending import Canceller


@pytest.fixture
def workplace(tmp_path, test_kinds):
    return Workplace(tmp_path, test_kinds)


def reason(workplace, trial_id):
    return why("t", trial_id[:10], storage=str(workplace.storage))


def test_a_completed_trial(workplace):
    workplace.run(trivial(values=[1.0]))
    (trial_id,) = workplace.attempts
    found = reason(workplace, trial_id)
    assert (found.trial_id, found.status) == (trial_id, "completed")
    assert "attempt 0 started" in found.sentences[0]
    assert "attempt 0 completed" in found.sentences[1]
    assert "no run trains it again" in found.sentences[2]
    assert set(found.seconds[0]) == {"queue", "start", "work", "end"}
    assert all(seconds >= 0 for seconds in found.seconds[0].values())


def test_a_failed_trial_says_its_class_and_what_to_do(workplace):
    grids = [{"name": "modes", "parameters": {"mode": ["nan"]}}]
    retry = {"on": {"diverged": 1}, "backoff": "0s"}
    workplace.run(text_of(workload={"kind": "failing"}, grids=grids, retry=retry))
    (trial_id,) = workplace.attempts
    found = reason(workplace, trial_id)
    assert found.status == "failed"
    assert [s.partition(" 20")[0] for s in found.sentences[:4]] == [
        "attempt 0 started",
        "attempt 0 failed",
        "attempt 1 started",
        "attempt 1 failed",
    ]
    assert "diverged: val_loss: a loss is finite" in found.sentences[3]
    assert found.sentences[4].endswith(f"Next: cliffsweep retry t --trial {trial_id}")
    assert set(found.seconds) == {0, 1}


def test_a_cancelled_and_a_removed_trial(workplace):
    workplace.run(trivial(values=[1.0, 2.0]), listener=(listener := Canceller()))
    assert reason(workplace, listener.asked).sentences[-1].startswith("Next: cliffsweep retry")
    workplace.run(trivial(values=[3.0]))
    found = reason(workplace, listener.asked)
    assert any("no longer asks for it" in sentence for sentence in found.sentences)


def test_a_planned_trial_waits_or_needs_a_driver(workplace):
    text = trivial(values=[1.0, 2.0])
    first, second = ids(text)
    workplace.run(text, options=Options(only=(first,)))
    assert reason(workplace, second).sentences == (
        "no driver is at work. Next: cliffsweep resume t",
    )
    with Lease(Store(workplace.root)):
        (sentence,) = reason(workplace, second).sentences
    assert sentence == "it waits behind 0 running and up to 0 planned trials"
