"""Activations against their formulas, at the edges of their ranges, and their gradients."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from tests.workloads.parts import activation
from workloads.kinds import canonical

Values = dict[str, object]


def built(kind: str, *, causal: bool = False, **values: object) -> nn.Module:
    return activation(kind, **values).build(causal=causal)


def drawn(*shape: int) -> Tensor:
    torch.manual_seed(0)
    return 3 * torch.randn(*shape, dtype=torch.float64)


def slope_of(module: nn.Module, x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    (grad,) = torch.autograd.grad(module(x).sum(), x)
    return grad


# Formulas of one number, in Python's own arithmetic.


def relu(x: float) -> float:
    return x if x > 0 else 0.0


def gelu(x: float) -> float:
    return x * 0.5 * (1 + math.erf(x / math.sqrt(2)))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def gelu_slope(x: float) -> float:
    density = math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    return 0.5 * (1 + math.erf(x / math.sqrt(2))) + x * density


def bsilu_slope(x: float, a: float = 1.67) -> float:
    return sigmoid(x) + (x + a) * sigmoid(x) * (1 - sigmoid(x))


FORWARD: list[tuple[str, Values, Callable[[float], float]]] = [
    ("relu", {}, relu),
    ("gelu", {}, gelu),
    ("relu2", {}, lambda x: relu(x) ** 2),
    ("relu2_clip", {"clip": 15}, lambda x: min(relu(x) ** 2, 15.0)),
    ("relu2_clip", {"clip": 50.0}, lambda x: min(relu(x) ** 2, 50.0)),
    ("gelu2", {}, lambda x: gelu(x) ** 2),
    ("sugar_bsilu", {}, relu),
    ("sugar_bsilu", {"form": "authors_code"}, relu),
    ("noisy_relu", {"form": "authors_code"}, relu),
    ("silu", {}, lambda x: x * sigmoid(x)),
    ("bsilu", {}, lambda x: (x + 1.67) * sigmoid(x) - 0.835),
    ("bsilu", {"shift": 0.5}, lambda x: (x + 0.5) * sigmoid(x) - 0.25),
    ("gelu2_clip", {"clip": 15}, lambda x: min(gelu(x) ** 2, 15.0)),
    ("jsrelu", {}, lambda x: x + x * x / 2 if x >= 0 else 0.0),
]

BACKWARD: list[tuple[str, Values, Callable[[float], float]]] = [
    ("relu", {}, lambda x: float(x > 0)),
    ("gelu", {}, gelu_slope),
    ("relu2", {}, lambda x: 2 * relu(x)),
    ("relu2_clip", {"clip": 15}, lambda x: 2 * relu(x) if relu(x) ** 2 < 15 else 0.0),
    ("gelu2", {}, lambda x: 2 * gelu(x) * gelu_slope(x)),
    ("gelu2_clip", {"clip": 15}, lambda x: 2 * gelu(x) * gelu_slope(x) * (gelu(x) ** 2 < 15)),
    ("silu", {}, lambda x: sigmoid(x) * (1 + x * (1 - sigmoid(x)))),
    ("bsilu", {}, bsilu_slope),
    ("bsilu", {"shift": 0.5}, lambda x: bsilu_slope(x, 0.5)),
    ("sugar_bsilu", {}, bsilu_slope),
    ("sugar_bsilu", {"shift": 0.5}, lambda x: bsilu_slope(x, 0.5)),
    ("sugar_bsilu", {"form": "authors_code"}, lambda x: float(x > 0)),
    ("noisy_relu", {"form": "authors_code"}, lambda x: float(x > 0)),
    ("jsrelu", {}, lambda x: x + 1 if x >= 0 else 0.0),
]


@pytest.mark.parametrize(("kind", "values", "formula"), FORWARD, ids=str)
def test_forward_is_the_formula(
    kind: str, values: Values, formula: Callable[[float], float]
) -> None:
    x = torch.cat([drawn(500), torch.tensor([0.0, -0.0, 8.0, -8.0, 40.0, -40.0])])
    expected = torch.tensor([formula(each) for each in x.tolist()], dtype=torch.float64)
    torch.testing.assert_close(built(kind, **values)(x), expected, rtol=1e-12, atol=1e-14)


def test_relu2_clip_has_no_gradient_where_the_square_reaches_the_bound() -> None:
    slope = slope_of(built("relu2_clip", clip=16), torch.tensor([-1.0, 0.0, 3.0, 4.0, 5.0]))
    assert slope.tolist() == [0, 0, 6, 0, 0]


def test_gelu2_bump_is_at_most_0_029_and_never_negative() -> None:
    y = built("gelu2")(torch.linspace(-6, 0, 10_001, dtype=torch.float64))
    assert y.min() >= 0
    assert 0.028 < y.max() < 0.029


@pytest.mark.parametrize(("kind", "values", "formula"), BACKWARD, ids=str)
def test_backward_is_the_formula(
    kind: str, values: Values, formula: Callable[[float], float]
) -> None:
    x = torch.cat([drawn(500), torch.tensor([0.0, -0.0, 8.0, -8.0, 40.0, -40.0])])
    expected = torch.tensor([formula(each) for each in x.tolist()], dtype=torch.float64)
    torch.testing.assert_close(slope_of(built(kind, **values), x), expected, rtol=1e-12, atol=1e-14)


def test_jsrelu_jumps_at_zero() -> None:
    slope = slope_of(built("jsrelu"), torch.tensor([-1e-30, 0.0, 1e-30]))
    assert slope.tolist() == [0, 1, 1]


def test_the_authors_forms_have_nothing_to_learn_and_no_noise() -> None:
    for kind in ("noisy_relu", "sugar_bsilu"):
        module, x = built(kind, form="authors_code").train(), drawn(50)
        assert list(module.parameters()) == []
        assert torch.equal(module(x), x.relu())


class TestNoisyReLU:
    def test_evaluation_is_relu(self) -> None:
        x = drawn(100)
        assert torch.equal(built("noisy_relu").eval()(x), x.relu())

    @pytest.mark.parametrize("values", [{}, {"slope": -2.5, "noise": 0.3}], ids=str)
    def test_training_adds_the_formula_below_zero_only(self, values: dict[str, float]) -> None:
        p, c = values.get("slope", 1.0), values.get("noise", 1.0)
        x = drawn(200)
        torch.manual_seed(4)
        y = built("noisy_relu", **values)(x)
        torch.manual_seed(4)
        epsilon = torch.randn(200, dtype=torch.float64)
        expected = [
            at if at > 0 else c * (sigmoid(p * abs(at)) - 0.5) ** 2 * abs(e)
            for at, e in zip(x.tolist(), epsilon.tolist(), strict=True)
        ]
        # The learnable p is a float32; 2.5 and 1 are exact in it.
        np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-12, atol=1e-15)

    def test_slope_learns_from_the_noise(self) -> None:
        module = built("noisy_relu")
        module(-drawn(50).abs()).sum().backward()
        (slope,) = module.parameters()
        assert slope.grad is not None
        assert slope.grad > 0

    def test_noise_is_drawn_anew_each_time(self) -> None:
        module = built("noisy_relu")
        x = drawn(50)
        assert not torch.equal(module(x), module(x))


class TestQuantileReLU:
    @pytest.mark.parametrize("shape", [(9,), (9, 4), (9, 3, 4), (9, 2, 3, 4)], ids=str)
    @pytest.mark.parametrize("q", [0.0, 0.1, 0.75, 1.0])
    def test_training_subtracts_the_quantile_over_the_batch(
        self, shape: tuple[int, ...], q: float
    ) -> None:
        x = drawn(*shape)
        expected = np.maximum(x.numpy() - np.quantile(x.numpy(), q, axis=0), 0)
        y = built("quantile_relu", quantile=q)(x)
        np.testing.assert_allclose(y.numpy(), expected, rtol=1e-12, atol=1e-12)

    def test_gradient_is_that_of_torchs_quantile(self) -> None:
        x = drawn(9, 3, 4).requires_grad_()
        weight = drawn(9, 3, 4)
        y = torch.relu(x - torch.quantile(x, 0.3, dim=0))
        (expected,) = torch.autograd.grad(y, x, weight)
        (grad,) = torch.autograd.grad(built("quantile_relu", quantile=0.3)(x), x, weight)
        torch.testing.assert_close(grad, expected)

    def test_evaluation_uses_the_running_estimate(self) -> None:
        module = built("quantile_relu", quantile=0.5)
        running = np.zeros(4)
        for seed in range(3):
            torch.manual_seed(seed)
            x = torch.randn(7, 4, dtype=torch.float64)
            module(x)
            running = 0.9 * running + 0.1 * np.quantile(x.numpy(), 0.5, axis=0)
        x = drawn(5, 4)
        expected = np.maximum(x.numpy() - running, 0)
        np.testing.assert_allclose(module.eval()(x).numpy(), expected, rtol=1e-12)

    def test_before_any_training_evaluation_is_relu(self) -> None:
        x = drawn(5, 4)
        assert torch.equal(built("quantile_relu", quantile=0.9).eval()(x), x.relu())

    def test_samples_of_another_shape_are_refused(self) -> None:
        module = built("quantile_relu", quantile=0.5)
        module(drawn(4, 6))
        with pytest.raises(ValueError, match=r"keep the shape \(6,\) .* got \(7,\)\."):
            module(drawn(4, 7))


class TestTopK:
    @pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.999])
    @pytest.mark.parametrize("size", [1, 2, 3, 10, 37, 100])
    def test_keeps_n_minus_round_share_n_of_each_sample(self, share: float, size: int) -> None:
        # The base never gives a zero here, so that every zero is Top-K's.
        y = built("topk", share=share)(drawn(4, size).abs() + 0.1)
        assert (y != 0).sum(dim=1).tolist() == [size - round(share * size)] * 4

    @pytest.mark.parametrize(("size", "zeroed"), [(1, 0), (3, 2), (5, 2), (7, 4)])
    def test_halves_round_to_even(self, size: int, zeroed: int) -> None:
        assert activation("topk", share=0.5).promised_zeros(size) == zeroed

    def test_zeroes_the_smallest_outputs_of_the_base(self) -> None:
        x = torch.tensor([[-1.0, 3.0, -4.0, 0.5]])
        y = built("topk", share=0.5)(x)
        torch.testing.assert_close(y, torch.tensor([[0.0, gelu(3.0), 0.0, gelu(0.5)]]))
        y = built("topk", share=0.25)(x)  # GELU(−4) is above GELU(−1)
        assert (y != 0).tolist() == [[False, True, True, True]]

    def test_of_equals_at_the_boundary_the_first_stay(self) -> None:
        y = built("topk", share=0.5, base="relu")(torch.tensor([[2.0, 1, 1, 1, 1, 0]]))
        assert y.tolist() == [[2, 1, 1, 0, 0, 0]]

    def test_an_image_of_one_value_still_keeps_the_exact_number(self) -> None:
        y = built("topk", share=0.9)(torch.ones(3, 2, 5, 5))
        assert (y != 0).flatten(1).sum(dim=1).tolist() == [5, 5, 5]

    def test_ranks_a_whole_sample_or_in_a_causal_model_each_token(self) -> None:
        x = torch.tensor([[[1.0, 2.0], [30.0, 40.0]]])
        assert (built("topk", share=0.5)(x) != 0).tolist() == [[[False, False], [True, True]]]
        y = built("topk", share=0.5, causal=True)(x)
        assert (y != 0).tolist() == [[[False, True], [False, True]]]

    def test_gradient_passes_through_the_base_where_an_entry_stayed(self) -> None:
        x = drawn(4, 20)
        kept = built("topk", share=0.7)(x) != 0
        expected = slope_of(built("gelu"), x) * kept
        torch.testing.assert_close(slope_of(built("topk", share=0.7), x), expected)

    def test_the_base_is_any_activation(self) -> None:
        config = activation("topk", share=0.5, base={"kind": "relu2_clip", "clip": 15})
        assert canonical(config) == {
            "kind": "topk",
            "share": 0.5,
            "base": {"kind": "relu2_clip", "clip": 15.0},
        }

    def test_gelu_is_the_default_base(self) -> None:
        assert activation("topk", share=0.5) == activation("topk", share=0.5, base="gelu")

    @pytest.mark.parametrize("share", [1.0, -0.1, math.nan, "half"])
    def test_a_share_outside_0_to_1_is_refused(self, share: object) -> None:
        with pytest.raises(ValidationError) as refused:
            activation("topk", share=share)
        assert [error["loc"] for error in refused.value.errors()] == [("share",)]

    def test_share_and_clip_have_no_default(self) -> None:
        for kind in ("topk", "relu2_clip", "quantile_relu"):
            with pytest.raises(ValidationError, match="Field required"):
                activation(kind)
