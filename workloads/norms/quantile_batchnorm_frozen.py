"""Quantile batch norm whose centre stands still after `freeze_after` training passes.

Must never know the model it stands in.

Shapes: (batch, channels, height, width) to the same shape; g, b (channels,), initially 1 and 0.
Until then it is quantile_batchnorm. From then on training and evaluation both use the stored
running centre, without gradient, while the variance around it goes on being estimated (momentum
0.1). Source: arXiv 2605.17659. The authors freeze after 50 000 updates; a run must be
longer for it to matter.
"""

from typing import ClassVar

from pydantic import Field
from torch import nn

from workloads.norms import Layout, Norm
from workloads.norms._quantile_batch import QuantileBatchNorm

__all__ = ["Config"]


class Config(Norm):
    """One update a training step."""

    layout: ClassVar[Layout] = "channels_first"
    couples_samples: ClassVar[bool] = True

    quantile: float = Field(
        ge=0, le=1, description="q, share of positions below it", examples=[0.75]
    )
    freeze_after: int = Field(
        default=50_000, ge=1, description="training passes after which the centre stands still"
    )

    def build(self, features: int, *, length: int | None = None) -> nn.Module:
        """Returns the module; positions are averaged over, so `length` changes nothing."""
        return QuantileBatchNorm(features, q=self.quantile, freeze_after=self.freeze_after)
