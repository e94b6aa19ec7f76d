"""One attempt at one trial: what it leaves behind, however it ends."""

import itertools
from typing import ClassVar

import pytest

from orchestrator import trial
from orchestrator.attempt import Attempt
from orchestrator.checkpoints import CARRIED, Checkpoints
from orchestrator.quantities import Every
from orchestrator.spec import Resources
from orchestrator.trial import run_trial
from results.errors import StorageError
from results.ledger import Ledger
from results.store import Store
from tests.orchestrator.sweeps import KINDS, events, rows


@pytest.fixture
def run(store, clock, forget_kinds):
    """Runs attempts at trial `t`, each with the number and the checkpoint that are next."""

    def go(config, *, asked_to_leave=None, root=None, **options):
        place = store if root is None else Store(root)
        ledger = Ledger(place, sweep="t")
        options = {
            "root": str(place.root),
            "sweep": "t",
            "trial_id": "t",
            "number": ledger.attempts("t"),
            "config": config,
            "resume_from": ledger.usable_checkpoint("t"),
            "kinds": (str(KINDS),),
        } | options
        leave = {} if asked_to_leave is None else {"asked_to_leave": asked_to_leave}
        return run_trial(Attempt(**options), clock=clock, monotonic=clock, **leave)

    return go


def trivial(**parameters):
    return {"kind": "trivial", "steps": 5, "value": 0.1} | parameters


def failing(**parameters):
    return {"kind": "failing", "at": 2} | parameters


def after(looks):
    """A request to leave that comes after so many looks."""
    counter = itertools.count(1)
    return lambda: next(counter) >= looks


def totals(store):
    return {
        step: value
        for step, layer, name, value in rows(store.root)
        if name == "total" and not layer
    }


def files(store, table):
    return store.list(f"{table}/")


def last_event(store):
    return Ledger(store, sweep="t").events()[-1]


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


class Witness(Checkpoints):
    """Looks at the store whenever a checkpoint is asked for and whenever it is there."""

    seen: ClassVar[list] = []

    def save(self, *, step, **options):
        Witness.seen.append((step, [n.split(".")[-2] for n in self.store.list("metrics/")]))
        return super().save(step=step, **options)


def test_rows_are_durable_before_the_checkpoint_that_rests_on_them(run, store, monkeypatch):
    monkeypatch.setattr(Witness, "seen", [])
    monkeypatch.setattr(trial, "Checkpoints", Witness)
    run(trivial(), checkpoint_every=Every(2, "step"))
    assert Witness.seen == [(2, ["0-2"]), (4, ["0-2", "3-4"])]


@pytest.mark.parametrize(
    ("every", "saved"),
    [
        (Every(1, "step"), [1, 2, 3, 4, 5, 6, 7]),
        (Every(3, "step"), [3, 6]),
        (Every(1, "epoch"), [2, 4, 6]),
        (Every(2, "epoch"), [4]),
        (Every(0.75, "epoch"), [2, 3, 5, 6]),
        (Every(0, "s"), [1, 2, 3, 4, 5, 6, 7]),
        (Every(1, "s"), []),
        (None, []),
    ],
)
def test_checkpoints_come_when_they_are_due(run, store, every, saved):
    run(trivial(steps=7, steps_per_epoch=2), checkpoint_every=every, checkpoint_keep=99)
    names = {name.split("/")[2] for name in files(store, "checkpoints")}
    assert names == {f"a0-{step}" for step in saved}


def test_only_so_many_checkpoints_are_kept(run, store):
    run(trivial(), checkpoint_every=Every(1, "step"), checkpoint_keep=2)
    assert {n.split("/")[2] for n in files(store, "checkpoints")} == {"a0-4", "a0-5"}


@pytest.fixture
def undisturbed(run, tmp_path):
    """The rows of a trial that nothing happened to."""
    run(trivial(), root=tmp_path / "undisturbed" / "t", checkpoint_every=Every(1, "step"))
    return rows(tmp_path / "undisturbed" / "t")


