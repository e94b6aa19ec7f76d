"""Quantile mean batch norm: y = (x − c) / √(v + 1e-5) · g + b, v the variance around the mean.

Must never know the model it stands in.

Shapes: (batch, channels, height, width) to the same shape; g, b (channels,), initially 1 and 0.
c is the mean over samples of the q-quantile over a sample's positions, linearly interpolated; v the
ordinary variance over batch and positions. Training uses the batch's, with gradient through both;
evaluation the running estimates (momentum 0.1; c starts at 0, v, which has no correction for bias,
at 1). Source: arXiv 2605.17659.
"""

from typing import ClassVar

from pydantic import Field
from torch import nn

from workloads.norms import Layout, Norm
from workloads.norms._quantile_batch import QuantileBatchNorm

__all__ = ["Config"]


class Config(Norm):
    """Batch norm, shifted by the distance of a quantile from the mean."""

    layout: ClassVar[Layout] = "channels_first"
    couples_samples: ClassVar[bool] = True

    quantile: float = Field(
        ge=0, le=1, description="q, share of positions below it", examples=[0.75]
    )

    def build(self, features: int, *, length: int | None = None) -> nn.Module:
        """Returns the module; positions are averaged over, so `length` changes nothing."""
        return QuantileBatchNorm(features, q=self.quantile, variance_around="mean")
