"""Counts of magnitudes against numpy over all values at once."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from workloads.measures import Activity
from workloads.measures.magnitudes import Magnitudes

BIN = 2**-8
"""Half a bin, relative: what a magnitude read from the counts may be off by."""


def drawn(name: str, size: int = 200_000) -> Tensor:
    torch.manual_seed(0)
    x = torch.randn(size)
    return {
        "normal": x,
        "relu": x.relu(),
        "gelu2": nn.functional.gelu(x).square(),
        "sparse": x * (torch.rand(size) < 0.03),
        "heavy": torch.exp(4 * x),
        "tiny": 1e-25 * x,
        "huge": 1e25 * x,
    }[name]


SPREADS = ["normal", "relu", "gelu2", "sparse", "heavy", "tiny", "huge"]


def counted(values: Tensor, *, parts: int = 7) -> Magnitudes:
    magnitudes = Magnitudes()
    for part in values.chunk(parts):
        magnitudes.add(part)
    return magnitudes


@pytest.mark.parametrize("name", SPREADS)
def test_median_of_what_is_not_zero(name: str) -> None:
    x = drawn(name)
    values = x[x != 0].abs().double().numpy()
    median = counted(x).read().median(without=float((x == 0).sum()))
    assert median == pytest.approx(np.median(values), rel=BIN)


@pytest.mark.parametrize("name", SPREADS)
def test_rms_and_the_share_of_what_is_near_zero(name: str) -> None:
    x = drawn(name)
    values = x.abs().double().numpy()
    spread, rms = counted(x).read(), math.sqrt((values**2).mean())
    assert spread.rms() == pytest.approx(rms, rel=BIN if name == "heavy" else 1e-4)
    for bound in (1e-3 * rms, 0.5 * rms, 2 * rms):
        # Off by no more than what lies in the bin of the bound.
        inside = (np.abs(values / bound - 1) <= 2 * BIN).mean()
        assert abs(spread.share_up_to(bound) - (values <= bound).mean()) <= inside


def test_near_sparsity_of_gelu2_to_four_digits() -> None:
    x = drawn("gelu2")
    values = x.double().numpy()
    site = nn.Identity()
    activity = Activity({"site": site}, magnitudes=True)
    with activity.watching():
        for part in x.chunk(5):
            site(part.view(-1, 100))
    expected = (values <= 1e-3 * math.sqrt((values**2).mean())).mean()
    overall, layers = activity.measure()
    assert layers["site"]["near_sparsity"] == pytest.approx(expected, abs=1e-4)
    assert overall["near_sparsity"] == layers["site"]["near_sparsity"] > 0.01
    ratio = values.max() / np.median(values[values != 0])
    assert layers["site"]["spike_ratio"] == pytest.approx(ratio, rel=BIN)


def test_batches_and_memory_layout_change_nothing() -> None:
    x = torch.randn(6, 5, 4, 3)
    once, parts = counted(x, parts=1).read(), counted(x, parts=6).read()
    other = counted(x.contiguous(memory_format=torch.channels_last)).read()
    strided = counted(torch.stack([x, x], dim=-1)[..., 0], parts=2).read()
    for spread in (parts, other, strided):
        assert np.array_equal(spread._counts, once._counts)


def test_memory_does_not_grow_with_what_passes() -> None:
    magnitudes = Magnitudes()
    for _ in range(3):
        magnitudes.add(torch.randn(1000))
        assert magnitudes._counts is not None
        assert magnitudes._counts.numel() * magnitudes._counts.element_size() == 2**18


def test_a_site_of_zeros_is_near_zero_and_has_no_ratio() -> None:
    live, dead = nn.Identity(), nn.Identity()
    activity = Activity({"live": live, "dead": dead}, magnitudes=True)
    with activity.watching():
        live(torch.tensor([[2.0, 2.0, -8.0, 0.0]]))
        dead(torch.zeros(1, 12))
    overall, layers = activity.measure()
    assert layers["dead"] == {"sparsity": 1, "spike_max": 0, "near_sparsity": 1}
    assert layers["live"]["spike_ratio"] == pytest.approx(4, rel=BIN)
    assert overall["near_sparsity"] == pytest.approx((1 + 12) / 16)
    assert overall["spike_ratio"] == layers["live"]["spike_ratio"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_not_hidden(value: float) -> None:
    site = nn.Identity()
    activity = Activity({"site": site}, magnitudes=True)
    with activity.watching():
        site(torch.tensor([[value, 1.0, 0.0]]))
    measured = activity.measure()[0]
    assert math.isnan(measured["near_sparsity"])
    assert not math.isfinite(measured["spike_ratio"])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64], ids=str)
def test_any_floating_type_is_counted(dtype: torch.dtype) -> None:
    x = torch.randn(10_000).to(dtype)
    expected = np.median(x.double().abs().numpy())
    assert counted(x).read().median(without=0) == pytest.approx(expected, rel=2 * BIN)
