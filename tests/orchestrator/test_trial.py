"""One attempt at one trial: what it leaves behind, however it ends."""

import itertools

import pytest

from orchestrator.attempt import Attempt
from orchestrator.quantities import Every
from orchestrator.spec import Resources
from orchestrator.trial import run_trial
from results.errors import StorageError
from results.ledger import Ledger
from tests.orchestrator.attempts import failing, files, last_event, totals, trivial
from tests.orchestrator.sweeps import events, rows


def test_a_trial_that_goes_well(run, store):
    outcome = run(trivial())
    assert (outcome.status, outcome.failure_class, outcome.recorded) == ("completed", None, True)
    assert events(store.root) == [("t", 0, "running", None), ("t", 0, "completed", None)]
    sums = list(itertools.accumulate([0.0] + [0.1] * 5))
    assert totals(store) == {step: total.hex() for step, total in enumerate(sums)}
    assert files(store, "metrics") == ["metrics/t/a0.rnew.0-5.parquet"]
    assert files(store, "finals") == ["finals/t/a0.rnew.parquet"]


def test_layers_are_stored_beside_metrics(run, store):
    run(trivial(steps=1))
    assert (1, "only", "total", (0.1).hex()) in rows(store.root)


def test_events_say_who_where_and_on_what(run, store, clock):
    run(trivial())
    event = last_event(store)
    assert event.ts.timestamp() == clock()
    assert (event.device, event.resumed_from) == ("cpu", None)
    assert event.host
    assert event.pid > 0


def test_an_attempt_that_was_claimed_is_left_to_its_claimant(run, store):
    Ledger(store, sweep="t").claim("t", 0)
    outcome = run(trivial(), number=0)
    assert outcome.status == "foreign"
    assert events(store.root) == []
    assert files(store, "metrics") == []


def test_a_program_that_raises_is_the_users_error_with_its_traceback(run, store):
    outcome = run(failing())
    assert (outcome.status, outcome.failure_class) == ("failed", "user_error")
    assert outcome.detail.startswith("RuntimeError: failing at step 2, as asked\n")
    assert 'failing.py", line' in outcome.detail
    assert last_event(store).detail == outcome.detail
    assert {step for step, *_ in rows(store.root)} == {0, 1}


def test_a_program_that_leaves_the_process_ends_its_attempt_only(run, store, program):
    folder = program("leaving", "sys.exit(7)")
    outcome = run({"kind": "leaving"}, kinds=(str(folder),))
    assert (outcome.status, outcome.failure_class) == ("failed", "user_error")
    assert outcome.detail.startswith("SystemExit: 7\n")
    assert last_event(store).status == "failed"


def test_a_message_that_no_file_can_hold_is_stored_all_the_same(run, store, program):
    folder = program("odd", r'raise ValueError("\udcff")')
    outcome = run({"kind": "odd"}, kinds=(str(folder),))
    assert outcome.recorded
    assert last_event(store).detail.startswith("ValueError: \\udcff")


def test_an_interrupt_is_recorded_and_goes_on_its_way(run, store, program):
    folder = program("interrupted", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        run({"kind": "interrupted"}, kinds=(str(folder),))
    assert events(store.root)[-1] == ("t", 0, "failed", "preempted")


def test_a_process_without_memory(run):
    assert run(failing(mode="memory")).failure_class == "host_oom"


def test_a_device_without_memory(run, store):
    assert run(failing(mode="cuda_memory")).failure_class == "cuda_oom"
    assert last_event(store).detail.startswith("OutOfMemoryError: CUDA out of memory.")


@pytest.mark.parametrize("config", [{"kind": "nowhere"}, trivial(steps=-1), trivial(stpes=1)])
def test_a_workload_that_is_none_fails_its_attempt(run, store, config):
    outcome = run(config)
    assert (outcome.status, outcome.failure_class) == ("failed", "user_error")
    assert last_event(store).status == "failed"


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_loss_that_is_not_finite_is_stored_and_ends_the_attempt(run, store, value):
    outcome = run(failing(mode=value))
    assert (outcome.status, outcome.failure_class) == ("failed", "diverged")
    assert outcome.detail == (
        f"val_loss: a loss is finite, got {value} at step 2."
        " Lower the learning rate or clip the gradient."
    )
    assert rows(store.root)[-1][3] == value
    assert rows(store.root)[-1][0] == 2


def test_before_the_first_update_nothing_can_diverge(run):
    assert run(failing(mode="nan", at=0, steps=1)).status == "completed"


def test_a_trial_that_takes_too_long(run, store, clock, program):
    folder = program("slow", "pass")
    ticking = itertools.count(clock())
    attempt = Attempt(
        root=str(store.root),
        sweep="t",
        trial_id="t",
        number=0,
        config={"kind": "slow", "steps": 1000},
        kinds=(str(folder),),
        timeout_s=30.0,
    )
    outcome = run_trial(attempt, monotonic=lambda: float(next(ticking)))
    assert (outcome.status, outcome.failure_class) == ("failed", "timeout")
    assert outcome.detail.startswith("trial_timeout: a trial ends within 30 s, got step ")
    assert 0 < len(totals(store)) < 100


def test_a_trial_within_its_time(run, clock):
    assert run(trivial(), timeout_s=0.0).status == "completed"


def test_a_claim_that_cannot_be_stored_is_left_to_the_driver_to_record(run, store):
    store.put("claims", b"in the way")
    outcome = run(trivial(), number=0)
    assert (outcome.status, outcome.failure_class, outcome.recorded) == ("failed", "storage", False)
    assert "claims/t.a0: cannot write it" in outcome.detail


def test_rows_that_cannot_be_stored_fail_the_attempt(run, store):
    store.put("metrics", b"in the way")
    outcome = run(trivial())
    assert (outcome.status, outcome.failure_class, outcome.recorded) == ("failed", "storage", True)
    assert "a0.rnew.0-5.parquet: cannot write it" in outcome.detail
    assert "\n" not in outcome.detail


def test_a_checkpoint_that_cannot_be_stored_fails_the_attempt_and_keeps_its_rows(run, store):
    store.put("checkpoints", b"in the way")
    outcome = run(trivial(), checkpoint_every=Every(2, "step"), resume_from=None)
    assert outcome.failure_class == "storage"
    assert sorted(totals(store)) == [0, 1, 2]


def test_an_end_that_cannot_be_stored_is_no_completion(run, store, monkeypatch):
    record = Ledger.record

    def refuse_ends(self, event):
        if event.status == "completed":
            raise StorageError("full")
        return record(self, event)

    monkeypatch.setattr(Ledger, "record", refuse_ends)
    outcome = run(trivial())
    assert (outcome.status, outcome.failure_class, outcome.recorded) == ("failed", "storage", False)


def test_a_gpu_that_is_not_there_is_an_error_that_says_so(run, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    outcome = run(trivial(), resources=Resources(gpu=1))
    assert outcome.failure_class == "user_error"
    assert outcome.detail.startswith("RuntimeError: gpu: a trial with resources.gpu > 0 needs")
