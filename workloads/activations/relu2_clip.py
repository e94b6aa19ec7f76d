"""Clipped squared ReLU: min(max(0, x)², clip), any shape to the same shape.

Must never know the model it stands in.

The bound is on the squared value. Derivative 2·max(0, x) where the square is below `clip`, else 0.
Source: arXiv 2605.17659, which uses clip 15 and 50.
"""

from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from workloads.activations import Activation

__all__ = ["Config"]


class Config(Activation):
    """The squared rectifier without its spikes."""

    flat_at_zero: ClassVar[bool] = True

    clip: float = Field(gt=0, description="largest output, in units of x²", examples=[15.0, 50.0])

    def build(self, *, causal: bool = False) -> nn.Module:
        """Returns the module; position-wise, so `causal` changes nothing."""
        return ClippedSquaredReLU(self.clip)


class ClippedSquaredReLU(nn.Module):
    """min(max(0, x)², clip)."""

    def __init__(self, clip: float) -> None:
        """Args: clip: largest output."""
        super().__init__()
        self.clip = clip

    def forward(self, x: Tensor) -> Tensor:
        """(batch, ...) to the same shape."""
        # hardtanh, unlike clamp, has no gradient where the square equals the bound.
        return functional.hardtanh(functional.relu(x).square(), 0.0, self.clip)

    def extra_repr(self) -> str:
        """Shows the bound."""
        return f"clip={self.clip}"
