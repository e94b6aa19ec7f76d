"""Per-token bias: y = base(x) + b, b one learnable vector a token position, held small.

Must never know the model it stands in.

Shapes: (batch, tokens, channels) to the same shape; b (tokens, channels), initially 0, and after
each update clipped to ±limit·|g|, g (channels,) the gain of the base. With `site: pre_activation`
it is added to the input of each feed-forward block only, as arXiv 2605.25612 does (limit 0.1; its
earlier version is arXiv 2309.03004).
"""

from typing import Annotated, ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from workloads.kinds import one_of
from workloads.norms import Layout, Norm, layernorm

__all__ = ["Config"]


class Config(Norm):
    """A norm, and for each position what the positions differ in; the base's own site is moot."""

    layout: ClassVar[Layout] = "channels_last"

    base: Annotated[Norm, one_of("workloads.norms")] = Field(
        default=layernorm.Config(), description="norm that comes first, channels last, with a gain"
    )
    limit: float = Field(default=0.1, gt=0, description="largest |b|, in units of the base's gain")

    @model_validator(mode="after")
    def _base_has_a_gain(self) -> Self:
        if self.base.layout != "channels_last" or self.base.kind == "token_bias":
            raise ValueError(
                f"base is a channels_last norm with a gain, got {self.base.kind}. Take layernorm."
            )
        return self

    def build(self, features: int, *, length: int | None = None) -> nn.Module:
        """Returns the module.

        Raises:
            ValueError: No `length`.
        """
        if length is None:
            raise ValueError("token_bias: needs a length, got None. Use it in a model with tokens.")
        base = self.base.build(features, length=length)
        return TokenBias(base, features, length=length, limit=self.limit)


class TokenBias(nn.Module):
    """base(x) + b."""

    def __init__(self, base: nn.Module, features: int, *, length: int, limit: float) -> None:
        """Builds a bias of 0.

        Args:
            base: A norm with a `weight` (channels,).
            features: Channels.
            length: Most tokens of an input.
            limit: Largest |b| over |weight|.
        """
        super().__init__()
        self.base = base
        self.limit = limit
        # Named so that nothing takes these two dimensions for a weight matrix.
        self.token_bias = nn.Parameter(torch.zeros(length, features))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, tokens, channels) to the same shape.

        Raises:
            ValueError: There are more tokens than it was built for.
        """
        if x.dim() != 3 or x.shape[1] > len(self.token_bias):
            raise ValueError(
                f"token_bias: needs (batch, at most {len(self.token_bias)} tokens, channels),"
                f" got {tuple(x.shape)}. Its biases belong to positions: keep the length."
            )
        y: Tensor = self.base(x) + self.token_bias[: x.shape[1]]
        return y

    @torch.no_grad()
    def constrain(self) -> None:
        """Clips the bias by the gain as it is now, in place."""
        bound = self.limit * self.base.get_parameter("weight").abs()
        self.token_bias.clamp_(min=-bound, max=bound)

    def extra_repr(self) -> str:
        """Shows the limit."""
        return f"limit={self.limit}"
