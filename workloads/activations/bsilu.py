"""Bounded SiLU: (x + a)·σ(x) − a/2, any shape to the same shape; a is `shift`.

Must never know the model it stands in.

Derivative σ(x)·(1 + (x + a)·(1 − σ(x))). Towards −∞ it goes to −a/2, at 0 it is 0; no hard zeros.
Source: arXiv 2505.22074, eq. 6, with a = 1.67.
"""

import torch
from pydantic import Field
from torch import Tensor, nn

from workloads.activations import Activation

__all__ = ["Config"]


class Config(Activation):
    """The function whose derivative `sugar_bsilu` borrows."""

    shift: float = Field(default=1.67, description="a, in units of x")

    def build(self, *, causal: bool = False) -> nn.Module:
        """Returns the module; position-wise, so `causal` changes nothing."""
        return BoundedSiLU(self.shift)


class BoundedSiLU(nn.Module):
    """(x + a)·σ(x) − a/2."""

    def __init__(self, shift: float) -> None:
        """Args: shift: a."""
        super().__init__()
        self.shift = shift

    def forward(self, x: Tensor) -> Tensor:
        """(batch, ...) to the same shape."""
        return (x + self.shift) * torch.sigmoid(x) - self.shift / 2

    def extra_repr(self) -> str:
        """Shows a."""
        return f"shift={self.shift}"
