"""What users ask of failed and running trials: retry, cancel, remove."""

import pytest

from orchestrator import actions, control, mending
from orchestrator.attempt import Attempt
from orchestrator.control import Asked
from orchestrator.driver import Options
from orchestrator.errors import InputError, Interrupted, LeaseError
from orchestrator.lease import Lease
from orchestrator.paths import forecast_of
from orchestrator.runners.ray_deaths import death
from results.errors import QueryError
from results.store import Store
from tests.orchestrator.sweeps import events, text_of, trivial
from tests.orchestrator.workplace import Canceller, Listener


def test_a_cancelled_trial_ends_alone_and_is_not_tried_again(workplace):
    listener = Canceller()
    summary = workplace.run(trivial(values=[1.0, 2.0, 3.0]), listener=listener)
    assert summary.counts == {"completed": 2, "cancelled": 1}
    assert (summary.exit_code, summary.retried) == (1, 0)
    assert f"{listener.asked} 0 cancelled" in listener.heard
    mine = [event[1:] for event in events(workplace.root) if event[0] == listener.asked]
    assert mine == [(0, "running", None), (0, "cancelled", "cancelled")]


def test_the_next_attempt_is_not_met_by_the_old_request(workplace):
    listener = Canceller()
    workplace.run(trivial(values=[1.0, 2.0]), listener=listener)
    summary = workplace.resume()
    assert summary.counts == {"completed": 2}
    assert workplace.attempts[listener.asked] == ["cancelled", "completed"]
    assert not list(workplace.root.glob("control/*"))


def test_a_cancelled_sweep_starts_nothing_more(workplace):
    grids = [{"name": "seeds", "parameters": {"seed": [1, 2, 3, 4]}}]
    sleeping = text_of(workload={"kind": "sleeping", "seconds": 0.6, "steps": 3}, grids=grids)
    with pytest.raises(Interrupted):
        workplace.run(sleeping, listener=Canceller(whole=True))
    ends = list(workplace.attempts.values())
    assert ["cancelled"] in ends
    assert len(ends) < 4
    assert workplace.resume().counts == {"completed": 4}


def test_cancelling_needs_a_driver_at_work(workplace):
    workplace.run(trivial())
    with pytest.raises(InputError, match="a driver at work is needed"):
        mending.cancel("t", storage=str(workplace.storage))


def test_cancel_reaches_running_and_waiting_trials(workplace):
    """By the command's own function, while a driver holds the lease."""
    reached = []

    class Asking(Listener):
        def started(self, tally, attempt):
            super().started(tally, attempt)
            if not reached:
                asked = mending.cancel(
                    "t", storage=str(workplace.storage), where="config.value > 0"
                )
                reached.extend(asked.trials)

    workplace.run(trivial(values=[1.0, 2.0, 3.0]), listener=Asking())
    assert len(reached) == 3
    assert list(workplace.attempts.values()) == [["cancelled"]] * 3


def test_a_killed_worker_that_was_to_be_cancelled_is_cancelled(tmp_path):
    attempt = Attempt(root=str(tmp_path), sweep="t", trial_id="abc", number=2, config={})
    lost = death(attempt, "the worker died")
    assert (lost.status, lost.failure_class) == ("failed", "worker_lost")
    control.cancel(Store(tmp_path), "abc", 2, now=True)
    asked = death(attempt, "the worker died")
    assert (asked.status, asked.failure_class, asked.recorded) == ("cancelled", "cancelled", False)


@pytest.mark.parametrize(
    ("cause", "failure_class"),
    [
        ("", "worker_lost"),
        ("The actor is dead because its worker process has died.", "worker_lost"),
        ("OutOfMemoryError: 1 worker(s) were killed due to the node running low", "host_oom"),
        ("The actor is dead because its node has died. Node Id: 12", "node_lost"),
        (
            "The actor is dead because its owner has died. Worker exit detail: Owner's node has"
            " crashed.",
            "node_lost",
        ),
        ("The actor ab is unavailable: The actor is temporarily unavailable: RPC", "node_lost"),
    ],
)
def test_what_ray_says_of_a_death_has_a_class(tmp_path, cause, failure_class):
    attempt = Attempt(root=str(tmp_path), sweep="t", trial_id="abc", number=0, config={})
    heading = "Failure # 1 (occurred at 2026-01-01_00-00-00)\n"
    found = death(attempt, heading + cause)
    assert found.failure_class == failure_class
    assert "Failure #" not in found.detail


