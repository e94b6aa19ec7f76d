"""GELU: x · Φ(x) with the exact normal distribution function, any shape to the same shape.

Must never know the model it stands in.

Φ(x) = (1 + erf(x/√2)) / 2. Negative for x < 0, down to −0.17 at x = −0.75; no hard zeros. Source:
arXiv 1606.08415, section 2.
"""

from typing import ClassVar

from torch import nn

from workloads.activations import Activation

__all__ = ["Config"]


class Config(Activation):
    """The Gaussian error linear unit."""

    backward_reads_output: ClassVar[bool] = False

    def build(self, *, causal: bool = False) -> nn.Module:
        """Returns the module; position-wise, so `causal` changes nothing."""
        return nn.GELU()
