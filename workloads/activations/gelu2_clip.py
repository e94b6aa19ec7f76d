"""Clipped squared GELU: min(G(x)², clip), G(x) = x·Φ(x); any shape to the same shape.

Must never know the model it stands in.

The bound is on the squared value. Derivative 2·G(x)·G'(x) where the square is below `clip`, else 0.
Never negative and without hard zeros, as `gelu2`. Source: arXiv 2605.17659, which clips ReLU² so.
"""

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from workloads.activations import Activation

__all__ = ["Config"]


class Config(Activation):
    """The squared Gaussian error linear unit without its spikes."""

    clip: float = Field(gt=0, description="largest output, in units of x²", examples=[15.0, 50.0])

    def build(self, *, causal: bool = False) -> nn.Module:
        """Returns the module; position-wise, so `causal` changes nothing."""
        return ClippedSquaredGELU(self.clip)


class ClippedSquaredGELU(nn.Module):
    """min(G(x)², clip)."""

    def __init__(self, clip: float) -> None:
        """Args: clip: largest output."""
        super().__init__()
        self.clip = clip

    def forward(self, x: Tensor) -> Tensor:
        """(batch, ...) to the same shape."""
        # hardtanh has no gradient where the square equals a bound; a square of 0 has none anyway.
        return functional.hardtanh(functional.gelu(x).square(), 0.0, self.clip)

    def extra_repr(self) -> str:
        """Shows the bound."""
        return f"clip={self.clip}"