def test_a_look_costs_a_request_twice_a_second_at_most(tmp_path):
    store, now, looks = Store(tmp_path), [0.0], []
    exists = store.exists
    store.exists = lambda name: looks.append(name) or exists(name)
    asked = Asked(store, "control/x", monotonic=lambda: now[0])
    assert not any(asked() for _ in range(10))
    store.put("control/x", b"")
    assert not asked()
    now[0] = 0.5
    assert asked()
    store.delete("control/x")
    assert asked()
    assert len(looks) == 2


@pytest.fixture
def failed(workplace):
    """A sweep with three completed trials and a cancelled one."""
    workplace.run(trivial(values=[1.0, 2.0, 3.0, 4.0]), listener=Canceller())
    return workplace


def select(workplace, **conditions):
    statuses = conditions.pop("statuses", ("failed", "cancelled"))
    return mending.select("t", storage=str(workplace.storage), statuses=statuses, **conditions)


def test_selection_by_status_class_beginning_and_condition(failed):
    (cancelled,) = select(failed)
    assert select(failed, classes=["cancelled"]) == [cancelled]
    assert select(failed, classes=["diverged"]) == []
    assert select(failed, trials=[cancelled[:6]]) == [cancelled]
    assert select(failed, where="config.value < 0") == []
    assert len(select(failed, statuses=("completed",), where="config.value > 0")) == 3


def test_a_named_trial_of_another_status_is_refused(failed):
    done = select(failed, statuses=("completed",))[0]
    with pytest.raises(InputError, match="one that is completed"):
        select(failed, trials=[done])


@pytest.mark.parametrize("where", ["1) OR (1", "nonsense = 1", "1; DROP TABLE trials"])
def test_a_condition_is_part_of_a_select_or_refused(failed, where):
    if where == "1) OR (1":
        assert len(select(failed, where=where)) == 1
        return
    with pytest.raises(QueryError):
        select(failed, where=where)


def test_retry_runs_exactly_the_selected(failed):
    (cancelled,) = select(failed)
    before = {id_: ends for id_, ends in failed.attempts.items() if id_ != cancelled}
    summary = failed.resume(options=Options(only=(cancelled,)))
    assert summary.counts == {"completed": 4}
    after = dict(failed.attempts)
    assert after.pop(cancelled) == ["cancelled", "completed"]
    assert after == before


def test_removal_says_before_it_does(failed):
    storage = str(failed.storage)
    planned = mending.removal("t", storage=storage)
    assert planned.files > 10
    assert planned.bytes == sum(
        path.stat().st_size for path in failed.root.rglob("*") if path.is_file()
    )
    assert failed.root.exists()
    mending.remove(planned)
    assert list(failed.storage.iterdir()) == []


def test_with_a_run_directory_goes_its_forecast_and_no_other(failed):
    forecasts, own = forecast_of(failed.root)
    for name in (own, "another.json"):
        forecasts.put(name, b"{}")
    mending.remove(mending.removal("t", storage=str(failed.storage), checkpoints=True))
    assert forecasts.exists(own)
    mending.remove(mending.removal("t", storage=str(failed.storage)))
    assert forecasts.list() == ["another.json"]


def test_nothing_is_removed_under_a_driver(failed):
    planned = mending.removal("t", storage=str(failed.storage))
    with Lease(Store(failed.root)), pytest.raises(LeaseError):
        mending.remove(planned)
    assert failed.root.exists()


def test_checkpoints_of_finished_trials_go_and_the_others_stay(failed):
    (cancelled,) = select(failed)
    (done, *_) = select(failed, statuses=("completed",))
    for trial_id in (cancelled, done):
        folder = failed.root / "checkpoints" / trial_id / "a0-1"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "x").write_bytes(b"12345")
    planned = mending.removal("t", storage=str(failed.storage), checkpoints=True)
    assert [path.name for path in planned.paths] == [done]
    mending.remove(planned)
    assert not (failed.root / "checkpoints" / done).exists()
    assert (failed.root / "checkpoints" / cancelled / "a0-1" / "x").exists()
    assert actions.status("t", storage=str(failed.storage)).counts["completed"] == 3
