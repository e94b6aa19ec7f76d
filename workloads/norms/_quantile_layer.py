"""Layer norm around a quantile: the module behind the channels-last quantile kinds.

Must never know the model it stands in.

The gradient is written out because that takes less time than torch's own through the chain of
operations: 0.8 instead of 1.1 ms at 64 × 16 × 64 on one thread (3.0 with torch.quantile). Shapes: N
batch, T tokens.
"""

import torch
from torch import Tensor, nn
from torch.autograd import Function

from workloads.autograd import in_float32, refuse_second_derivative, without_autocast
from workloads.norms._centre import CentreContext, RunningCentre, add_centre_gradient_, find_centre
from workloads.norms._quantile_layer_small import SmallLayerNorm, is_small

__all__ = ["QuantileLayerNorm"]


class QuantileLayerNorm(nn.Module):
    """(x − c) / √(v + eps) · g + b, one c a token position, v each token's own around c."""

    def __init__(
        self,
        features: int,
        *,
        length: int,
        q: float,
        freeze_after: int | None = None,
        eps: float = 1e-5,
    ) -> None:
        """Builds the norm.

        Args:
            features: Width of a token.
            length: Tokens of every input, since each position has its own centre.
            q: Quantile over the channels of a token, 0 to 1.
            freeze_after: Updates after which c stands still; None: never.
            eps: Added to v.
        """
        super().__init__()
        self.length = length
        self.q = q
        self.eps = eps
        self.centre = RunningCentre(length, freeze_after=freeze_after)
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, tokens, channels) to the same shape.

        Raises:
            ValueError: The number of tokens is not the length it was built for.
        """
        if x.dim() != 3 or x.shape[1] != self.length:
            raise ValueError(
                f"quantile_layernorm: needs (batch, {self.length} tokens, channels),"
                f" got {tuple(x.shape)}. Its centres belong to positions: keep the length."
            )
        x = in_float32(x)
        if is_small(x):
            small: Tensor = SmallLayerNorm.apply(  # type: ignore[no-untyped-call]
                x, self.weight, self.bias, self.centre, self.q, self.eps
            )
            return small
        stored = self.centre.stored()
        with without_autocast(x):
            y, centre = _CentredLayerNorm.apply(  # type: ignore[no-untyped-call]
                x, self.weight, self.bias, stored, self.q, self.eps
            )
        if stored is None:
            self.centre.update(centre)
        out: Tensor = y
        return out


class _CentredLayerNorm(Function):
    """Layer norm around a centre a position; returns also the centre, without gradient."""

    @staticmethod
    def forward(
        ctx: CentreContext,
        x: Tensor,
        gain: Tensor,
        bias: Tensor,
        stored: Tensor | None,
        q: float,
        eps: float,
    ) -> tuple[Tensor, Tensor]:
        centre, found = find_centre(ctx, x, q, stored)
        y = x - centre.unsqueeze(-1)
        rate = (torch.linalg.vecdot(y, y) / x.shape[-1] + eps).rsqrt_().unsqueeze(-1)
        ctx.save_for_backward(x, gain, bias, centre, rate, *found)
        ctx.mark_non_differentiable(centre)
        return torch.addcmul(bias, y.mul_(rate), gain), centre

    @staticmethod
    def backward(ctx: CentreContext, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        refuse_second_derivative("quantile_layernorm")
        x, gain, bias, centre, rate, *found = ctx.saved_tensors
        # Given the centre in place of the mean, torch's gradient r·(γ∂y − mean γ∂y − …) is ours
        # but for its second term, which the mean owes to x.
        centre_NT1 = centre.expand(len(x), -1).unsqueeze(-1).contiguous()
        dx, dgain, dbias = torch.ops.aten.native_layer_norm_backward(
            grad.contiguous(),
            x.contiguous(),
            [x.shape[-1]],
            centre_NT1,
            rate,
            gain,
            bias,
            [True, True, True],
        )
        with without_autocast(grad):
            dx.add_(rate * (grad @ gain).unsqueeze(-1) / x.shape[-1])
        add_centre_gradient_(ctx, dx, found, (0, 2))
        return dx, dgain, dbias, None, None, None
