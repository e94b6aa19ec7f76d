"""Whatever prefix of a balanced order is finished, it covers the design evenly."""

from collections import Counter
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.order import in_order


class Cell(NamedTuple):
    trial_id: str
    grid: str
    baseline_id: str | None = None


def grids(*sizes):
    return [Cell(f"{g}-{i}", str(g)) for g, size in enumerate(sizes) for i in range(size)]


@given(st.integers(1, 6), st.integers(1, 30))
def test_any_prefix_covers_equal_grids_within_one_cell(number, size):
    counts = Counter({str(grid): 0 for grid in range(number)})
    for cell in in_order(grids(*[size] * number), order="balanced"):
        counts[cell.grid] += 1
        assert max(counts.values()) - min(counts.values()) <= 1


@given(st.lists(st.integers(1, 30), min_size=1, max_size=8))
def test_any_prefix_covers_each_grid_in_proportion_to_its_size(sizes):
    counts = Counter()
    for done, cell in enumerate(in_order(grids(*sizes), order="balanced"), 1):
        counts[cell.grid] += 1
        for grid, size in enumerate(sizes):
            assert abs(counts[str(grid)] - done * size / sum(sizes)) < 1


@given(st.integers(0, 6))
def test_any_prefix_of_a_grid_is_spread_over_all_of_it(level):
    """After 2^k of 64 cells, each of 2^k equal stretches holds one."""
    done = in_order(grids(64), order="balanced")[: 2**level]
    stretches = {int(cell.trial_id.split("-")[1]) * 2**level // 64 for cell in done}
    assert len(stretches) == 2**level


@pytest.mark.parametrize("order", ["as_written", "shuffled", "balanced"])
def test_an_order_is_a_permutation_and_the_same_every_time(order):
    cells = grids(7, 1, 12)
    assert sorted(in_order(cells, order=order)) == sorted(cells)
    assert in_order(cells, order=order) == in_order(list(cells), order=order)
    assert in_order([], order=order) == []


def test_as_written_is_as_written():
    assert in_order(grids(3, 2), order="as_written") == grids(3, 2)


def test_shuffled_is_not():
    assert in_order(grids(30), order="shuffled") != grids(30)


def test_baselines_come_first_since_no_score_exists_without_them():
    cells = [cell._replace(baseline_id="1-4") for cell in grids(6, 6)]
    assert in_order(cells, order="balanced")[0].trial_id == "1-4"
