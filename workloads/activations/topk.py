"""Top-K: per sample, zero the share of smallest outputs of a base activation, exactly.

Must never know the model it stands in.

Shapes: (batch, ...) to the same shape. With y = base(x) and n entries ranked together, the
n − round(share·n) largest stay (halves round to even; of equal entries those of lowest index stay)
and the rest become 0. Ranked together are all entries of a sample; in a causal model the features
of each token, so that no token sees a later one. Ranking is by y, or by |y|. Gradient passes where
an entry stayed. Source: arXiv 2605.17659. Its authors' code ranks tokens × features even in a
causal model (`scope: sample`); in its first version the share is what stays (`level: retained`).
"""

from typing import Annotated, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.autograd import Function

from workloads.activations import Activation, gelu
from workloads.autograd import Context
from workloads.kinds import one_of, refusal
from workloads.order_statistics import largest

__all__ = ["Config"]


class Config(Activation):
    """An explicit lever on sparsity; zeros of the base come on top."""

    share: float = Field(
        ge=0, lt=1, description="share of outputs set to zero", examples=[0.5, 0.9]
    )
    base: Annotated[Activation, one_of("workloads.activations")] = Field(
        default=gelu.Config(), description="activation whose outputs are ranked"
    )
    rank: Literal["value", "magnitude"] = Field(
        default="value",
        description="the largest stay, or those farthest from 0",
        json_schema_extra={"since": 2},
    )
    level: Literal["zeroed", "retained"] = Field(
        default="zeroed",
        description="what `share` is the share of; retained: as in its authors' first code",
        json_schema_extra={"since": 2},
    )
    scope: Literal["causal", "sample"] = Field(
        default="causal",
        description="in a causal model rank each token alone, or the sample: tokens see later ones",
        json_schema_extra={"since": 2},
    )

    @model_validator(mode="after")
    def _something_stays(self) -> Self:
        if self.level == "retained" and self.share == 0:
            raise refusal(("share",), "a retained share is above 0, got 0. Raise it.", self.share)
        return self

    def build(self, *, causal: bool = False) -> nn.Module:
        """Returns the module; `causal` ranks the features of each token by themselves."""
        return TopK(
            self.base.build(causal=causal),
            config=self,
            by_token=causal and self.scope == "causal",
        )

    def promised_zeros(self, size: int) -> int:
        """Returns round(share · size), or what is left of it where the share is retained."""
        counted = round(self.share * size)
        return counted if self.level == "zeroed" else size - counted


class TopK(nn.Module):
    """base(x) with exactly as many of every n entries zeroed as the configuration promises."""

    def __init__(self, base: nn.Module, *, config: Config, by_token: bool) -> None:
        """Args: base: keeps the shape. config: of it. by_token: rank each token by itself."""
        super().__init__()
        self.base = base
        self.config = config
        self.by_token = by_token

    def forward(self, x: Tensor) -> Tensor:
        """(batch, ...) to the same shape; by token (batch, ..., features)."""
        start = max(1, x.dim() - 1) if self.by_token else 1
        size = x.shape[start:].numel()
        count = size - self.config.promised_zeros(size)
        if isinstance(self.base, nn.ReLU):
            rectified: Tensor = _LargestOfReLU.apply(x, count, start)  # type: ignore[no-untyped-call]
            return rectified
        y: Tensor = self.base(x)
        ranked = y if self.config.rank == "value" else y.detach().abs()
        # A zero stays one whether it is kept or not, and passes as little gradient.
        alike = self.config.base.flat_at_zero
        mask = largest(ranked, count=count, start=start, only_positive=alike)
        # A product, so that NaN stays NaN even where it is not kept.
        return y * mask if self.config.base.backward_reads_output else y.mul_(mask)

    def extra_repr(self) -> str:
        """Shows the share and what is ranked."""
        return f"share={self.config.share}, rank={self.config.rank}, by_token={self.by_token}"


class _LargestOfReLU(Function):
    """Top-K over ReLU, with a gradient only where an entry stayed and is above 0.

    What is above 0 ranks as its input does, so inputs are ranked: fewer of them are equal. The
    gradient is that of ReLU where the output, zeros of Top-K included, is above 0, without a mask:
    a twentieth of a step of a ResNet.
    """

    @staticmethod
    def forward(ctx: Context, x: Tensor, count: int, start: int) -> Tensor:
        mask = largest(x, count=count, start=start, only_positive=True)
        # A product, as above, so that NaN stays NaN.
        y = x.clamp_min(0).mul_(mask)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Context, grad: Tensor) -> tuple[Tensor | None, ...]:
        (y,) = ctx.saved_tensors
        return torch.ops.aten.threshold_backward(grad, y, 0), None, None
