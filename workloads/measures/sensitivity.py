"""Measures how the loss depends on activations: derivatives, gradients, and flatness by layer.

Must never know what the measures are for, nor when they are due.

The loss is that of one sample, so that nothing here depends on the size of a batch; evaluation
couples no samples, hence the gradient of a batch's summed loss holds each sample's own. With p an
activation's input, σ'(p) its derivative as backward has it (of a surrogate gradient that, not the
derivative of forward), x and o input and output of a linear layer, t its tokens, g = ∂ℓ/∂σ(p):

    derivative_sparsity  share of σ'(p) = 0
    preact_grad_mean     mean of ∂ℓ/∂p
    aug_flatness         mean over samples of Σ_t ‖∂ℓ/∂o_t‖² · ‖x_t‖²
    flatness_ratio       where o is p: the mean of (∂ℓ/∂p)²‖x‖² over all entries of o, divided by
                         the mean of g²‖x‖² over the active ones, those with σ'(p) ≠ 0

so that for ReLU the ratio is the active share itself. Source: arXiv 2605.17659 (theorem 1.2) for
preact_grad_mean, arXiv 2605.25612 for the others.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from workloads.measures.passes import count_zeros, in_memory_order, squared_norms
from workloads.measures.weights import Layers

__all__ = ["Sensitivity"]


class _Site(NamedTuple):
    """One call of an activation: p, σ(p), 1 where σ'(p) ≠ 0 and else 0, and whose output p is."""

    name: str
    before: Tensor
    after: Tensor
    active: Tensor | None
    feeder: "_Linear | None"


class _Linear(NamedTuple):
    """One call of a linear layer."""

    name: str
    before: Tensor
    after: Tensor


