"""Multi-layer perceptron: Linear, norm, activation, again and again, then Linear to the classes.

Never knows the task. (batch, channels, height, width) float32, flattened, to (batch, classes).
"""

from itertools import pairwise
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn

from workloads.activations import Activation
from workloads.models import Data, Model
from workloads.norms import Layout, Norm

__all__ = ["Config", "Perceptron"]


class Config(Model):
    """Hidden layers of given widths."""

    takes: ClassVar[tuple[Data, ...]] = ("image",)
    default_norm: ClassVar[str] = "identity"
    layouts: ClassVar[tuple[Layout, ...]] = ("channels_first", "channels_last")

    hidden: Annotated[
        tuple[Annotated[int, Field(ge=1)], ...],
        Field(strict=False, min_length=1, description="features of each hidden layer"),
    ] = (256, 256)

    def build(
        self, *, inputs: tuple[int, ...], outputs: int, activation: Activation, norm: Norm
    ) -> nn.Module:
        """Returns the module; every norm stands before an activation, so `site` is moot."""
        channels, height, width = inputs
        return Perceptron(
            (channels * height * width, *self.hidden), outputs, activation=activation, norm=norm
        )


class Perceptron(nn.Module):
    """The module; `sites` holds the activations of the hidden layers."""

    def __init__(
        self, widths: tuple[int, ...], outputs: int, *, activation: Activation, norm: Norm
    ) -> None:
        """Draws the weights.

        Args:
            widths: Features of the input and of each hidden layer.
            outputs: Classes.
            activation: Built once per hidden layer.
            norm: Built once per hidden layer.
        """
        super().__init__()
        layers = [
            _Layer(before, after, activation=activation, norm=norm)
            for before, after in pairwise(widths)
        ]
        self.layers = nn.ModuleList(layers)
        self.head = nn.Linear(widths[-1], outputs)
        self.sites = {f"layers.{index}.act": layer.act for index, layer in enumerate(layers)}

    def forward(self, images: Tensor) -> Tensor:
        """Maps (batch, channels, height, width) to (batch, classes)."""
        hidden = images.flatten(1)
        for layer in self.layers:
            hidden = layer(hidden)
        logits: Tensor = self.head(hidden)
        return logits


class _Layer(nn.Module):
    """Linear, norm, activation: (batch, before) to (batch, after)."""

    def __init__(self, before: int, after: int, *, activation: Activation, norm: Norm) -> None:
        super().__init__()
        self.linear = nn.Linear(before, after)
        self.norm = norm.build(after, length=1)
        self.shape = (after, 1, 1) if norm.layout == "channels_first" else (1, after)
        self.act = activation.build()

    def forward(self, x: Tensor) -> Tensor:
        # Norms expect a pixel grid or tokens: one pixel, or one token, is the same arithmetic.
        normed: Tensor = self.norm(self.linear(x).unflatten(1, self.shape))
        out: Tensor = self.act(normed.flatten(1))
        return out
