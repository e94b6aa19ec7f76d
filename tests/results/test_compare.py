"""Two stores side by side, from files to differences."""

import math

import pytest

from results.compare import SCORE, compare, load
from results.query import open_stores
from results.store import Store
from tests.results.sweeps import begin, end, finish, plan, write


@pytest.fixture
def stores(tmp_path):
    return Store(tmp_path / "one" / "s"), Store(tmp_path / "two" / "s")


def side(store):
    with open_stores([store.root]) as reader:
        return load(reader)


def cell(trial_id, act, *, epochs=1, **row):
    config = {"activation": {"kind": act}, "train": {"epochs": epochs}}
    values = {"metric": "accuracy", "goal": "maximize", "config": config}
    return {"trial_id": trial_id, **values, **row}


def overall(found, metric):
    (one,) = [d for d in found.differences if d.metric == metric and d.grid is None]
    return one.estimate


def test_equal_cells_of_sweeps_of_one_name_are_told_apart(stores):
    for store, shift in zip(stores, (0.0, 0.1), strict=True):
        plan(store, [cell("t0", "relu"), cell("t1", "gelu")])
        finish(store, "t0", {"accuracy": 0.5 + shift, "loss": 1.0})
        finish(store, "t1", {"accuracy": 0.7 + 2 * shift, "loss": 2.0})

    found = compare(side(stores[0]), side(stores[1]))

    assert found.matching.same == ("t0", "t1")
    score = overall(found, SCORE)
    assert (score.n, score.difference) == (2, pytest.approx(0.15))
    assert score.interval == pytest.approx((0.15 - 12.7062 * 0.05, 0.15 + 12.7062 * 0.05), rel=1e-4)
    assert overall(found, "accuracy").difference == pytest.approx(0.15)
    assert overall(found, "loss").difference == 0.0
    assert [pair.values[SCORE] for pair in found.pairs] == [
        pytest.approx((0.5, 0.6)),
        pytest.approx((0.7, 0.9)),
    ]
    assert found.settings == found.facts == ()


def test_other_epochs_throughout_pair_by_the_rest(stores):
    plan(stores[0], [cell("a0", "relu"), cell("a1", "gelu")])
    plan(stores[1], [cell("b0", "relu", epochs=2), cell("b2", "topk", epochs=2)])
    finish(stores[0], "a0", {"accuracy": 0.5})
    finish(stores[1], "b0", {"accuracy": 0.8})

    found = compare(side(stores[0]), side(stores[1]))

    assert found.matching.changed == (("a0", "b0"),)
    assert found.matching.by == ("train.epochs",)
    assert (found.matching.only_a, found.matching.only_b) == (("a1",), ("b2",))
    assert overall(found, SCORE).difference == pytest.approx(0.3)
    assert [one.path for one in found.settings] == ["activation.kind", "train.epochs"]


def test_only_ended_and_wanted_cells_have_values(stores):
    for store in stores:
        plan(store, [cell("t0", "relu"), cell("t1", "gelu"), cell("t2", "topk", wanted=False)])
        finish(store, "t2", {"accuracy": 0.9})
        begin(store, "t1")
        write(store, "t1", {0: {"accuracy": 0.2}})
    finish(stores[0], "t0", {"accuracy": 0.5})
    begin(stores[1], "t0")
    write(stores[1], "t0", {0: {"accuracy": 0.5}})
    end(stores[1], "t0", "failed", failure_class="crash")

    found = compare(side(stores[0]), side(stores[1]), metrics=["accuracy"])

    assert found.matching.same == ("t0", "t1")
    estimate = overall(found, "accuracy")
    assert (estimate.n, estimate.missing) == (0, 2)
    assert (side(stores[0]).ended, side(stores[1]).ended) == (1, 0)


def test_values_that_are_not_finite_are_left_out_and_counted(stores):
    for store, value in zip(stores, (0.5, math.nan), strict=True):
        plan(store, [cell("t0", "relu"), cell("t1", "gelu")])
        finish(store, "t0", {"accuracy": value})
        finish(store, "t1", {"accuracy": 0.6})
    found = overall(compare(side(stores[0]), side(stores[1])), SCORE)
    assert (found.n, found.not_finite, found.difference) == (1, 1, 0.0)


def test_a_metric_that_only_some_cells_have_counts_the_rest_as_missing(stores):
    for store in stores:
        plan(store, [cell("t0", "relu"), cell("t1", "gelu")])
        finish(store, "t0", {"accuracy": 0.5, "spikes": 3.0})
        finish(store, "t1", {"accuracy": 0.6})
    found = overall(compare(side(stores[0]), side(stores[1])), "spikes")
    assert (found.n, found.missing) == (1, 1)


def test_provenance_that_differs_is_told_with_its_cells(stores):
    versions = ({"torch": "2.11", "numpy": "2.0"}, {"torch": "2.12", "numpy": "2.0"})
    for store, commit, dirty, version in zip(
        stores, ("abc", "def"), (False, True), versions, strict=True
    ):
        row = {"commit": commit, "dirty": dirty, "versions": version}
        plan(store, [cell("t0", "relu", **row), cell("t1", "gelu", **row)])
        begin(store, "t0", host="here", device="cpu")
        end(store, "t0", host="here", device="cpu")
    begin(stores[1], "t1", host="there", device="cuda:0")

    found = compare(side(stores[0]), side(stores[1]))

    assert {fact.what: (dict(fact.a), dict(fact.b)) for fact in found.facts} == {
        "commit": ({"abc": 2}, {"def": 2}),
        "device": ({"cpu": 1}, {"cpu": 1, "cuda:0": 1}),
        "host": ({"here": 1}, {"here": 1, "there": 1}),
        "uncommitted changes": ({"no": 2}, {"yes": 2}),
        "version of torch": ({"2.11": 2}, {"2.12": 2}),
    }


def test_the_first_metric_is_told_per_grid_too(stores):
    for store, shift in zip(stores, (0.0, 0.1), strict=True):
        plan(store, [cell("t0", "relu", grid="g.a"), cell("t1", "gelu", grid="g.b")])
        finish(store, "t0", {"accuracy": 0.5 + shift})
        finish(store, "t1", {"accuracy": 0.6 - shift})
    found = compare(side(stores[0]), side(stores[1]))
    grids = {d.grid: d.estimate.difference for d in found.differences if d.grid is not None}
    assert grids == {"g.a": pytest.approx(0.1), "g.b": pytest.approx(-0.1)}


def test_a_metric_called_score_does_not_hide_the_score(stores):
    for store, shift in zip(stores, (0.0, 0.1), strict=True):
        plan(store, [cell("t0", "relu")])
        finish(store, "t0", {"accuracy": 0.5 + shift, "score": 7.0})
    found = compare(side(stores[0]), side(stores[1]))
    assert overall(found, SCORE).difference == pytest.approx(0.1)
    assert overall(found, "metric score").mean_a == 7.0


def test_empty_stores_have_nothing_in_common(stores):
    plan(stores[0], [cell("t0", "relu")])
    found = compare(side(stores[0]), side(stores[1]))
    assert found.pairs == found.differences == ()
    assert found.matching.only_a == ("t0",)