class Sensitivity:
    """Sums over activation sites and linear layers, kept on the device until they are read."""

    def __init__(
        self,
        model: nn.Module,
        sites: Mapping[str, nn.Module],
        *,
        derivatives: bool,
        gradients: bool,
        flatness: bool,
    ) -> None:
        """Chooses what to measure.

        Args:
            model: Its linear layers are measured for flatness.
            sites: Its activations by name.
            derivatives: Whether to measure derivative_sparsity.
            gradients: Whether to measure preact_grad_mean.
            flatness: Whether to measure aug_flatness and flatness_ratio.
        """
        self._sites = sites
        self._linears = {
            name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)
        }
        self._derivatives, self._gradients, self._flatness = derivatives, gradients, flatness
        self._site_calls: list[_Site] = []
        self._linear_calls: list[_Linear] = []
        self._sums: dict[tuple[str, str], Tensor] = {}
        self._counts: dict[str, int] = {}
        self._samples = 0
        self._ones: dict[str, Tensor] = {}  # filled once, since filling takes as long as a pass

    @property
    def wanted(self) -> bool:
        """Whether there is anything to measure, which takes gradients to be enabled."""
        return self._derivatives or self._gradients or self._flatness

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Keeps what modules take and give inside the block, until `add` has seen the loss."""
        with ExitStack() as hooks:
            for name, linear in self._linears.items() if self._flatness else ():
                hook = linear.register_forward_hook(
                    lambda _module, inputs, output, name=name: self._on_linear(
                        _Linear(name, inputs[0].detach(), output)
                    )
                )
                hooks.callback(hook.remove)
            for name, module in self._sites.items() if self.wanted else ():
                hook = module.register_forward_hook(
                    lambda module, inputs, output, name=name: self._on_site(
                        name, module, inputs[0], output
                    )
                )
                hooks.callback(hook.remove)
            yield

    def _on_linear(self, call: _Linear) -> None:
        if call.after.requires_grad:
            self._linear_calls.append(call)

    def _on_site(self, name: str, module: nn.Module, before: Tensor, after: Tensor) -> None:
        if not (before.requires_grad and after.requires_grad):
            return
        feeder = next((call for call in self._linear_calls if _same(call.after, before)), None)
        active = None
        if self._derivatives or feeder is not None:
            # Of ReLU the output says where the derivative is 0, which saves a pass.
            is_relu = isinstance(module, nn.ReLU)
            slope = after.detach() if is_relu else self._slope(name, before, after)
            if feeder is not None:
                # Floats, since on a CPU a product with them is twice as fast as with booleans.
                active = torch.ne(slope, 0, out=torch.empty_like(slope))
            self._sum(name, "flat", count_zeros(in_memory_order(slope)))
        self._count(name, before.numel())
        self._site_calls.append(_Site(name, before, after, active, feeder))

    def _slope(self, name: str, before: Tensor, after: Tensor) -> Tensor:
        """Returns σ'(p), entry by entry.

        No entry's output depends on another's input: evaluation uses stored quantiles, and what
        Top-K keeps has no gradient.
        """
        ones = self._ones.get(name)
        if ones is None or ones.shape != after.shape:
            ones = self._ones[name] = torch.ones_like(after)
        (slope,) = torch.autograd.grad(after, before, ones, retain_graph=True)
        return slope

    def add(self, loss: Tensor, *, samples: int) -> None:
        """Takes the mean loss of a batch, with its graph, and forgets what was kept of the batch.

        Args:
            loss: ().
            samples: Number of samples in the batch.
        """
        sites, linears = self._site_calls, self._linear_calls
        self._site_calls, self._linear_calls = [], []
        self._samples += samples
        fed = [call for call in sites if call.feeder is not None]
        wanted = [call.before for call in sites] if self._gradients else []
        wanted += [call.after for call in linears] + [call.after for call in fed]
        if not wanted:
            return
        found = iter(torch.autograd.grad(loss * samples, wanted, materialize_grads=True))
        for site in sites if self._gradients else ():
            self._sum(site.name, "gradient", in_memory_order(next(found)).sum())
        for linear in linears:
            self._sum(linear.name, "flatness", _weighed(next(found), linear.before))
        for site in fed:
            self._add_active(site, next(found))

    def _add_active(self, site: _Site, grad: Tensor) -> None:
        """Sums g²‖x‖² over the entries of one call that are active."""
        assert site.feeder is not None
        assert site.active is not None
        name = site.feeder.name
        self._sum(name, "active", site.active.sum(-1))
        through = site.active.mul_(grad).reshape(site.feeder.after.shape)
        self._sum(name, "active flatness", _weighed(through, site.feeder.before))
        self._count(name, through.numel())

    def _sum(self, name: str, of: str, values: Tensor) -> None:
        part = values.detach().sum(dtype=torch.float64)
        self._sums[name, of] = self._sums[name, of] + part if (name, of) in self._sums else part

    def _count(self, name: str, entries: int) -> None:
        self._counts[name] = self._counts.get(name, 0) + entries

    def measure(self) -> tuple[dict[str, float], Layers]:
        """Returns the measures over the whole model, and per site and linear layer.

        Over the whole model means are weighted by elements, aug_flatness is the sum over layers,
        and flatness_ratio takes its two means over the layers that have one together. What is not
        defined, since nothing is active or no gradient flows, is left out.
        """
        values = torch.stack(list(self._sums.values())).tolist() if self._sums else []
        sums = dict(zip(self._sums, values, strict=True))
        overall: dict[str, float] = {}
        layers: Layers = {}
        means = {"flat": "derivative_sparsity"} if self._derivatives else {}
        means |= {"gradient": "preact_grad_mean"} if self._gradients else {}
        for of, measure in means.items():
            seen = [name for name in self._sites if (name, of) in sums]
            for name in seen:
                layers.setdefault(name, {})[measure] = sums[name, of] / self._counts[name]
            if seen:
                total = sum(sums[name, of] for name in seen)
                overall[measure] = total / sum(self._counts[name] for name in seen)
        return overall | self._flatnesses(sums, layers), layers

    def _flatnesses(self, sums: dict[tuple[str, str], float], layers: Layers) -> dict[str, float]:
        """Puts aug_flatness and flatness_ratio into `layers` and returns those over the model."""
        seen = [name for name in self._linears if (name, "flatness") in sums]
        if not seen:
            return {}
        for name in seen:
            layers[name] = {"aug_flatness": sums[name, "flatness"] / self._samples}
        fed = [name for name in seen if (name, "active") in sums]
        parts = {name: self._parts(name, sums) for name in fed}
        for name, part in parts.items():
            layers[name] |= _ratio(part)
        overall = {"aug_flatness": sum(layers[name]["aug_flatness"] for name in seen)}
        return overall | _ratio([sum(part) for part in zip(*parts.values(), strict=True)])

    def _parts(self, name: str, sums: dict[tuple[str, str], float]) -> list[float]:
        of_layer = [sums[name, of] for of in ("flatness", "active flatness", "active")]
        return [*of_layer, float(self._counts[name])]


def _ratio(parts: list[float]) -> dict[str, float]:
    """Returns flatness_ratio of (flatness, active flatness, active, entries), if it is defined."""
    if not parts or parts[1] == 0:
        return {}
    flatness, active_flatness, active, entries = parts
    return {"flatness_ratio": (flatness / entries) / (active_flatness / active)}


def _same(one: Tensor, other: Tensor) -> bool:
    """Returns whether two tensors are the same numbers in the same order in the same memory."""
    return (
        one.data_ptr() == other.data_ptr()
        and one.numel() == other.numel()
        and one.is_contiguous()
        and other.is_contiguous()
    )


def _weighed(grad: Tensor, before: Tensor) -> Tensor:
    """Returns ‖grad_t‖² · ‖before_t‖² of each token, (...), from (..., out) and (..., in)."""
    return squared_norms(grad) * squared_norms(before)
