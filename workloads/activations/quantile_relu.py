"""Quantile ReLU: max(0, x − Q), Q the batch's q-quantile at each position of a sample.

Must never know the model it stands in.

Shapes: (batch, ...) to the same shape; Q (...), so one per (token, feature), or per (channel, y,
x) of an image, linearly interpolated. Training uses the batch's Q, and gradient flows through it;
evaluation a running estimate (momentum 0.1). The estimate starts at 0: before any training step
this is ReLU. Batch statistics couple the samples of a batch, never the tokens of a sample. Source:
arXiv 2605.17659.
"""

from typing import ClassVar, Protocol

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional

from workloads.activations import Activation
from workloads.autograd import Context, in_float32, refuse_second_derivative
from workloads.order_statistics import Quantile, add_gradient_, find_quantile

__all__ = ["Config"]


class Config(Activation):
    """A rectifier that about the share `quantile` of a batch does not pass."""

    couples_samples: ClassVar[bool] = True

    quantile: float = Field(ge=0, le=1, description="q, share of a batch below Q", examples=[0.75])

    def build(self, *, causal: bool = False) -> nn.Module:
        """Returns the module; no token meets another, so `causal` changes nothing."""
        return QuantileReLU(self.quantile)


class QuantileReLU(nn.Module):
    """max(0, x − Q); the running estimate takes its shape from the first input, or from a load."""

    running_quantile: Tensor

    def __init__(self, q: float, *, momentum: float = 0.1) -> None:
        """Args: q: from 0 to 1. momentum: weight of the newest batch."""
        super().__init__()
        self.q = q
        self.momentum = momentum
        self.register_buffer("running_quantile", torch.empty(0))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, ...) to the same shape.

        Raises:
            ValueError: The shape of a sample differs from that of the running estimate.
        """
        self._take_shape(x)
        if not self.training:
            return functional.relu(x - self.running_quantile)
        y, batch_quantile = _BatchQuantileReLU.apply(  # type: ignore[no-untyped-call]
            in_float32(x), self.q
        )
        self.running_quantile.lerp_(batch_quantile, self.momentum)
        out: Tensor = y
        return out.to(x.dtype)

    def _take_shape(self, x: Tensor) -> None:
        if self.running_quantile.numel() == 0:
            self.running_quantile = in_float32(x).new_zeros(x.shape[1:])
        if self.running_quantile.shape != x.shape[1:]:
            raise ValueError(
                f"quantile_relu: samples keep the shape {tuple(self.running_quantile.shape)} of the"
                f" first, got {tuple(x.shape[1:])}. Pad them, or take another activation."
            )

    def _load_from_state_dict(
        self, state_dict: dict[str, Tensor], prefix: str, *rest: object
    ) -> None:
        stored = state_dict.get(f"{prefix}running_quantile")
        if stored is not None and stored.shape != self.running_quantile.shape:
            self.running_quantile = self.running_quantile.new_empty(stored.shape)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def extra_repr(self) -> str:
        """Shows the quantile and the momentum."""
        return f"q={self.q}, momentum={self.momentum}"


class _QuantileContext(Context, Protocol):
    weight: float


class _BatchQuantileReLU(Function):
    """max(0, x − Q), and Q without gradient: backward already hands Q's to x."""

    @staticmethod
    def forward(ctx: _QuantileContext, x: Tensor, q: float) -> tuple[Tensor, Tensor]:
        found = find_quantile(x.movedim(0, -1), q, start=x.dim() - 1)
        y = (x - found.value).relu_()
        ctx.save_for_backward(y, found.value, found.lower, found.upper)
        ctx.weight = found.weight
        ctx.mark_non_differentiable(found.value)
        return y, found.value

    @staticmethod
    def backward(ctx: _QuantileContext, grad: Tensor, _: Tensor) -> tuple[Tensor, None]:
        refuse_second_derivative("quantile_relu")
        y, value, lower, upper = ctx.saved_tensors
        dx = grad * (y > 0)
        found = Quantile(value, lower, upper, ctx.weight)
        add_gradient_(dx, -dx.sum(dim=0), found, dim=0)
        return dx, None
