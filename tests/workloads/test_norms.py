"""Norms against their formulas in NumPy, in training and in evaluation."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tests.workloads.parts import norm
from workloads.kinds import one_of
from workloads.norms import _quantile_layer_small

Array = NDArray[np.float64]
QUANTILES = [0.0, 0.1, 0.5, 0.9, 1.0]


def built(kind: str, *, features: int, length: int | None = None, **values: object) -> nn.Module:
    return norm(kind, **values).build(features, length=length).double()


def image(seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    return 2 + 3 * torch.randn(4, 3, 5, 6, dtype=torch.float64)


def tokens(seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    return 2 + 3 * torch.randn(4, 5, 7, dtype=torch.float64)


def stirred(module: nn.Module) -> tuple[nn.Module, Array, Array]:
    """Returns the module with gain and bias away from 1 and 0, and both."""
    with torch.no_grad():
        module.weight.copy_(torch.linspace(0.5, 2, module.weight.numel()))
        module.bias.copy_(torch.linspace(-1, 1, module.bias.numel()))
    return module, module.weight.detach().numpy(), module.bias.detach().numpy()


def close(actual: Tensor, expected: Array) -> None:
    np.testing.assert_allclose(actual.detach().numpy(), expected, rtol=1e-10, atol=1e-12)


@pytest.fixture(params=[2**15, 0], ids=["small", "large"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to how many entries a layer norm around a quantile is numpy's."""
    monkeypatch.setattr(_quantile_layer_small, "_SMALL", request.param)


def column(values: Array) -> Array:
    return values[:, None, None]


def centre_of_image(x: Array, q: float) -> Array:
    return np.quantile(x.reshape(*x.shape[:2], -1), q, axis=-1).mean(axis=0)


def test_identity_is_the_input() -> None:
    x = image()
    assert torch.equal(built("identity", features=3)(x), x)


def test_rmsnorm() -> None:
    x = tokens()
    module = built("rmsnorm", features=7)
    gain = np.linspace(0.5, 2, 7)
    module.weight.data = torch.from_numpy(gain)
    a = x.numpy()
    close(module(x), a / np.sqrt((a**2).mean(axis=-1, keepdims=True) + 1e-6) * gain)
    assert [name for name, _ in module.named_parameters()] == ["weight"]


def test_layernorm() -> None:
    module, gain, bias = stirred(built("layernorm", features=7))
    x = tokens()
    a = x.numpy()
    mean, var = a.mean(axis=-1, keepdims=True), a.var(axis=-1, keepdims=True)
    close(module(x), (a - mean) / np.sqrt(var + 1e-5) * gain + bias)


@pytest.mark.parametrize("shape", [(8, 3), (4, 3, 5, 6), (4, 3, 5)], ids=str)
def test_batchnorm_with_any_number_of_positions(shape: tuple[int, ...]) -> None:
    module, gain, bias = stirred(built("batchnorm", features=3))
    torch.manual_seed(0)
    x = 2 + 3 * torch.randn(*shape, dtype=torch.float64)
    a = np.moveaxis(x.numpy(), 1, -1)
    others = tuple(range(a.ndim - 1))
    mean, var, count = a.mean(axis=others), a.var(axis=others), a.size // 3
    expected = (a - mean) / np.sqrt(var + 1e-5) * gain + bias
    close(module(x), np.moveaxis(expected, -1, 1))
    running = 0.9 + 0.1 * var * count / (count - 1)
    expected = (a - 0.1 * mean) / np.sqrt(running + 1e-5) * gain + bias
    close(module.eval()(x), np.moveaxis(expected, -1, 1))


def test_batchnorm_refuses_a_single_sample_without_its_batch() -> None:
    with pytest.raises(ValueError, match=r"needs \(batch, channels, ...\), got \(3,\)"):
        built("batchnorm", features=3)(torch.zeros(3, dtype=torch.float64))


