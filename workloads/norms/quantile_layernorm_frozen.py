"""Quantile layer norm whose centre stands still after `freeze_after` updates.

Must never know the model it stands in.

Shapes: (batch, tokens, channels) to the same shape. Until then it is quantile_layernorm. From then
on training and evaluation both use the stored running centre (tokens,), without gradient; the
variance is each token's own, as ever. Source: arXiv 2605.17659. The authors freeze after 50 000
updates; a run must be longer for it to matter.
"""

from typing import ClassVar

from pydantic import Field
from torch import nn

from workloads.norms import Layout, Norm
from workloads.norms._quantile_layer import QuantileLayerNorm

__all__ = ["Config"]


class Config(Norm):
    """One update a training step."""

    layout: ClassVar[Layout] = "channels_last"
    couples_samples: ClassVar[bool] = True

    quantile: float = Field(
        ge=0, le=1, description="q, share of channels below it", examples=[0.75]
    )
    freeze_after: int = Field(
        default=50_000, ge=1, description="training passes after which the centre stands still"
    )

    def build(self, features: int, *, length: int | None = None) -> nn.Module:
        """Returns the module.

        Raises:
            ValueError: No `length`.
        """
        if length is None:
            raise ValueError(
                f"{self.kind}: needs a length, got None. Use it in a model with tokens."
            )
        return QuantileLayerNorm(
            features, length=length, q=self.quantile, freeze_after=self.freeze_after
        )
