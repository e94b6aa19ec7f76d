"""Quantiles and the largest of each row: against sorting, with ties, in both precisions."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from workloads.order_statistics import add_gradient_, find_quantile, largest

FAST, PLAIN = torch.float32, torch.float16  # numpy's way, and torch's, which a GPU takes


def drawn(*shape: int, dtype: torch.dtype = FAST, steps: int = 0) -> Tensor:
    """Numbers that float16 holds exactly; with `steps`, so few that many are equal."""
    torch.manual_seed(0)
    x = torch.randint(-steps, steps + 1, shape) if steps else torch.randn(*shape).half()
    return x.to(dtype)


def reference_largest(values: Tensor, count: int, start: int) -> Tensor:
    """Sorts each row in Python, by value and then by index."""
    rows = values.reshape(-1, math.prod(values.shape[start:])).tolist()
    mask = torch.zeros(len(rows), len(rows[0]))
    for row, taken in zip(rows, mask, strict=True):
        taken[sorted(range(len(row)), key=lambda i: (-row[i], i))[:count]] = 1
    return mask.view(values.shape)


@pytest.mark.parametrize("dtype", [FAST, torch.float64, PLAIN], ids=str)
@pytest.mark.parametrize("steps", [0, 3, 1], ids=["distinct", "ties", "many-ties"])
@pytest.mark.parametrize(
    ("shape", "start"),
    [((5, 30), 1), ((4, 6, 10), 1), ((4, 6, 10), 2), ((3, 2, 4, 5), 1), ((2, 1200), 1)],
    ids=str,
)
def test_largest_takes_exactly_the_first_of_the_largest(
    dtype: torch.dtype, steps: int, shape: tuple[int, ...], start: int
) -> None:
    values = drawn(*shape, dtype=dtype, steps=steps)
    size = math.prod(shape[start:])
    for count in (0, 1, size // 3, size - 1, size):
        mask = largest(values, count=count, start=start)
        assert mask.dtype == dtype
        assert torch.equal(mask.float(), reference_largest(values, count, start))


@pytest.mark.parametrize("steps", [0, 2], ids=["distinct", "ties"])
def test_largest_keeps_channels_last_memory_and_logical_ties(steps: int) -> None:
    values = drawn(3, 4, 5, 6, steps=steps)
    packed = values.contiguous(memory_format=torch.channels_last)
    mask = largest(packed, count=50, start=1)
    assert mask.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(mask, reference_largest(values, 50, 1))


def test_largest_of_a_view_that_is_not_contiguous() -> None:
    values = drawn(6, 4, 10, steps=4).transpose(0, 1)
    assert torch.equal(largest(values, count=7, start=2), reference_largest(values, 7, 2))


def test_largest_with_infinities() -> None:
    values = torch.tensor([[-math.inf, 1.0, math.inf, math.inf], [0.0, -math.inf, 2.0, 1.0]])
    expected = torch.tensor([[0.0, 1, 1, 1], [1, 0, 1, 1]])
    assert torch.equal(largest(values, count=3, start=1), expected)


@pytest.mark.parametrize("dtype", [FAST, PLAIN], ids=str)
def test_a_row_with_nan_does_not_disturb_the_others(dtype: torch.dtype) -> None:
    values = drawn(3, 10, dtype=dtype)
    values[1, :6] = torch.nan
    mask = largest(values, count=4, start=1).float()
    assert torch.equal(mask[::2], reference_largest(values[::2], 4, 1))
    assert mask.isfinite().all()


CROWDED = {
    "half": [0.5, 0.5, 0.5, 0.5],
    "mixed": [0.4, 0.6, 0.0, 1.0],
    "the first is not": [0.0, 0.9, 0.9, 0.1],
    "only the first": [0.9, 0.0, 0.05, 0.0],
}
"""Share of a row's entries that equal its smallest."""


def crowded(shares: list[float], *, floor: float, entries: int = 700) -> Tensor:
    """Rows whose smallest entry stands at places drawn at random, among others some equal ones."""
    values = (drawn(len(shares), entries).abs() + 0.01 + max(floor, -9.0)).round(decimals=2)
    for row, share in zip(values, shares, strict=True):
        row[torch.randperm(entries)[: round(share * entries)]] = floor
    return values


@pytest.mark.parametrize("shares", CROWDED.values(), ids=CROWDED)
@pytest.mark.parametrize("floor", [0.0, -3.0, 1e-45, -math.inf], ids=str)
def test_rows_crowded_at_their_smallest(shares: list[float], floor: float) -> None:
    values = crowded(shares, floor=floor)
    for count in (1, 70, 280, 349, 350, 351, 420, 630, 699):
        mask = largest(values, count=count, start=1)
        assert torch.equal(mask, reference_largest(values, count, 1)), count