def test_who_is_asked_to_leave_saves_itself_and_the_next_goes_on_from_there(
    run, store, undisturbed
):
    outcome = run(trivial(), asked_to_leave=after(4))
    assert (outcome.status, outcome.failure_class) == ("failed", "preempted")
    assert outcome.detail == "left when asked to; it goes on from its checkpoint."
    assert {n.split("/")[2] for n in files(store, "checkpoints")} == {"a0-3"}
    assert run(trivial()).status == "completed"
    assert last_event(store).attempt == 1
    running = Ledger(store, sweep="t").events()[2]
    assert (running.status, running.resumed_from, running.detail) == ("running", 3, None)
    assert rows(store.root) == undisturbed
    assert files(store, "finals") == ["finals/t/a0.rnew.parquet", "finals/t/a1.r3.parquet"]


@pytest.mark.parametrize("looks", [1, 2, 6])
def test_leaving_at_either_end_loses_and_doubles_nothing(run, store, undisturbed, looks):
    run(trivial(), asked_to_leave=after(looks))
    assert run(trivial()).status == "completed"
    assert rows(store.root) == undisturbed


def test_leaving_again_and_again(run, store, undisturbed):
    for _ in range(3):
        run(trivial(), asked_to_leave=after(2))
    assert run(trivial()).status == "completed"
    assert rows(store.root) == undisturbed
    assert [end for *_, end in events(store.root)[1::2]] == ["preempted"] * 3 + [None]


def test_a_failure_after_a_checkpoint_goes_on_from_that_checkpoint(run, store, program):
    folder = program("once", _FAILS_ONCE)
    config = {"kind": "once", "steps": 6, "marker": str(store.root.parent / "marker")}
    first = run(config, kinds=(str(folder),), checkpoint_every=Every(2, "step"))
    assert first.failure_class == "user_error"
    assert run(config, kinds=(str(folder),)).status == "completed"
    assert totals(store) == {step: (1.5 * step).hex() for step in range(7)}
    assert files(store, "metrics")[-1] == "metrics/t/a1.r4.5-6.parquet"


_FAILS_ONCE = """\
if step == 6 and not Path(self.config.marker).exists():
            Path(self.config.marker).touch()
            raise RuntimeError("once")
"""


@pytest.mark.parametrize("damage", ["state.pt", CARRIED])
@pytest.mark.parametrize("how", [b"", b"garbage" * 100, None])
def test_a_damaged_checkpoint_means_a_start_from_nothing(run, store, undisturbed, damage, how):
    run(trivial(), asked_to_leave=after(4))
    file = store.root / "checkpoints" / "t" / "a0-3" / damage
    file.unlink() if how is None else file.write_bytes(how)
    outcome = run(trivial(), resume_from="checkpoints/t/a0-3")
    assert outcome.status == "completed"
    assert rows(store.root) == undisturbed
    running = Ledger(store, sweep="t").events()[2]
    assert running.resumed_from is None
    assert running.detail.startswith("started again from nothing: ")
    assert files(store, "finals")[-1] == "finals/t/a1.rnew.parquet"


def test_a_checkpoint_that_the_program_refuses_goes_and_the_next_start_is_from_nothing(run, store):
    run({"kind": "sleeping", "seconds": 0.0}, asked_to_leave=after(3))
    config = trivial(steps=2)
    refused = run(config, resume_from="checkpoints/t/a0-2")
    assert (refused.failure_class, refused.recorded) == ("storage", True)
    assert files(store, "checkpoints") == []
    assert run(config).status == "completed"
    assert sorted(totals(store)) == [0, 1, 2]


def test_another_number_of_threads_is_that_of_the_checkpoint(run, store):
    run(trivial(), asked_to_leave=after(4), resources=Resources(cpu=2))
    run(trivial(), resources=Resources(cpu=1))
    assert Ledger(store, sweep="t").events()[2].detail is None


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
