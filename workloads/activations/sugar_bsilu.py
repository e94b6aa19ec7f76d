"""SUGAR-BSiLU: ReLU forward, derivative of the bounded SiLU backward; any shape to the same shape.

Must never know the model it stands in.

Forward max(0, x). Backward, with a = `shift`: σ(x) + (x + a)·σ(x)·(1 − σ(x)), which is the
derivative of BSiLU(x) = (x + a)·σ(x) − a/2, so that units learn where ReLU is flat. Source: arXiv
2505.22074, eq. 4 to 6. In the public code of arXiv 2605.17659 the surrogate never runs, so that it
trains a plain ReLU: `form: authors_code` is that.
"""

from typing import ClassVar, Literal, Protocol

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.autograd import Function

from workloads.activations import Activation
from workloads.autograd import Context, refuse_second_derivative

__all__ = ["Config"]


class Config(Activation):
    """A rectifier with a surrogate gradient."""

    surrogate_gradient: ClassVar[bool] = True

    shift: float = Field(default=1.67, description="a of the bounded SiLU, in units of x")
    form: Literal["paper", "authors_code"] = Field(
        default="paper",
        description="the paper's, or with ReLU's own gradient as in its authors' code",
        json_schema_extra={"since": 2},
    )

    def build(self, *, causal: bool = False) -> nn.Module:
        """Returns the module; position-wise, so `causal` changes nothing."""
        return SugarBSiLU(self.shift) if self.form == "paper" else nn.ReLU()


class SugarBSiLU(nn.Module):
    """max(0, x) with the gradient of BSiLU."""

    def __init__(self, shift: float) -> None:
        """Args: shift: a."""
        super().__init__()
        self.shift = shift

    def forward(self, x: Tensor) -> Tensor:
        """(batch, ...) to the same shape."""
        y: Tensor = _Surrogate.apply(x, self.shift)  # type: ignore[no-untyped-call]
        return y

    def extra_repr(self) -> str:
        """Shows a."""
        return f"shift={self.shift}"


class _ShiftContext(Context, Protocol):
    shift: float


class _Surrogate(Function):
    @staticmethod
    def forward(ctx: _ShiftContext, x: Tensor, shift: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.shift = shift
        return x.relu()

    @staticmethod
    def backward(ctx: _ShiftContext, grad: Tensor) -> tuple[Tensor, None]:
        refuse_second_derivative("sugar_bsilu")
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        # σ + (x + a)·σ·(1 − σ) = σ·(1 + (x + a)·(1 − σ))
        slope = (1 - s).mul_(x + ctx.shift).add_(1).mul_(s)
        return slope.mul_(grad), None
