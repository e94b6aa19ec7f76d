"""Evaluates a model on a split: its scores, and what its activations and gradients show meanwhile.

Must never know what the measures are for, nor when they are due.
"""

from collections.abc import Collection, Mapping
from typing import Annotated, Literal

import torch
from pydantic import AfterValidator, Field
from torch import Tensor, nn

from workloads.measures.activity import Activity
from workloads.measures.sensitivity import Sensitivity
from workloads.measures.weights import Layers
from workloads.tasks import Split, Task

__all__ = ["GROUPS", "Group", "Groups", "cheap", "evaluate"]

Group = Literal["magnitudes", "derivatives", "gradients", "flatness"]

GROUPS: tuple[Group, ...] = ("magnitudes", "derivatives", "gradients", "flatness")
"""What can be measured besides sparsity and spike_max."""


def _in_order(groups: tuple[Group, ...]) -> tuple[Group, ...]:
    """Spells the same groups one way."""
    return tuple(group for group in GROUPS if group in groups)


def cheap(groups: tuple[Group, ...]) -> tuple[Group, ...]:
    """Returns those that take no gradients."""
    return tuple(group for group in groups if group == "magnitudes")


Groups = Annotated[tuple[Group, ...], Field(strict=False), AfterValidator(_in_order)]


def evaluate(
    model: nn.Module,
    task: Task,
    split: Split,
    *,
    batch_size: int,
    device: torch.device | str,
    groups: Collection[Group] = (),
) -> tuple[dict[str, float], Layers]:
    """Returns `val_loss`, `val_accuracy` … and the measures of the model over a whole split.

    The model is in evaluation mode meanwhile and afterwards in training mode. One pass does it
    all, so memory is that of one batch, with its graph where gradients are measured. Nothing is
    added to the gradients of parameters.

    Args:
        model: Has `sites`.
        task: Defines the scores, which are means weighted by samples; `loss` is differentiated.
        split: The samples.
        batch_size: Samples per forward pass.
        device: Where model and samples are.
        groups: What to measure besides sparsity and spike_max.
    """
    sites = _sites(model)
    activity = Activity(sites, magnitudes="magnitudes" in groups)
    wanted = {name: name in groups for name in ("derivatives", "gradients", "flatness")}
    sensitivity = Sensitivity(model, sites, **wanted)
    batches = torch.split(torch.arange(len(split), device=device), batch_size)
    totals: dict[str, Tensor] = {}
    model.eval()
    with torch.set_grad_enabled(sensitivity.wanted), activity.watching(), sensitivity.watching():
        for indices in batches:
            inputs, targets = split.batch(indices)
            scores = task.scores(model(inputs), targets)
            for name, mean in scores.items():
                part = mean.detach().to(torch.float64) * len(indices)
                totals[name] = totals[name] + part if name in totals else part
            if sensitivity.wanted:
                sensitivity.add(scores["loss"], samples=len(indices))
    model.train()
    means = {f"val_{name}": float(total) / len(split) for name, total in totals.items()}
    return _joined(means, activity.measure(), sensitivity.measure())


def _joined(
    means: dict[str, float], *measured: tuple[Mapping[str, float], Layers]
) -> tuple[dict[str, float], Layers]:
    """Returns all values of the whole model, and those of each layer together."""
    layers: Layers = {}
    for whole, parts in measured:
        means |= whole
        for name, values in parts.items():
            layers[name] = layers.get(name, {}) | values
    return means, layers


def _sites(model: nn.Module) -> Mapping[str, nn.Module]:
    sites = getattr(model, "sites", {})
    assert isinstance(sites, Mapping)
    return sites
