"""What the method `cliff` asks for, and what it refuses."""

import numpy as np
import pytest

from orchestrator.region import region_of
from orchestrator.search import Answer, Goal, Space
from orchestrator.search.cliff import CONFIRMING, DRAWS, Config
from orchestrator.spec import Grid
from results.cliff_points import curve_and_floor

SHARES = {"min": 0, "max": 0.98, "step": 0.01}


def answered(search, truth):
    """The answers to a search that runs alone; `truth` gives sparsity, fall and noise of values."""
    history = []
    while (questions := search.ask(history)) is not None:
        for question in questions:
            sparsity, fall, noise = truth(question.values)
            error = np.random.default_rng(len(history)).normal(0, noise)
            history.append(
                Answer(
                    trial_id=f"{len(history):012x}",
                    grid=question.grid,
                    values=question.values,
                    seed=question.seed,
                    status="completed",
                    metrics={"sparsity": sparsity},
                    score=1 - fall * max(sparsity - 0.7, 0) + error,
                )
            )
    return history


def space(*regions, **more):
    return Space(regions=regions, goals=(Goal("val_accuracy", True),), **more)


def test_two_curves_share_the_trials_by_need():
    """Of two models the noisy one gets more, and neither less than a fit needs."""
    both = space(region({"model": ["quiet", "noisy"], "share": SHARES}))
    search = Config(trials=30, target_width=0.03).build(both)
    history = answered(
        search, lambda v: (v["share"], 1.5, 0.02 if v["model"] == "noisy" else 0.001)
    )
    models = [answer.values["model"] for answer in history]
    assert models.count("noisy") > models.count("quiet") + 4
    assert models.count("quiet") >= 8


def test_a_curve_that_is_done_gets_no_more():
    both = space(region({"share": SHARES}, name="a"), region({"share": SHARES}, name="b"))
    search = Config(trials=60, target_width=0.1).build(both)
    history = answered(search, lambda v: (v["share"], 2.0, 0.002))
    assert len(history) < 60


def test_a_narrow_interval_is_confirmed_before_the_end_and_pays_for_the_looks():
    """Looked at after every cell, an interval is also narrow by luck."""
    search = Config(trials=40, target_width=0.05).build(space(region({"share": SHARES})))
    history = answered(search, lambda v: (v["share"], 1.0, 0.008))
    points = [(answer.metrics["sparsity"], answer.score) for answer in history]
    usual, paid = set(), set()
    for count in range(8, len(points) + 1):
        for adaptive, narrow in ((False, usual), (True, paid)):
            curve = curve_and_floor(points[:count], [], delta=0.01, draws=DRAWS, adaptive=adaptive)
            if curve.interval is not None and curve.interval[1] - curve.interval[0] <= 0.05:
                narrow.add(count)
    assert paid < usual
    assert len(points) == min(count for count in paid if count - CONFIRMING in usual)


def test_measured_sparsity_counts():
    """With sparsity share ** 0.5, the break at 0.7 lies at a share of 0.49."""
    search = Config(trials=16, target_width=0.001).build(space(region({"share": SHARES})))
    history = answered(search, lambda v: (v["share"] ** 0.5, 1.0, 0.004))
    assert sum(0.39 <= answer.values["share"] <= 0.59 for answer in history) >= 5


def test_repeats_are_asked_where_levels_run_out():
    levels = [0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9]
    search = Config(trials=12, target_width=0.001).build(
        space(region({"share": levels}), seeds=(0, 1))
    )
    history = answered(search, lambda v: (v["share"], 2.0, 0.003))
    asked = [(answer.values["share"], answer.seed) for answer in history]
    assert len(asked) == len(set(asked)) == 12
    assert {seed for _, seed in asked} == {0, 1}


def test_levels_of_a_range_lie_evenly_between_its_ends():
    search = Config(trials=8).build(space(region({"share": {"min": 0.1, "max": 0.9}})))
    levels = sorted(question.values["share"] for question in search.ask([]))
    assert (levels[0], levels[-1]) == (0.1, 0.9)
    assert np.diff(levels) == pytest.approx(0.16, abs=0.005)


def test_levels_that_are_no_valid_workload_are_left_out():
    """Were every second level refused, the others would be asked for."""
    levels = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    search = Config(trials=20, target_width=0.001).build(
        space(
            region({"share": levels}),
            refused=lambda grid, values: grid == "g" and round(values["share"] * 10) % 2 == 1,
        )
    )
    history = answered(search, lambda v: (v["share"], 2.0, 0.003))
    assert sorted(answer.values["share"] for answer in history) == levels[::2]


def region(parameters, *, name="g", **more):
    grid = Grid.model_validate({"name": name, "parameters": parameters} | more)
    return region_of(grid, workload={"kind": "breaking"})


@pytest.mark.parametrize(
    ("parameters", "search", "told"),
    [
        ({"tau": SHARES}, {}, "grid g has one axis of sparsity (*.share or *.quantile or *.clip)"),
        ({"share": SHARES, "quantile": SHARES}, {}, "got 2 of its axes share, quantile"),
        ({"share": SHARES}, {"axis": "tau"}, "(tau), got 0 of its axes share"),
        ({"share": [0.5]}, {}, "share in grid g has at least two numbers that differ"),
        ({"share": ["a", "b"]}, {}, "share in grid g has at least two numbers that differ"),
        (
            {"share": SHARES, "fall": {"min": 1, "max": 2}},
            {},
            "there are lists only, got the range fall",
        ),
    ],
)
def test_spaces_without_one_axis_of_sparsity_are_refused(parameters, search, told):
    with pytest.raises(ValueError) as caught:
        Config(**search).build(space(region(parameters)))
    assert told in str(caught.value)
