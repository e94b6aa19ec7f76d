"""Layer norm around a quantile by numpy, against torch's way: ties, strides, what is no number."""

import math

import pytest
import torch
from torch import Tensor, nn

from tests.workloads.parts import norm
from workloads.norms import _quantile_layer_small as small


def built(q: float, *, features: int, length: int) -> nn.Module:
    module = norm("quantile_layernorm", quantile=q).build(features, length=length)
    with torch.no_grad():
        module.weight.copy_(torch.linspace(0.5, 2, features))
    return module


def both_ways(
    x: Tensor, grad: Tensor, q: float, monkeypatch: pytest.MonkeyPatch
) -> list[list[Tensor]]:
    """Returns by each way the output, all gradients and the estimate of the centre."""
    found = []
    for most in (2**15, 0):
        monkeypatch.setattr(small, "_SMALL", most)
        module = built(q, features=x.shape[-1], length=x.shape[1])
        x = x.detach().requires_grad_()
        y = module(x)
        grads = torch.autograd.grad(y, (x, module.weight, module.bias), grad)
        found.append([y.detach(), *grads, module.centre.value])
    return found


def same(found: list[list[Tensor]]) -> None:
    for numpys, torchs in zip(*found, strict=True):
        torch.testing.assert_close(numpys, torchs, rtol=1e-4, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize("q", [0.0, 0.25, 0.5, 0.61, 1.0])
def test_of_equal_entries_the_first_gets_the_gradient(
    q: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    x = torch.randint(-2, 3, (6, 4, 12)).float()
    assert len(x[0, 0].unique()) < 12
    same(both_ways(x, torch.randn_like(x), q, monkeypatch))


def test_inputs_and_gradients_of_any_strides(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    x = torch.randn(12, 4, 6).permute(2, 1, 0)
    assert not x.is_contiguous()
    for grad in (torch.randn(12, 4, 6).permute(2, 1, 0), torch.ones(1).expand(6, 4, 12)):
        same(both_ways(x, grad, 0.3, monkeypatch))


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan, 1e30], ids=str)
def test_what_is_no_number_is_passed_on_silently(
    bad: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    x = torch.randn(5, 3, 8)
    x[2, 1, 4:] = bad
    found = both_ways(x, torch.randn_like(x), 0.5, monkeypatch)
    for numpys, torchs in zip(*found, strict=True):
        assert torch.equal(numpys.isfinite(), torchs.isfinite())


def test_only_small_inputs_that_numpy_can_read_go_this_way() -> None:
    assert small.is_small(torch.empty(64, 1, 256))
    assert not small.is_small(torch.empty(64, 16, 64))
    assert not small.is_small(torch.empty(8, dtype=torch.bfloat16))


def test_a_second_derivative_is_refused() -> None:
    x = torch.randn(4, 1, 8, requires_grad=True)
    y = built(0.5, features=8, length=1)(x)
    with pytest.raises(RuntimeError, match=r"got create_graph=True\. Leave it out"):
        torch.autograd.grad(y.sum(), x, create_graph=True)