@pytest.mark.parametrize("shares", CROWDED.values(), ids=CROWDED)
@pytest.mark.parametrize("entries", [90, 700])
def test_what_is_not_above_zero_and_alike_changes_no_product(
    shares: list[float], entries: int
) -> None:
    for floor in (0.0, -1.0):  # In the second zeros stand above others.
        values = crowded(shares, floor=floor, entries=entries)
        values[:, ::3] = 0
        for count in (1, entries // 3, entries // 2, entries - 1):
            mask = largest(values, count=count, start=1, only_positive=True)
            exact = reference_largest(values, count, 1)
            assert torch.equal(mask[values > 0], exact[values > 0])
            assert torch.equal(values.relu() * mask, values.relu() * exact)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("tied", [1, 16, 17, 40])
def test_ties_in_few_rows_and_in_many(tied: int, layout: torch.memory_format) -> None:
    torch.manual_seed(tied)
    values = torch.randn(40, 8, 9, 9)
    for row in range(tied):
        values[row].view(-1)[torch.randperm(648)[: 20 + row]] = 0.25
    values = values.contiguous(memory_format=layout)
    for count in (100, 250, 270, 400):
        mask = largest(values, count=count, start=1)
        flat = values.reshape(40, -1)
        assert torch.equal(mask.reshape(40, -1), reference_largest(flat, count, 1)), count


@pytest.mark.parametrize("bad", [math.nan, math.inf], ids=str)
def test_a_crowded_row_with_what_is_no_number_does_not_disturb_the_others(bad: float) -> None:
    for place in range(4):
        values = crowded(CROWDED["half"], floor=0.0)
        values[place, 5] = bad
        others = [row for row in range(4) if row != place or bad == math.inf]
        for count in (1, 300, 500):
            mask = largest(values, count=count, start=1)
            assert torch.equal(mask[others], reference_largest(values, count, 1)[others])


def test_largest_of_no_samples() -> None:
    assert largest(torch.empty(0, 7), count=3, start=1).shape == (0, 7)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(-3, 3), min_size=6, max_size=6), min_size=1, max_size=4),
    st.integers(0, 6),
)
def test_both_ways_agree_on_any_ties(rows: list[list[int]], count: int) -> None:
    values = torch.tensor(rows)
    fast = largest(values.to(FAST), count=count, start=1)
    assert torch.equal(fast, largest(values.to(PLAIN), count=count, start=1).to(FAST))
    assert (fast.sum(dim=1) == count).all()


@pytest.mark.parametrize("q", [0.0, 0.1, 0.25, 0.5, 0.77, 1.0])
@pytest.mark.parametrize("entries", [1, 2, 9, 700])
def test_quantile_is_numpys_linear_one(q: float, entries: int) -> None:
    values = drawn(3, 4, entries, dtype=torch.float64)
    expected = np.quantile(values.numpy(), q, axis=-1, method="linear")
    found = find_quantile(values, q, start=2)
    np.testing.assert_allclose(found.value.numpy(), expected, rtol=1e-13, atol=1e-13)
    plain = find_quantile(values.half(), q, start=2)
    np.testing.assert_allclose(plain.value.numpy(), expected, rtol=2e-3, atol=2e-3)
    assert torch.equal(plain.lower, find_quantile(values.half().float(), q, start=2).lower)


def test_quantile_of_several_dimensions_in_any_memory() -> None:
    values = drawn(3, 4, 5, 6)
    packed = values.contiguous(memory_format=torch.channels_last)
    expected = torch.quantile(values.flatten(2), 0.3, dim=-1)
    for given_values in (values, packed):
        torch.testing.assert_close(find_quantile(given_values, 0.3, start=2).value, expected)


@pytest.mark.parametrize("dtype", [FAST, PLAIN], ids=str)
def test_nan_counts_as_larger_than_any_number(dtype: torch.dtype) -> None:
    values = torch.tensor([[1.0, torch.nan, 0.0, torch.inf]], dtype=dtype)
    assert find_quantile(values, 1 / 3, start=1).value.tolist() == [1]
    assert find_quantile(values, 1.0, start=1).value.isnan().all()


@pytest.mark.parametrize("q", [0.0, 0.25, 0.4, 1.0])
def test_gradient_is_that_of_torchs_quantile(q: float) -> None:
    values = drawn(3, 4, 9, dtype=torch.float64).requires_grad_()
    grad = drawn(3, 4, dtype=torch.float64)
    (expected,) = torch.autograd.grad(torch.quantile(values, q, dim=-1), values, grad)
    into = torch.zeros_like(values)
    add_gradient_(into, grad, find_quantile(values, q, start=2))
    torch.testing.assert_close(into, expected)


@pytest.mark.parametrize("dtype", [FAST, PLAIN], ids=str)
def test_of_equal_entries_the_first_gets_the_gradient(dtype: torch.dtype) -> None:
    values = torch.tensor([[5.0, 2.0, 2.0, 2.0, 0.0]], dtype=dtype)
    into = torch.zeros(1, 5, dtype=dtype)
    add_gradient_(into, torch.ones(1, dtype=dtype), find_quantile(values, 0.4, start=1))
    assert into.tolist() == [[0, 1, 0, 0, 0]]


def test_gradient_is_added_in_place_to_channels_last_memory() -> None:
    values = drawn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    found = find_quantile(values, 0.3, start=2)
    into, flat = torch.ones_like(values), torch.ones(2, 3, 20)
    add_gradient_(into, torch.ones(2, 3), found)
    add_gradient_(flat, torch.ones(2, 3), found)
    assert torch.equal(into.flatten(2), flat)
