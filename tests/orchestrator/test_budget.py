"""A sweep stops where its budget ends, and what it finished by then is a balanced prefix."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from orchestrator.budget import Budget, Meter
from orchestrator.driver import run_sweep
from orchestrator.errors import GateError
from orchestrator.expand import expand
from orchestrator.runners.inline import Runner
from results.ledger import Event
from tests.orchestrator.sweeps import HEAD, events, load, told, trivial


def ended(trial_id, *, at, seconds):
    return Event(
        sweep="t",
        trial_id=trial_id,
        attempt=0,
        status="completed",
        ts=datetime.fromtimestamp(at, UTC),
        seconds=seconds,
    )


def run(text, store):
    loaded = load(text)
    return run_sweep(loaded, expand(loaded), store=store, make_runner=lambda demands: Runner())


def test_trials_are_counted_over_all_runs_of_the_sweep(store, test_kinds):
    text = trivial(values=[1.0, 2.0, 3.0, 4.0, 5.0], order="as_written", budget={"trials": 2})
    for _ in range(2):
        with pytest.raises(GateError, match=r"budget\.trials: at most 2 start, got as many"):
            run(text, store)
    done = {id_ for id_, _, status, _ in events(store.root) if status == "completed"}
    assert done == {cell.trial_id for cell in expand(load(text))[:2]}

    summary = run(text.replace('"trials": 2', '"trials": 5'), store)
    assert (summary.trained, summary.counts) == (3, {"completed": 5})


def test_a_budget_that_suffices_stops_nothing(store, test_kinds):
    summary = run(trivial(values=[1.0, 2.0], budget={"trials": 2, "wall": "1h"}), store)
    assert (summary.exit_code, summary.trained) == (0, 2)


def test_what_is_finished_by_then_is_balanced(store, test_kinds):
    grids = [
        {"name": n, "parameters": {"value": list(range(i, i + 8))}}
        for i, n in ((0, "a"), (50, "b"))
    ]
    with pytest.raises(GateError):
        run(trivial(grids=grids, budget={"trials": 8}), store)
    cells = {cell.trial_id: cell for cell in expand(load(trivial(grids=grids)))}
    done = [cells[id_] for id_, _, status, _ in events(store.root) if status == "completed"]
    values = {grid: sorted(c.config["value"] for c in done if c.grid == grid) for grid in "ab"}
    assert values == {"a": [0, 2, 4, 6], "b": [50, 52, 54, 56]}


def test_wall_time_ends_with_the_last_trial_that_fits(clock):
    meter = Meter(Budget(wall=100), [], clock=clock)
    for trial_id in ("a", "b", "c"):
        assert meter.admit(trial_id) is None
        meter.started(trial_id)
        clock.forward(30)
        meter.ended(trial_id)
    assert meter.admit("d").startswith(
        "budget.wall: trials run for at most 100 s, got 90 s and a next one of about 30 s."
    )


def test_wall_time_of_earlier_runs_counts_once_however_many_ran_at_a_time(clock):
    earlier = [
        ended("a", at=1000, seconds={"train": 40.0}),
        ended("b", at=1010, seconds={"train": 40.0}),  # 30 s of them beside a
        ended("c", at=9000, seconds={"train": 20.0}),
    ]
    assert Meter(Budget(wall=71), earlier, clock=clock).admit("d") is None
    assert "got 70 s" in Meter(Budget(wall=70), earlier, clock=clock).admit("d")


def test_gpu_hours_count_devices_also_of_what_runs(clock):
    earlier = [ended("a", at=1000, seconds={"train": 1800.0})]
    meter = Meter(Budget(gpu_hours=1.5), earlier, gpus=lambda id_: 2.0, clock=clock)
    assert meter.admit("b") is None
    clock.forward(900)  # 1 hour before, half of one since
    assert "got 1.5 and a next trial of about 0" in meter.admit("c")
    free = Meter(
        Budget(gpu_hours=0.1), earlier, gpus={"a": 2.0, "on the cpu": 0.0}.get, clock=clock
    )
    assert free.admit("on the cpu") is None


def test_a_second_try_is_no_new_trial(clock):
    meter = Meter(Budget(trials=1), [], clock=clock)
    assert meter.admit("a") is None
    meter.ended("a")
    assert meter.admit("a") is None
    assert meter.admit("b") is not None


def test_events_without_seconds_count_for_nothing(clock):
    silent = replace(ended("a", at=1000, seconds={}), seconds=None)
    assert Meter(Budget(wall=1), [silent], clock=clock).admit("b") is None


@pytest.mark.parametrize(
    ("budget", "problem"),
    [
        ("{wall: 2}", None),
        ("{wall: 2 hours}", "t.yaml:6:16: budget.wall: a time with its unit, got '2 hours'"),
        ("{trials: 0}", "greater than or equal to 1 is needed, got 0"),
        ("{hours: 1}", "only known keys, got 'hours'"),
    ],
)
def test_budgets_are_checked(budget, problem):
    found = "\n".join(told(HEAD + f"budget: {budget}\n"))
    assert found == "" if problem is None else problem in found
