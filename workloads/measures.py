"""Measures a model: weights against their first values, activations over the validation set.

Must never know what the measures are for, nor when they are due.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from workloads.tasks import Split, Task

__all__ = ["Activity", "Weights", "evaluate"]

Layers = dict[str, dict[str, float]]


class Weights:
    """The first values of every weight tensor, those parameters with two dimensions or more."""

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
    return ((name, weight) for name, weight in model.named_parameters() if weight.ndim >= 2)


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


class Activity:
    """Counts over the outputs of activation modules, kept on the device until they are read."""

    def __init__(self, sites: Mapping[str, nn.Module]) -> None:
        """Takes the modules by name."""
        self._sites = sites
        self._counts = dict.fromkeys(sites, 0)
        self._zeros: dict[str, Tensor] = {}
        self._peaks: dict[str, Tensor] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Counts whatever the modules put out inside the block."""
        hooks = [
            module.register_forward_hook(
                lambda _module, _inputs, output, name=name: self._add(name, output)
            )
            for name, module in self._sites.items()
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _add(self, name: str, output: Tensor) -> None:
        # A comparison written as floats and summed is three times as fast on a CPU as
        # count_nonzero; sums over the last axis stay exact below 2^24.
        hits = torch.eq(output, 0, out=torch.empty_like(output, dtype=torch.float32))
        zeros = hits.sum(-1).sum(dtype=torch.float64)
        low, high = torch.aminmax(output)
        peak = torch.maximum(high, -low)
        if self._counts[name]:
            zeros += self._zeros[name]
            peak = torch.maximum(peak, self._peaks[name])
        self._counts[name] += output.numel()
        self._zeros[name], self._peaks[name] = zeros, peak

    def measure(self) -> tuple[dict[str, float], Layers]:
        """Returns the measures over all sites together, weighted by elements, and per site.

        `sparsity` is the share of exact zeros, `spike_max` the largest absolute value.
        """
        seen = [name for name, count in self._counts.items() if count]
        if not seen:
            return {}, {}
        counts = [self._counts[name] for name in seen]
        zeros = torch.stack([self._zeros[name] for name in seen]).tolist()
        peaks = torch.stack([self._peaks[name] for name in seen]).to(torch.float64)
        layers = {
            name: {"sparsity": zero / count, "spike_max": peak}
            for name, zero, count, peak in zip(seen, zeros, counts, peaks.tolist(), strict=True)
        }
        return {"sparsity": sum(zeros) / sum(counts), "spike_max": float(peaks.max())}, layers


@torch.no_grad()
def evaluate(
    model: nn.Module, task: Task, split: Split, *, batch_size: int, device: torch.device | str
) -> tuple[dict[str, float], Layers]:
    """Returns `val_loss`, `val_accuracy` and the activity of the model's sites over a whole split.

    The model is in evaluation mode meanwhile and afterwards in training mode.

    Args:
        model: Has `sites`.
        task: Defines the scores, which are means weighted by samples.
        split: The samples.
        batch_size: Samples per forward pass.
        device: Where model and samples are.
    """
    activity = Activity(_sites(model))
    totals: dict[str, Tensor] = {}
    model.eval()
    with activity.watching():
        for indices in torch.split(torch.arange(len(split), device=device), batch_size):
            inputs, targets = split.batch(indices)
            for name, mean in task.scores(model(inputs), targets).items():
                part = mean.to(torch.float64) * len(indices)
                totals[name] = totals[name] + part if name in totals else part
    model.train()
    overall, layers = activity.measure()
    scores = {f"val_{name}": float(total) / len(split) for name, total in totals.items()}
    return scores | overall, layers


def _sites(model: nn.Module) -> Mapping[str, nn.Module]:
    sites = getattr(model, "sites", {})
    assert isinstance(sites, Mapping)
    return sites
