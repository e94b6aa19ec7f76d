"""Measures weights against their first values.

Must never know what the measures are for, nor when they are due.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Layers", "Weights"]

Layers = dict[str, dict[str, float]]


class Weights:
    """The first values of every weight tensor: of two dimensions or more, and not named a bias."""

    def __init__(self, model: nn.Module) -> None:
        """Copies the weights; call it before the first update."""
        self._model = model
        self._first = {name: weight.detach().clone() for name, weight in _weights(model)}

    def state_dict(self) -> dict[str, Any]:
        """Returns the first values by name."""
        return dict(self._first)

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        """Takes first values saved earlier."""
        for name, first in self._first.items():
            first.copy_(state_dict[name])

    @torch.no_grad()
    def measure(self) -> tuple[dict[str, float], Layers]:
        """Returns the measures over all weights together, and per tensor.

        `drift_z` is 2·mean(W - W₀) / (std W₀ + std W + 1e-8), `negative_share` the share of
        W < 0, `weight_mean` the mean of W.
        """
        if not self._first:
            return {}, {}
        moments = torch.stack(
            [_moments(weight, self._first[name]) for name, weight in _weights(self._model)]
        ).tolist()
        layers = {name: _drift([row]) for name, row in zip(self._first, moments, strict=True)}
        return _drift(moments), layers


def _weights(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return (
        (name, weight)
        for name, weight in model.named_parameters()
        if weight.ndim >= 2 and not name.endswith("bias")
    )


def _moments(weight: Tensor, first: Tensor) -> Tensor:
    """Returns count, mean and variance of W, the same of W₀, and the share of W < 0, as (6,).

    In float64, since drift is a small difference of large sums.
    """
    now, then = weight.detach().double(), first.double()
    count = torch.full((), weight.numel(), dtype=torch.float64, device=weight.device)
    variance, mean = torch.var_mean(now, correction=0)
    first_variance, first_mean = torch.var_mean(then, correction=0)
    negative = (weight < 0).double().mean()
    return torch.stack([count, mean, variance, first_mean, first_variance, negative])


def _drift(moments: list[list[float]]) -> dict[str, float]:
    """Returns the measures over the elements of several tensors together."""
    counts, means, variances, first_means, first_variances, negatives = zip(*moments, strict=True)
    mean, deviation = _pooled(counts, means, variances)
    first_mean, first_deviation = _pooled(counts, first_means, first_variances)
    return {
        "drift_z": 2 * (mean - first_mean) / (first_deviation + deviation + 1e-8),
        "negative_share": _mean(counts, negatives),
        "weight_mean": mean,
    }


def _pooled(
    counts: Sequence[float], means: Sequence[float], variances: Sequence[float]
) -> tuple[float, float]:
    """Returns mean and standard deviation, with Bessel's correction, of all elements together."""
    mean, count = _mean(counts, means), sum(counts)
    squares = [
        variance + (other - mean) ** 2 for variance, other in zip(variances, means, strict=True)
    ]
    return mean, math.sqrt(_mean(counts, squares) * count / max(count - 1, 1))


def _mean(counts: Sequence[float], values: Sequence[float]) -> float:
    return sum(n * value for n, value in zip(counts, values, strict=True)) / sum(counts)
