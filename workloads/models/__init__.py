"""The models, one file a kind. A model never knows the task, the optimizer or the measures."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from torch import nn

from workloads.activations import Activation
from workloads.kinds import Kind
from workloads.norms import Layout, Norm

__all__ = ["Data", "Model"]

Data = Literal["image", "tokens", "spectrum"]


class Model(Kind, ABC):
    """The configuration of a model.

    Attributes:
        takes: Kinds of data it can be fed with.
        default_norm: Kind of norm it has unless told otherwise.
        layouts: Layouts of norm it can hold.
        causal: Whether no token may see a later one.
    """

    takes: ClassVar[tuple[Data, ...]]
    default_norm: ClassVar[str]
    layouts: ClassVar[tuple[Layout, ...]]
    causal: ClassVar[bool] = False

    def accepts(self, norm: Norm) -> None:
        """Raises ValueError where this model cannot hold that norm."""
        if norm.layout not in (*self.layouts, "any"):
            raise ValueError(
                f"{self.kind} needs a norm with {' or '.join(self.layouts)},"
                f" got {norm.kind} ({norm.layout}). Its default is {self.default_norm}."
            )

    def fits(self, inputs: tuple[int, ...], outputs: int) -> None:
        """Raises ValueError where this model cannot take inputs of that shape."""

    @abstractmethod
    def build(
        self, *, inputs: tuple[int, ...], outputs: int, activation: Activation, norm: Norm
    ) -> nn.Module:
        """Returns the module, weights drawn from torch's global generator.

        Args:
            inputs: (channels, height, width) of an image, (length,) of tokens, (2, frames, bins)
                of a spectrum.
            outputs: Classes, or size of the vocabulary; 2 of a spectrum: magnitude and phase.
            activation: Built once per site; `sites` names the modules in forward order.
            norm: Built once per norm, as its `site` says.

        The module maps (batch, channels, height, width) float32 to (batch, classes), (batch,
        length) int64 to (batch, length, vocabulary), or (batch, 2, frames, bins) float32 to the
        same shape, and has `sites: dict[str, nn.Module]`.
        """
