"""Which cells get another seed, and how often what is decided so is wrong."""

import numpy as np
import pytest

from orchestrator.replicating import Replicated, decide, further
from orchestrator.sequential import level

LINE = 0.99


def cell(key="a", scores=(), *, line=LINE, group=None, **more):
    given = {"asked": len(scores)} | more
    return Replicated(key=key, scores=dict(enumerate(scores)), line=line, group=group, **given)


@pytest.mark.parametrize(
    ("scores", "side"),
    [
        ((), "open"),
        ((1.0,), "open"),
        ((1.0, 0.9), "open"),
        ((1.0, 1.0001, 0.9999), "above"),
        ((0.9, 0.9001, 0.8999), "below"),
        ((0.989, 0.991, 0.99), "open"),
    ],
)
def test_the_side_of_the_line(scores, side):
    assert decide([cell(scores=scores)], most=8, until=0.95)["a"].side == side


def test_cells_without_line_and_group_need_nothing():
    assert further([cell(line=None)], most=8, until=0.95) == []


def test_only_undecided_cells_that_do_not_run_get_a_seed():
    cells = [
        cell("clear", (0.9, 0.9001, 0.8999)),
        cell("open", (0.98, 1.0)),
        cell("running", (0.98, 1.0), asked=3, open=1),
        cell("spent", (0.98, 1.0), asked=8),
    ]
    assert further(cells, most=8, until=0.95) == ["open"]


def test_the_first_of_a_group():
    noise = np.asarray([0.0, 0.02, -0.01, 0.01])
    cells = [
        cell("best", 1.0 + noise, line=None, group="g"),
        cell("behind", 0.95 + noise * 0.99, line=None, group="g"),
        cell("far", 0.8 + noise * 1.01, line=None, group="g"),
        cell("other", (0.5,), line=None, group="h"),
    ]
    found = decide(cells, most=8, until=0.95)
    ranks = {key: decision.rank for key, decision in found.items()}
    assert ranks == {"best": "first", "behind": "behind", "far": "behind", "other": "first"}
    assert further(cells, most=8, until=0.95) == []


def play(random, means, *, spread, most=8, until=0.95, line=None, group="g"):
    """(decisions, seeds used) of cells with these means, asked until nothing is open."""
    scores = {
        str(number): list(random.normal(mean, spread, 2)) for number, mean in enumerate(means)
    }
    while True:
        cells = [cell(key, found, line=line, group=group) for key, found in scores.items()]
        more = further(cells, most=most, until=until)
        if not more:
            found = decide(cells, most=most, until=until)
            return found, sum(map(len, scores.values()))
        for key in more:
            scores[key].append(random.normal(means[int(key)], spread))


@pytest.mark.parametrize("gap", [0.0, 0.3, 1.0])
def test_sides_are_wrong_no_oftener_than_said(gap):
    """The gap from the line, in spreads: at none the error is largest."""
    random = np.random.default_rng(4)
    runs, wrong = 400, 0
    for _ in range(runs):
        found, _ = play(random, [LINE + gap * 0.01], spread=0.01, line=LINE, group=None)
        wrong += found["0"].side == "below"
    assert wrong / runs <= 0.05 + 3 * (0.05 * 0.95 / runs) ** 0.5


@pytest.mark.parametrize("means", [(1.0, 1.0, 1.0), (1.0, 0.99, 0.9)])
def test_the_best_is_passed_over_no_oftener_than_said(means):
    random = np.random.default_rng(5)
    runs, wrong = 200, 0
    for _ in range(runs):
        found, _ = play(random, means, spread=0.01)
        wrong += found["0"].rank == "behind"
    assert wrong / runs <= 0.05 + 3 * (0.05 * 0.95 / runs) ** 0.5


def test_clear_cells_cost_few_seeds():
    random = np.random.default_rng(6)
    means = [LINE + gap for gap in (-0.2, -0.1, -0.05, 0.05, 0.1, 0.0)]
    _, used = play(random, means, spread=0.005, line=LINE, group=None)
    assert used <= 4 * len(means)


def test_the_level_of_one_look_is_given_up_for_several():
    assert level(0.05, first=2, most=8) < 0.05 / 2
