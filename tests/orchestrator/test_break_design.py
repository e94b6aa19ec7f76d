"""What is asked next in a search for the break, on curves whose break is known."""

import numpy as np
import pytest

from orchestrator.search._break_design import START, Arm, Point, next_levels
from orchestrator.search._break_posterior import posterior
from results.query import open_stores
from tests.orchestrator.breaks import LEVELS, noises, search, truths, uniform, width

DRAWS = 200


def arm(x, *, tau=0.7, change=-1.0, noise=0.005, **values):
    """An arm whose cells lie at x on a line that breaks at tau."""
    x = np.asarray(x, dtype=float)
    y = 1 + change * np.maximum(x - tau, 0) + np.random.default_rng(0).normal(0, noise, len(x))
    points = [Point(a, a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    return Arm(levels=LEVELS, points=points, taken=dict.fromkeys(x.tolist(), 1), **values)


COARSE = LEVELS[:: (len(LEVELS) - 1) // 6]


def test_the_coarse_set_comes_first_and_spans_the_range():
    first = [level for _, level in next_levels([Arm(levels=LEVELS)], count=START, seed=0)]
    assert first[:2] == [LEVELS[0], LEVELS[-1]]
    assert np.diff(sorted(first)) == pytest.approx(0.99 / (START - 1), abs=0.006)


def test_the_coarse_set_goes_on_where_it_was_left():
    first = [level for _, level in next_levels([Arm(levels=LEVELS)], count=START, seed=0)]
    begun = Arm(levels=LEVELS, taken=dict.fromkeys(first[:2], 1), waiting=first[:2])
    assert [level for _, level in next_levels([begun], count=4, seed=0)] == first[2:]


def test_the_same_question_gets_the_same_answer():
    asked = [next_levels([arm(COARSE)], count=4, seed=5) for _ in range(2)]
    assert asked[0] == asked[1]


def test_levels_near_the_break_are_asked_for():
    x = [*COARSE, 0.6, 0.65, 0.75, 0.8]
    asked = [level for _, level in next_levels([arm(x)], count=4, seed=0)]
    assert any(0.62 <= level <= 0.78 for level in asked)
    assert len(set(asked)) == 4
    assert not set(asked) & set(x)


def test_cells_that_run_are_not_asked_for_again():
    both = [level for _, level in next_levels([arm(COARSE)], count=2, seed=0)]
    taken = dict.fromkeys([*COARSE, both[0]], 1)
    begun = Arm(levels=LEVELS, points=arm(COARSE).points, taken=taken, waiting=[both[0]])
    (second,) = next_levels([begun], count=1, seed=0)
    assert second[1] == pytest.approx(both[1], abs=0.05)


def test_nothing_is_asked_at_the_floor():
    x = np.asarray(COARSE)
    y = np.maximum(1 - 4 * np.maximum(x - 0.4, 0), 0.1)
    points = [
        Point(a, a, b, "floor" if b == 0.1 else "kept")
        for a, b in zip(x.tolist(), y.tolist(), strict=True)
    ]
    floor = min(point.sparsity for point in points if point.standing == "floor")
    begun = Arm(levels=LEVELS, points=points, taken=dict.fromkeys(x.tolist(), 1))
    assert all(level < floor for _, level in next_levels([begun], count=4, seed=0))


def test_a_level_is_repeated_only_where_seeds_are_left():
    levels = (0.0, 0.2, 0.4, 0.6, 0.8, 0.98)
    once = Arm(levels=levels, points=arm(levels).points, taken=dict.fromkeys(levels, 1), repeats=1)
    twice = Arm(levels=levels, points=arm(levels).points, taken=dict.fromkeys(levels, 1), repeats=2)
    assert next_levels([once], count=2, seed=0) == []
    assert len(next_levels([twice], count=2, seed=0)) == 2


def test_measured_sparsity_counts_not_the_level():
    """Levels that give twice their sparsity: what is asked is placed by what they gave."""
    levels = tuple(np.linspace(0, 0.45, 91).round(4).tolist())
    x = np.asarray([0.0, 0.075, 0.15, 0.225, 0.3, 0.325, 0.375, 0.4, 0.45])
    y = 1 - 1.0 * np.maximum(2 * x - 0.7, 0) + np.random.default_rng(0).normal(0, 0.003, len(x))
    points = [Point(a, 2 * a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    begun = Arm(levels=levels, points=points, taken=dict.fromkeys(x.tolist(), 1))
    asked = [level for _, level in next_levels([begun], count=4, seed=0)]
    assert any(0.32 <= level <= 0.38 for level in asked)


def test_the_arm_that_is_known_least_gets_the_cells():
    clear = arm([*COARSE, 0.62, 0.66, 0.68, 0.69, 0.71, 0.72, 0.74, 0.78], noise=0.001)
    vague = arm(COARSE, noise=0.02)
    assert {index for index, _ in next_levels([clear, vague], count=3, seed=0)} == {1}


def test_the_posterior_holds_the_break():
    found = []
    for truth in truths(60, seed=2):
        random = np.random.default_rng(3)
        x = np.linspace(0, 0.99, 20)
        y = truth.mean(x) + random.normal(0, truth.sigma, 20)
        above = truth.mean(x) > 0.2  # The fit leaves the floor out as well.
        low, high = posterior(x[above], y[above], start=0, end=0.99).interval()
        found.append(low - 0.01 <= truth.tau <= high + 0.01)
    assert np.mean(found) >= 0.85


def test_half_the_trials_of_a_uniform_grid_do():
    """A small cut of the simulation in `tests/benchmarks/search_cliff.py`."""
    known = truths(20, seed=1)
    with open_stores([]) as reader:
        grid = uniform(reader, known, noises(range(20), seed=9), count=40, draws=DRAWS)
        settings = {"batch": 4, "most": 20, "checks": (20,), "draws": DRAWS}
        looks = search(reader, known, noises(range(20), seed=3), **settings)
    curves = [found[20][0] for found in looks]
    ratios = [width(a) / width(b) for a, b in zip(curves, grid, strict=True)]
    inside = [c.interval[0] <= t.tau <= c.interval[1] for c, t in zip(curves, known, strict=True)]
    assert np.median(ratios) <= 1
    assert np.mean(inside) >= 0.85
