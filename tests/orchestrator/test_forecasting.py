"""What a sweep will take, from what a few of its cells took; and how wide the bounds are."""

import math

import numpy as np
import pytest

from orchestrator.expand import expand
from orchestrator.forecasting import Asked, Room, forecast
from orchestrator.likeness import NOISE, Likeness
from orchestrator.resources import Resources
from orchestrator.seen import Cost, Seen, length_of
from orchestrator.spec_load import load_sweep
from tests.orchestrator.sweeps import HEAD, SHIPPED, cells

TOOK = {
    "05949a6d1403": 7.5,
    "1956eb3d9eaa": 9.3,
    "1a23a765167a": 9.1,
    "1d848add202a": 10.4,
    "20e2062ac08e": 9.8,
    "2e5c03b9ff3e": 5.5,
    "35d588dc82ee": 10.4,
    "35e5de4a72e5": 8.3,
    "391784945a81": 6.0,
    "3e528da65143": 7.8,
    "3f9a9ca23470": 6.3,
    "4260d7d47c40": 6.2,
    "47be0fda08b0": 8.2,
    "4b6260917fc4": 8.5,
    "4c617a117896": 8.8,
    "51d994b1b2b3": 7.6,
    "5a00e4ea5f8d": 10.3,
    "6324c0835020": 9.0,
    "64b8f3982f30": 10.7,
    "661483231cf9": 7.9,
    "6d98d557ac60": 9.0,
    "737a298228ad": 10.4,
    "75f4098cd042": 8.0,
    "77e8c1b97c76": 8.2,
    "7f91ffe88cf2": 8.8,
    "81d9d8d637ca": 6.1,
    "8669e44f14c3": 6.1,
    "8cc1ea9c2e21": 7.9,
    "8e7e456f89be": 6.1,
    "936d0eabde65": 5.8,
    "968a18b4f464": 6.0,
    "96f477f5ad0e": 6.3,
    "971b73adc0cf": 5.6,
    "9aba05ded992": 5.5,
    "a2f0aae31539": 6.1,
    "ace6f815806f": 9.2,
    "affa22146c15": 7.9,
    "bd92328666f5": 10.4,
    "c0f52a53153c": 8.7,
    "c2af582e93b1": 8.1,
    "c81f7fd81098": 7.8,
    "cb1191d88d16": 8.0,
    "cf0b48b79ba2": 9.0,
    "d04f8bb08dab": 9.0,
    "d676158368fa": 10.5,
    "d87eef7db6a5": 8.3,
    "e0355ce26f4e": 8.6,
    "eb9e6b14cb95": 9.2,
    "ebec35100b36": 5.8,
    "ff4f85e93faa": 7.6,
}
"""Trial -> seconds: 50 cells of the 79 in one run of sparsity_accuracy on 2 cores (2026-11-22); the
other 29 ran while the machine had something else to do."""


@pytest.fixture(scope="module")
def grid():
    """The cells of the 79-cell grid, in running order."""
    return expand(load_sweep(SHIPPED["sparsity_accuracy"]))


def cost(config, seconds, *, around_s=0.0, cold=False):
    return Cost(
        config=config,
        length=length_of(config),
        training_s=seconds,
        evaluating_s=0.0,
        around_s=around_s,
        cold=cold,
    )


def asked(found, **resources):
    return [Asked(c.trial_id, c.config, Resources(**resources)) for c in found]


def test_cells_as_those_seen_take_what_those_took_step_by_step():
    (short,) = cells(HEAD + "grids: [{name: a, set: {train.epochs: 2}}]\n")
    (long,) = cells(HEAD + "grids: [{name: a, set: {train.epochs: 6}}]\n")
    found = forecast(asked([long]), Seen(costs=(cost(short.config, 5.0),)), room=Room(cpus=1))
    assert found.seconds[long.trial_id] == pytest.approx(15.0)
    assert found.wall_s == pytest.approx(15.0)
    assert found.low_s < found.wall_s < found.high_s
    assert found.cpu_hours == pytest.approx(15.0 / 3600)


