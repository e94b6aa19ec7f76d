"""Quantile layer norm: y = (x − c) / √(v + 1e-5) · g + b, v around the quantile centre c.

Must never know the model it stands in.

Shapes: (batch, tokens, channels) to the same shape; g, b (channels,), initially 1 and 0. c
(tokens,) is the mean over the batch of the q-quantile over a token's channels, linearly
interpolated, so training couples the samples of a batch and the number of tokens is fixed; v is
each token's own mean of (x − c)². Training uses the batch's c, with gradient through it; evaluation
a running estimate (momentum 0.1, at first 0). Source: arXiv 2605.17659.
"""

from typing import ClassVar

from pydantic import Field
from torch import nn

from workloads.norms import Layout, Norm
from workloads.norms._quantile_layer import QuantileLayerNorm

__all__ = ["Config"]


class Config(Norm):
    """One centre a token position."""

    layout: ClassVar[Layout] = "channels_last"
    couples_samples: ClassVar[bool] = True

    quantile: float = Field(
        ge=0, le=1, description="q, share of channels below it", examples=[0.75]
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
        return QuantileLayerNorm(features, length=length, q=self.quantile)
