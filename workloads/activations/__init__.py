"""The activations, one file a kind. An activation never knows the model it stands in."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import nn

from workloads.kinds import Kind

__all__ = ["Activation"]


class Activation(Kind, ABC):
    """The configuration of an activation.

    Attributes:
        surrogate_gradient: Whether backward is, on purpose, not the derivative of forward.
        flat_at_zero: Whether no gradient passes wherever the output is 0; none is below it then.
        backward_reads_output: Whether it may, so that nobody may change the output in place.
        couples_samples: Whether, in training, what a sample becomes depends on others of its batch.
    """

    surrogate_gradient: ClassVar[bool] = False
    flat_at_zero: ClassVar[bool] = False
    backward_reads_output: ClassVar[bool] = True
    couples_samples: ClassVar[bool] = False

    @abstractmethod
    def build(self, *, causal: bool = False) -> nn.Module:
        """Returns a module from any shape (batch, ...) to the same shape.

        Args:
            causal: The model is causal: nothing may be ranked or averaged across tokens.
        """

    def promised_zeros(self, size: int) -> int:
        """Returns how many of `size` outputs ranked together are zero at least; 0: no promise."""
        return 0
