"""Squared GELU: G(x)², G(x) = x·Φ(x) with the exact Φ; any shape to the same shape.

Must never know the model it stands in.

Derivative 2·G(x)·G'(x). Never negative and without hard zeros: the negative lobe of G becomes a
bump of at most 0.029. Source: arXiv 2605.17659.
"""

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from workloads.activations import Activation

__all__ = ["Config"]


class Config(Activation):
    """The squared Gaussian error linear unit."""

    backward_reads_output: ClassVar[bool] = False

    def build(self, *, causal: bool = False) -> nn.Module:
        """Returns the module; position-wise, so `causal` changes nothing."""
        return SquaredGELU()


class SquaredGELU(nn.Module):
    """G(x)²."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, ...) to the same shape."""
        return functional.gelu(x).square()