def test_cells_run_in_order_where_there_is_room():
    four = cells(HEAD + "grids: [{name: a, parameters: {seed: [1, 2, 3, 4]}}]\n")
    seen = Seen(costs=(cost(four[0].config, 10.0),), begun_s=3.0)
    for room, resources, wall in (
        (Room(cpus=2), {}, 3 + 20),
        (Room(cpus=4), {}, 3 + 10),
        (Room(cpus=4, most=1), {}, 3 + 40),
        (Room(cpus=4), {"cpu": 2}, 3 + 20),
        (Room(cpus=4, gpus=1), {"gpu": 0.5}, 3 + 20),
        (Room(cpus=2), {"gpu": 1}, 3 + 40),  # No such device here: one after another.
    ):
        found = forecast(asked(four, **resources), seen, room=room)
        assert found.wall_s == pytest.approx(wall)
    assert found.gpu_hours == pytest.approx(40 / 3600)


def test_a_new_worker_begins_once_and_a_start_is_paid_once():
    four = cells(HEAD + "grids: [{name: a, parameters: {seed: [1, 2, 3, 4]}}]\n")
    costs = [
        cost(four[0].config, 10.0, around_s=6.0, cold=True),
        cost(four[0].config, 10.0, around_s=1.0),
    ]
    found = forecast(asked(four), Seen(costs=tuple(costs), begun_s=4.0), room=Room(cpus=2))
    assert found.wall_s == pytest.approx(4 + 5 + 11 + 11)
    assert found.seconds[four[0].trial_id] == pytest.approx(11.0)


def test_nothing_known_is_no_forecast():
    some = asked(cells(HEAD))
    assert forecast(some, Seen(), room=Room(cpus=2)) is None
    assert forecast([], Seen(costs=(cost(some[0].config, 1.0),)), room=Room(cpus=2)) is None


def test_four_cells_of_the_grid_tell_the_others_within_a_fifth(grid):
    """The bar: median absolute error at most 20 %, here on what real cells took."""
    known = [cell for cell in grid if cell.trial_id in TOOK]
    likeness = Likeness([cell.config for cell in known])
    steps = np.array([length_of(cell.config).steps for cell in known], dtype=float)
    probes = likeness.telling(range(len(known)), steps, most=4)
    seen = Seen(costs=tuple(cost(known[i].config, TOOK[known[i].trial_id]) for i in probes))
    rest = [cell for i, cell in enumerate(known) if i not in probes]
    found = forecast(asked(rest), seen, room=Room(cpus=2))
    errors = [abs(found.seconds[c.trial_id] / TOOK[c.trial_id] - 1) for c in rest]
    assert np.median(errors) <= 0.2
    total = sum(TOOK[c.trial_id] for c in rest)
    assert abs(sum(found.seconds.values()) / total - 1) <= 0.2


def test_probes_are_of_every_architecture(grid):
    likeness = Likeness([cell.config for cell in grid])
    probes = likeness.telling(range(len(grid)), np.ones(len(grid)), most=4)
    assert len(set(probes)) == 4
    assert {grid[i].config["model"]["kind"] for i in probes} == {"resnet", "vit", "gpt_nano"}


def test_bounds_hold_what_they_say_where_costs_differ_as_expected(grid):
    """Of truths drawn from what is expected beforehand, nine of ten sums lie within 90 %."""
    random = np.random.default_rng(0)
    likeness = Likeness([cell.config for cell in grid])
    everywhere = list(range(len(grid)))
    prior = np.linalg.cholesky(likeness.covariance(everywhere, everywhere) + 1e-9 * np.eye(79))
    probes = likeness.telling(everywhere, np.ones(79), most=4)
    held = 0
    for _ in range(300):
        truth = prior @ random.standard_normal(79)
        measured = truth[probes] + NOISE * random.standard_normal(4)
        mean, spread = likeness.posterior(probes, measured, everywhere)
        weights = np.exp(mean)
        wide = math.sqrt(weights @ spread @ weights) / weights.sum()
        held += abs(math.log(np.exp(truth).sum() / weights.sum())) <= 1.645 * wide
    assert 0.8 <= held / 300 <= 0.98
