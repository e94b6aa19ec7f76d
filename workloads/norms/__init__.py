"""The norms, one file a kind. A norm never knows the model it stands in."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from pydantic import Field
from torch import nn

from workloads.kinds import Kind

__all__ = ["Layout", "Norm"]

Layout = Literal["channels_first", "channels_last", "any"]


class Norm(Kind, ABC):
    """The configuration of a norm.

    `layout` says where it expects the channels: `channels_first` is (batch, channels, ...),
    `channels_last` is (batch, ..., channels), `any` does not care. `couples_samples` says whether,
    in training, what a sample becomes depends on others of its batch.
    """

    layout: ClassVar[Layout]
    couples_samples: ClassVar[bool] = False

    site: Literal["all", "pre_activation"] = Field(
        default="all",
        description="which norms of the model it replaces: all, or those feeding an activation",
    )

    @abstractmethod
    def build(self, features: int, *, length: int | None = None) -> nn.Module:
        """Returns a module that keeps the shape.

        Args:
            features: Number of channels.
            length: Number of tokens, where the input has them.
        """
