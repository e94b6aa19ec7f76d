"""Top-K: per sample, zero the share of smallest outputs of a base activation, exactly.

Must never know the model it stands in.

Shapes: (batch, ...) to the same shape. With y = base(x) and n entries ranked together, the
n − round(share·n) largest stay (halves round to even; of equal entries those of lowest index stay)
and the rest become 0. Ranked together are all entries of a sample; in a causal model the features
of each token, so that no token sees a later one. Ranking is by value. Gradient passes where an
entry stayed. Source: arXiv 2605.17659, whose authors' code ranks tokens × features.
"""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from workloads.activations import Activation, gelu
from workloads.kinds import one_of
from workloads.order_statistics import largest

__all__ = ["Config"]


class Config(Activation):
    """An explicit lever on sparsity; zeros of the base come on top."""

    share: float = Field(
        ge=0, lt=1, description="share of outputs set to zero", examples=[0.5, 0.9]
    )
    base: Annotated[Activation, one_of("workloads.activations")] = Field(
        default=gelu.Config(), description="activation whose outputs are ranked"
    )

    def build(self, *, causal: bool = False) -> nn.Module:
        """Returns the module; `causal` ranks the features of each token by themselves."""
        return TopK(self.base.build(causal=causal), share=self.share, causal=causal)

    def promised_zeros(self, size: int) -> int:
        """Returns round(share · size)."""
        return round(self.share * size)


class TopK(nn.Module):
    """base(x) with exactly round(share · n) of every n entries zeroed."""

    def __init__(self, base: nn.Module, *, share: float, causal: bool) -> None:
        """Args: base: keeps the shape. share: in [0, 1). causal: rank tokens by themselves."""
        super().__init__()
        self.base = base
        self.share = share
        self.causal = causal

    def forward(self, x: Tensor) -> Tensor:
        """(batch, ...) to the same shape; with `causal` (batch, ..., features)."""
        y: Tensor = self.base(x)
        start = max(1, y.dim() - 1) if self.causal else 1
        size = y.shape[start:].numel()
        # A product, so that NaN stays NaN even where it is not kept.
        return y * largest(y, count=size - round(self.share * size), start=start)

    def extra_repr(self) -> str:
        """Shows the share and what is ranked."""
        return f"share={self.share}, causal={self.causal}"
