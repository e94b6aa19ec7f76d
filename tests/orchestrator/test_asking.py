"""A search from its file to its trials: resumed it asks what the undisturbed one asks."""

import json

import pytest

from orchestrator import actions
from orchestrator.errors import InputError, Interrupted
from tests.orchestrator.sweeps import KINDS, cells, text_of, told
from tests.orchestrator.workplace import Workplace

TWO = [{"name": "total"}, {"name": "value", "goal": "minimize"}]


def sweep(method="tpe", *, parameters=None, trials=14, **keys):
    """A search over trivial trials, whose `total` is what they add up."""
    search = {"trials": trials, **keys.pop("search", {})}
    axes = {"value": {"min": 0, "max": 1}, "steps": [1, 2, 3]} if parameters is None else parameters
    given = {
        "workload": {"kind": "trivial", "steps": 2},
        "grids": [{"name": "g", "parameters": axes, **keys.pop("grid", {})}],
        "metric": TWO if method == "nsga2" else {"name": "total"},
        "retry": {"max": 0},
        "method": method,
        "search": search,
    }
    return text_of(**given | keys)


class Search(Workplace):
    """A workplace that tells what its search asked."""

    @property
    def asked(self):
        """(grid, value, steps) of every wanted trial, in the order of planning."""
        rows = self.ledger.trials().values()
        return [(r.grid, r.config["value"], r.config["steps"]) for r in rows if r.wanted]


@pytest.fixture
def place(tmp_path, test_kinds):
    return Search(tmp_path)


@pytest.fixture
def other(tmp_path, test_kinds):
    return Search(tmp_path / "other")


@pytest.mark.parametrize("method", ["random", "sobol", "tpe", "nsga2"])
def test_a_resumed_search_asks_what_the_undisturbed_one_asks(method, place, other):
    more = {"trials": 16, "search": {"population": 4} if method == "nsga2" else {}}
    text = sweep(method, **more)
    assert place.run(text).counts == {"completed": 16}
    for stop_after in (5, 12):
        with pytest.raises(Interrupted):
            other.run(text, stop_after=stop_after - len(done(other)))
    assert len(done(other)) == 12
    assert other.run().counts == {"completed": 16}
    assert other.asked == place.asked


def done(place):
    latest = place.ledger.latest().values()
    return [event for event in latest if event.status == "completed"]


def test_a_search_that_is_done_trains_nothing_more(place):
    place.run(sweep(trials=12))
    before = place.store.list()
    summary = place.run()
    assert (summary.trained, summary.total, summary.exit_code) == (0, 12, 0)
    assert place.store.list() == before


def test_more_trials_go_on_from_those_that_are_there(place, other):
    place.run(sweep(trials=11))
    summary = place.run(sweep(trials=14))
    assert (summary.trained, summary.total) == (3, 14)
    other.run(sweep(trials=14))
    assert other.asked == place.asked


def test_another_method_learns_from_what_is_stored(place):
    place.run(sweep("random", trials=10))
    random = place.asked
    summary = place.run(sweep("tpe", trials=12))
    assert (summary.trained, summary.total) == (2, 12)
    assert place.asked[:10] == random


def test_trials_outside_of_a_narrower_space_are_no_longer_wanted(place):
    place.run(sweep("random", trials=8))
    kept = [asked for asked in place.asked if asked[1] <= 0.5]
    narrow = {"value": {"min": 0, "max": 0.5}, "steps": [1, 2, 3]}
    summary = place.run(sweep("tpe", trials=8, parameters=narrow))
    assert summary.removed == 8 - len(kept)
    assert place.asked[: len(kept)] == kept
    assert all(value <= 0.5 for _, value, _ in place.asked)
    assert summary.total == 8


def test_missing_baselines_come_first(place):
    summary = place.run(sweep("tpe", trials=6, baseline={"value": 0.5}))
    grids = [grid for grid, _, _ in place.asked]
    assert grids[0] == "baseline"
    assert grids.count("g") == 6
    # One a number of steps: the baseline is the same workload with another value.
    assert sorted(asked[2] for asked in place.asked if asked[0] == "baseline") == sorted(
        {asked[2] for asked in place.asked if asked[0] == "g"}
    )
    found = actions.sql(
        "t", "SELECT count(*) AS n FROM trials WHERE score IS NOT NULL", storage=str(place.storage)
    )
    assert found.to_pylist() == [{"n": summary.total}]


def test_a_trial_that_fails_is_asked_for_once(place):
    axes = {"mode": ["raise", "nan"], "seed": [0, 1, 2]}
    text = sweep("tpe", trials=6, parameters=axes, workload={"kind": "failing", "at": 1})
    text += json.dumps("max_failed_trials") + ": 6\n"
    summary = place.run(text)
    assert summary.counts == {"failed": 6}
    assert len(place.ledger.trials()) == 6


def test_a_design_is_planned_like_a_grid(place, capsys):
    found = [
        (cell.config["value"], cell.config["steps"]) for cell in cells(sweep("sobol", trials=8))
    ]
    assert len(found) == 8
    place.run(sweep("sobol", trials=8))
    assert [asked[1:] for asked in place.asked] == found


def test_plan_says_what_was_asked_and_how_much_may_follow(place):
    place.file.write_text(sweep(trials=14))
    plan, _ = actions.plan(place.file, storage=str(place.storage), kinds=[str(KINDS)])
    assert (plan.total, plan.to_come) == (0, 14)
    with pytest.raises(Interrupted):
        place.run(stop_after=4)
    plan, _ = actions.plan(place.file, storage=str(place.storage), kinds=[str(KINDS)])
    assert (plan.total, plan.count("kept"), plan.to_come) == (4, 4, 10)
    _, most = actions.validate(place.file, kinds=[str(KINDS)])
    assert most == 14


def test_one_trial_of_a_search_runs_alone(place):
    text = sweep(trials=6)
    with pytest.raises(Interrupted):
        place.run(text, stop_after=2)
    ids = list(place.ledger.trials())
    assert place.run(only=(ids[0],)).asked == 1
    with pytest.raises(InputError, match="--only"):
        place.run(only=("ffffffffffff",))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"method": "tpe", "metric": TWO}, "the method tpe looks at 1 metrics, got 2"),
        ({"method": "nsga2", "metric": {"name": "total"}}, "looks at 2 metrics, got 1"),
        ({"method": "sobol", "trials": 9}, "search: trials: a Sobol design is even"),
        ({"search": {"startupp": 3}}, "search.startupp: only known keys"),
        ({"search": {"enqueue": [{"value": 7}]}}, "enqueue[0]: value lies from 0 to 1, got 7"),
        ({"parameters": {"value": {"min": 2, "max": 1}}}, "parameters.value: max is at least min"),
        ({"parameters": {"valu": [1.0, 2.0]}}, "only known keys, got 'valu'"),
        ({"parameters": {"steps": {"min": 0, "max": 4}}}, "parameters.steps: a whole number"),
        ({"parameters": {"steps": [1, 2, -3]}}, "parameters.steps[2]: greater than or equal to 0"),
    ],
)
def test_a_search_that_cannot_be_is_refused_before_anything_starts(keys, message, test_kinds):
    assert any(message in problem for problem in told(sweep(**keys))), told(sweep(**keys))
