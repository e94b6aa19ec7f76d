"""Squared ReLU: max(0, x)², any shape to the same shape; derivative 2·max(0, x).

Must never know the model it stands in.

Source: arXiv 2109.08668 (Primer), section 4.
"""

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from workloads.activations import Activation

__all__ = ["Config"]


class Config(Activation):
    """The squared rectifier; grows without bound, so activations can spike."""

    flat_at_zero: ClassVar[bool] = True

    def build(self, *, causal: bool = False) -> nn.Module:
        """Returns the module; position-wise, so `causal` changes nothing."""
        return SquaredReLU()


class SquaredReLU(nn.Module):
    """max(0, x)²."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, ...) to the same shape."""
        return functional.relu(x).square()