@pytest.mark.parametrize("q", QUANTILES)
@pytest.mark.parametrize("kind", ["quantile_batchnorm", "quantile_mean_batchnorm"])
def test_batch_norms_around_a_quantile(kind: str, q: float) -> None:
    module, gain, bias = stirred(built(kind, features=3, quantile=q))
    running_centre, running_var = np.zeros(3), np.ones(3)
    for seed in range(3):
        x = image(seed)
        a = x.numpy()
        centre = centre_of_image(a, q)
        around = centre if kind == "quantile_batchnorm" else a.mean(axis=(0, 2, 3))
        var = ((a - column(around)) ** 2).mean(axis=(0, 2, 3))
        expected = (a - column(centre)) / np.sqrt(column(var) + 1e-5) * column(gain) + column(bias)
        close(module(x), expected)
        running_centre += 0.1 * (centre - running_centre)
        running_var += 0.1 * (var - running_var)
    a = image(9).numpy()
    expected = (a - column(running_centre)) / np.sqrt(column(running_var) + 1e-5)
    close(module.eval()(image(9)), expected * column(gain) + column(bias))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("q", QUANTILES)
def test_layer_norm_around_a_quantile(q: float) -> None:
    module, gain, bias = stirred(built("quantile_layernorm", features=7, length=5, quantile=q))
    running = np.zeros(5)
    for seed in range(3):
        x = tokens(seed)
        a = x.numpy()
        centre = np.quantile(a, q, axis=-1).mean(axis=0)
        apart = a - centre[:, None]
        rate = np.sqrt((apart**2).mean(axis=-1, keepdims=True) + 1e-5)
        close(module(x), apart / rate * gain + bias)
        running += 0.1 * (centre - running)
    apart = tokens(9).numpy() - running[:, None]
    rate = np.sqrt((apart**2).mean(axis=-1, keepdims=True) + 1e-5)
    close(module.eval()(tokens(9)), apart / rate * gain + bias)


def chain_of_batch_norm(x: Tensor, q: float, kind: str) -> Tensor:
    """The definition as torch operations, for torch's own gradient."""
    centre = torch.quantile(x.flatten(2), q, dim=-1).mean(dim=0).view(-1, 1, 1)
    around = x.mean(dim=(0, 2, 3), keepdim=True) if "mean" in kind else centre
    return (x - centre) / ((x - around).square().mean(dim=(0, 2, 3), keepdim=True) + 1e-5).sqrt()


@pytest.mark.parametrize("q", QUANTILES)
@pytest.mark.parametrize("kind", ["quantile_batchnorm", "quantile_mean_batchnorm"])
def test_written_gradient_of_batch_norms_is_torchs(kind: str, q: float) -> None:
    x, weight = image().requires_grad_(), image(1)
    (expected,) = torch.autograd.grad(chain_of_batch_norm(x, q, kind), x, weight)
    (grad,) = torch.autograd.grad(built(kind, features=3, quantile=q)(x), x, weight)
    torch.testing.assert_close(grad, expected)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("q", QUANTILES)
