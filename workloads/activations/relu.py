"""ReLU: max(0, x), any shape to the same shape. Never knows the model it stands in."""

from typing import ClassVar

from torch import nn

from workloads.activations import Activation

__all__ = ["Config"]


class Config(Activation):
    """The rectifier; derivative 1 where x > 0, else 0."""

    flat_at_zero: ClassVar[bool] = True

    def build(self, *, causal: bool = False) -> nn.Module:
        """Returns the module; position-wise, so `causal` changes nothing."""
        return nn.ReLU()
