"""LayerNorm: y = (x − mean) / √(var + 1e-5) · g + b over the channels of each token.

Must never know the model it stands in.

Shapes: (batch, ..., channels) to the same shape; g, b (channels,), initially 1 and 0; var is the
biased variance. Source: arXiv 1607.06450, eq. 4.
"""

from typing import ClassVar

from torch import nn

from workloads.norms import Layout, Norm

__all__ = ["Config"]


class Config(Norm):
    """Each token by itself."""

    layout: ClassVar[Layout] = "channels_last"

    def build(self, features: int, *, length: int | None = None) -> nn.Module:
        """Returns the module; tokens do not meet, so `length` changes nothing."""
        return nn.LayerNorm(features, eps=1e-5)