def test_written_gradients_of_layer_norm_are_torchs(q: float) -> None:
    x, weight = tokens().requires_grad_(), tokens(1)
    module, _, _ = stirred(built("quantile_layernorm", features=7, length=5, quantile=q))
    wanted = x, module.weight, module.bias
    apart = x - torch.quantile(x, q, dim=-1).mean(dim=0).unsqueeze(-1)
    chain = apart / (apart.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt()
    expected = torch.autograd.grad(chain * module.weight + module.bias, wanted, weight)
    for grad, right in zip(torch.autograd.grad(module(x), wanted, weight), expected, strict=True):
        torch.testing.assert_close(grad, right)


def test_before_an_activation_about_the_quantile_is_below_zero() -> None:
    torch.manual_seed(0)
    x = torch.randn(16, 3, 20, 20, dtype=torch.float64)
    for q in (0.1, 0.5, 0.9):
        y = built("quantile_batchnorm", features=3, quantile=q)(x)
        assert abs(float((y < 0).double().mean()) - q) < 0.01


class TestFrozen:
    def test_until_then_it_is_the_kind_that_is_not_frozen(self) -> None:
        frozen = built("quantile_batchnorm_frozen", features=3, quantile=0.7, freeze_after=3)
        free = built("quantile_batchnorm", features=3, quantile=0.7)
        for seed in range(3):
            assert torch.equal(frozen(image(seed)), free(image(seed)))
        assert not torch.equal(frozen(image(3)), free(image(3)))

    def test_batch_norm_then_uses_its_estimate_and_goes_on_with_the_variance(self) -> None:
        module = built("quantile_batchnorm_frozen", features=3, quantile=0.7, freeze_after=2)
        centre = np.zeros(3)
        for seed in range(2):
            module(image(seed))
            centre += 0.1 * (centre_of_image(image(seed).numpy(), 0.7) - centre)
        running = module.running_var.numpy().copy()
        a = image(5).numpy()
        var = ((a - column(centre)) ** 2).mean(axis=(0, 2, 3))
        close(module(image(5)), (a - column(centre)) / np.sqrt(column(var) + 1e-5))
        running = 0.9 * running + 0.1 * var
        close(module.eval()(image(5)), (a - column(centre)) / np.sqrt(column(running) + 1e-5))

    @pytest.mark.usefixtures("way")
    def test_layer_norm_then_uses_its_estimate(self) -> None:
        module = built(
            "quantile_layernorm_frozen", features=7, length=5, quantile=0.7, freeze_after=1
        )
        module(tokens())
        trained = module(tokens(5))
        module(tokens(6))
        assert torch.equal(module.eval()(tokens(5)), trained)

    @pytest.mark.usefixtures("way")
    @pytest.mark.parametrize(
        ("kind", "x"),
        [("quantile_batchnorm_frozen", image()), ("quantile_layernorm_frozen", tokens())],
        ids=["batch", "layer"],
    )
    def test_gradient_then_passes_by_the_centre(self, kind: str, x: Tensor) -> None:
        module = built(
            kind,
            features=x.shape[-1 if x.dim() == 3 else 1],
            length=5,
            quantile=0.7,
            freeze_after=1,
        )
        module(x)
        assert torch.autograd.gradcheck(module, (x[:2].clone().requires_grad_(),))
        samples = x.clone().requires_grad_()
        if x.dim() == 3:  # nothing couples the samples of a batch any more
            (grad,) = torch.autograd.grad(module(samples)[0].sum(), samples)
            assert grad[1:].count_nonzero() == 0

    def test_the_count_of_updates_is_saved(self) -> None:
        seen, fresh = (
            built("quantile_batchnorm_frozen", features=3, quantile=0.7, freeze_after=2)
            for _ in range(2)
        )
        for seed in range(2):
            seen(image(seed))
        fresh.load_state_dict(seen.state_dict())
        assert torch.equal(fresh(image(5)), seen(image(5)))

    def test_the_authors_freeze_after_50_000(self) -> None:
        config = one_of("workloads.norms").validate(
            {"kind": "quantile_layernorm_frozen", "quantile": 0.5}
        )
        assert config.freeze_after == 50_000


class TestRefusals:
    def test_a_quantile_over_positions_needs_positions(self) -> None:
        module = built("quantile_batchnorm", features=3, quantile=0.5)
        with pytest.raises(ValueError, match=r"got \(4, 3\)\. Use batchnorm"):
            module(torch.zeros(4, 3, dtype=torch.float64))

    @pytest.mark.parametrize("kind", ["quantile_layernorm", "quantile_layernorm_frozen"])
    def test_a_centre_for_each_position_needs_a_length(self, kind: str) -> None:
        with pytest.raises(ValueError, match=f"{kind}: needs a length, got None"):
            built(kind, features=7, quantile=0.5)

    def test_and_keeps_it(self) -> None:
        module = built("quantile_layernorm", features=7, length=6, quantile=0.5)
        with pytest.raises(ValueError, match=r"needs \(batch, 6 tokens, channels\), got \(4, 5, 7"):
            module(tokens())
