"""SiLU: x · σ(x), any shape to the same shape. Never knows the model it stands in.

Derivative σ(x)·(1 + x·(1 − σ(x))). Negative for x < 0, down to −0.278 at x = −1.278; no hard zeros.
Source: arXiv 1702.03118, eq. 3.
"""

from typing import ClassVar

from torch import nn

from workloads.activations import Activation

__all__ = ["Config"]


class Config(Activation):
    """The sigmoid linear unit, also called swish."""

    backward_reads_output: ClassVar[bool] = False

    def build(self, *, causal: bool = False) -> nn.Module:
        """Returns the module; position-wise, so `causal` changes nothing."""
        return nn.SiLU()
