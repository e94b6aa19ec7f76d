"""Why a trial stands as it does."""

from dataclasses import replace

import pytest

from orchestrator import actions
from orchestrator.driver import Options
from orchestrator.lease import Lease
from orchestrator.paths import newest_sweep_file
from orchestrator.reasons import why
from results.store import Store
from tests.orchestrator.sweeps import ids, text_of, trivial
from tests.orchestrator.workplace import Canceller
from workloads.stopwatch import PHASES


def reason(workplace, trial_id):
    return why("t", trial_id[:10], storage=str(workplace.storage))


def test_a_completed_trial(workplace):
    workplace.run(trivial(values=[1.0]))
    (trial_id,) = workplace.attempts
    found = reason(workplace, trial_id)
    assert (found.trial_id, found.status) == (trial_id, "completed")
    assert "attempt 0 started" in found.sentences[0]
    assert "attempt 0 completed" in found.sentences[1]
    assert "the run of then satisfies it (attempt 0, ended " in found.sentences[2]
    assert found.sentences[2].endswith("no run trains it again")


REAL = {
    "task": {"kind": "random_data", "train_size": 640, "validation_size": 640},
    "model": {"kind": "mlp", "hidden": [64]},
    "train": {"epochs": 3, "batch_size": 32, "log_every": 1},
}


def test_the_seconds_of_a_real_training_add_up_to_its_duration(workplace):
    workplace.run(text_of(workload=REAL, checkpoint={"every": "5 steps"}))
    (trial_id,) = workplace.attempts
    found = reason(workplace, trial_id)
    assert list(found.seconds[0]) == ["queue", *PHASES]
    assert all(seconds > 0 for seconds in found.seconds[0].values())
    start, end = workplace.ledger.events()
    assert sum(found.seconds[0].values()) == pytest.approx(found.durations[0])
    assert found.durations[0] - found.seconds[0]["queue"] == pytest.approx(
        sum(end.seconds.values())
    )
    assert sum(end.seconds.values()) >= (end.ts - start.ts).total_seconds() - 0.005
    (row,) = actions.sql(
        "t", "SELECT duration_s FROM trials", storage=str(workplace.storage)
    ).to_pylist()
    assert row["duration_s"] == pytest.approx(sum(end.seconds.values()))


def test_a_trial_that_died_tells_what_its_rows_tell(workplace):
    workplace.run(trivial(values=[1.0]))
    (trial_id,) = workplace.attempts
    store = Store(workplace.root)
    end = workplace.ledger.events()[-1]
    store.delete(str(end.key))
    workplace.ledger.record(
        replace(end, status="failed", failure_class="worker_lost", detail="gone", seconds=None)
    )
    found = reason(workplace, trial_id)
    assert list(found.seconds[0]) == ["queue", "start", "work", "end"]
    assert "attempt 0 could not say where its seconds went" in found.sentences[2]
    assert sum(found.seconds[0].values()) == pytest.approx(found.durations[0])


def test_a_driver_at_work_tries_again_what_may_be_tried_again(workplace):
    grids = [{"name": "modes", "parameters": {"mode": ["raise", "nan"]}}]
    text = text_of(workload={"kind": "failing"}, grids=grids, retry={"max": 0}, max_failed_trials=2)
    raised, nan = ids(text)
    workplace.run(text)
    record = newest_sweep_file(Store(workplace.root))
    file = workplace.root / record
    file.write_text(file.read_text().replace('"max": 0', '"max": 2'))
    with Lease(Store(workplace.root)):
        assert reason(workplace, raised).sentences[-1] == (
            "a driver is at work, which tries user_error again 2 times in one run"
        )
        assert reason(workplace, nan).sentences[-1].startswith("Lower the learning rate")


def test_a_damaged_checkpoint_is_part_of_the_story(workplace):
    workplace.run(trivial(values=[1.0]))
    (trial_id,) = workplace.attempts
    start = workplace.ledger.events()[0]
    detail = "went on from step 2: x/state.pt: must be as it was written, got a damaged one."
    workplace.ledger.record(replace(start, attempt=1, resumed_from=2, detail=detail, ts=None))
    told = reason(workplace, trial_id).sentences
    assert f"attempt 1 {detail}" in told
    assert told[-1].startswith("its driver is gone. Next: cliffsweep resume t")


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
    assert found.sentences[2].endswith(", again because attempt 0 failed (diverged)")
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
