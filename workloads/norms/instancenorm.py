"""InstanceNorm: y = (x − mean) / √(var + 1e-5) · g + b over the positions of each channel.

Must never know the model it stands in.

Shapes: (batch, channels, ...) to the same shape; g, b (channels,), initially 1 and 0; mean and
biased variance of each sample and channel by itself, in training and evaluation alike. Source:
arXiv 1607.08022, eq. 1. A group norm of one channel a group is the same and takes any shape.
"""

from typing import ClassVar

from torch import nn

from workloads.norms import Layout, Norm

__all__ = ["Config"]


class Config(Norm):
    """Each channel of each sample by itself."""

    layout: ClassVar[Layout] = "channels_first"

    def build(self, features: int, *, length: int | None = None) -> nn.Module:
        """Returns the module; positions are averaged over, so `length` changes nothing."""
        return nn.GroupNorm(features, features, eps=1e-5)
