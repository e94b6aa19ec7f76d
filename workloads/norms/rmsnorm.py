"""RMSNorm: y = x / √(mean x² + 1e-6) · g over the channels of each token.

Must never know the model it stands in.

Shapes: (batch, ..., channels) to the same shape; g (channels,), initially 1; no centre, no bias.
Source: arXiv 1910.07467, eq. 4.
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
        return nn.RMSNorm(features, eps=1e-6)
