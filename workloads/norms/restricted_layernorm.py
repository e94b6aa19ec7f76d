"""Restricted LayerNorm: y = (x − mean) / √(var + 1e-5) · g over each token's channels, g ≥ 1.

Must never know the model it stands in.

Shapes: (batch, ..., channels) to the same shape; g (channels,), initially 1 and clamped to at least
1 after each update; no bias. What comes out has norm √channels or more, which keeps ‖X‖ of the
flatness in arXiv 2605.25612 away from 0. Source: there, and its earlier version arXiv 2309.03004.
"""

from typing import ClassVar

import torch
from torch import nn

from workloads.norms import Layout, Norm

__all__ = ["Config"]


class Config(Norm):
    """Each token by itself, never made smaller."""

    layout: ClassVar[Layout] = "channels_last"

    def build(self, features: int, *, length: int | None = None) -> nn.Module:
        """Returns the module; tokens do not meet, so `length` changes nothing."""
        return RestrictedLayerNorm(features, eps=1e-5, bias=False)


class RestrictedLayerNorm(nn.LayerNorm):
    """Torch's own, without bias, and with a gain that is held."""

    @torch.no_grad()
    def constrain(self) -> None:
        """Clamps the gain to at least 1, in place."""
        self.weight.clamp_(min=1.0)
