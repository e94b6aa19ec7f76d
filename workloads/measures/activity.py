"""Measures the outputs of activations: how many are zero or nearly so, and how large they get.

Must never know what the measures are for, nor when they are due.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from workloads.measures.magnitudes import Magnitudes
from workloads.measures.passes import count_zeros, in_memory_order
from workloads.measures.weights import Layers

__all__ = ["Activity"]

_NEAR = 1e-3  # of the root mean square


class Activity:
    """Counts over the outputs of activation modules, kept on the device until they are read."""

    def __init__(self, sites: Mapping[str, nn.Module], *, magnitudes: bool = False) -> None:
        """Takes the modules by name; `magnitudes` adds near_sparsity and spike_ratio."""
        self._sites = sites
        self._counts = dict.fromkeys(sites, 0)
        self._zeros: dict[str, Tensor] = {}
        self._peaks: dict[str, Tensor] = {}
        self._magnitudes = {name: Magnitudes() for name in sites} if magnitudes else {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Counts whatever the modules put out inside the block."""
        hooks = [
            module.register_forward_hook(
                lambda _module, _inputs, output, name=name: self._add(name, output.detach())
            )
            for name, module in self._sites.items()
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _add(self, name: str, output: Tensor) -> None:
        flat = in_memory_order(output)
        zeros = count_zeros(flat)
        low, high = torch.aminmax(flat)
        peak = torch.maximum(high, -low)
        if self._counts[name]:
            zeros += self._zeros[name]
            peak = torch.maximum(peak, self._peaks[name])
        self._counts[name] += output.numel()
        self._zeros[name], self._peaks[name] = zeros, peak
        if name in self._magnitudes:
            self._magnitudes[name].add(output)

    def measure(self) -> tuple[dict[str, float], Layers]:
        """Returns the measures over all sites together and per site.

        `sparsity` is the share of exact zeros and `near_sparsity` that of |a| ≤ 1e-3 · rms(a), the
        root mean square being the site's own; over all sites they are weighted by elements.
        `spike_max` is the largest |a|, `spike_ratio` that over the median of the non-zero |a|, left
        out where there is none; over all sites they are the largest.
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
        overall = {"sparsity": sum(zeros) / sum(counts), "spike_max": float(peaks.max())}
        for name, zero in zip(seen, zeros, strict=True):
            if name in self._magnitudes:
                layers[name] |= self._spread(name, zeros=zero, peak=layers[name]["spike_max"])
        return overall | self._overall_spread(layers), layers

    def _spread(self, name: str, *, zeros: float, peak: float) -> dict[str, float]:
        spread = self._magnitudes[name].read()
        near = {"near_sparsity": spread.share_up_to(_NEAR * spread.rms())}
        median = spread.median(without=zeros)
        return near if median is None else near | {"spike_ratio": peak / median}

    def _overall_spread(self, layers: Layers) -> dict[str, float]:
        if not self._magnitudes:
            return {}
        counts = [self._counts[name] for name in layers]
        near = sum(
            count * layer["near_sparsity"]
            for count, layer in zip(counts, layers.values(), strict=True)
        )
        found = {"near_sparsity": near / sum(counts)}
        ratios = [layer["spike_ratio"] for layer in layers.values() if "spike_ratio" in layer]
        # Of numbers with NaN among them torch's maximum is NaN, whatever their order.
        if ratios:
            found["spike_ratio"] = float(torch.tensor(ratios, dtype=torch.float64).max())
        return found
