"""Parts that several models are built from: attention, feed-forward block, choice of norm.

Must never know which model uses them, nor any particular activation or norm.

Shapes: B batch, T tokens, D width, H heads, K width of one head, F hidden features.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from workloads.kinds import load
from workloads.norms import Norm

__all__ = ["FeedForward", "Rotary", "SelfAttention", "check_heads", "norms_by_site"]


def norms_by_site(norm: Norm, *, default: str) -> tuple[Norm, Norm]:
    """Returns the norm that stands before an activation, and the one for everywhere else.

    Args:
        norm: What the workload asks for; its `site` decides about "everywhere else".
        default: Kind of norm that the model has unless told otherwise.
    """
    if norm.site == "all":
        return norm, norm
    usual = load("workloads.norms", default)()
    assert isinstance(usual, Norm)
    return norm, usual


def check_heads(width: int, heads: int, *, rotary: bool = False, field: str = "width") -> None:
    """Raises ValueError where `heads` heads of one size do not make up `width`, a model's field."""
    if width % heads:
        raise ValueError(
            f"{field} is a multiple of heads, got {field} {width} and heads {heads}."
            f" Take {field} {heads * max(1, round(width / heads))}."
        )
    if rotary and width // heads % 2:
        raise ValueError(
            f"rotary position needs an even width per head, got {width} / {heads} ="
            f" {width // heads}. Take width {2 * heads * max(1, round(width / heads / 2))}."
        )


class Rotary(nn.Module):
    """Rotary position: turns each pair (x_{2i}, x_{2i+1}) by position · base^(−2i/K).

    Source: arXiv 2104.09864, eq. 34. The pair is one complex number, which on a CPU takes half the
    time of two real halves.
    """

    turn: Tensor

    def __init__(self, head_width: int, *, length: int, base: float = 10_000.0) -> None:
        """Args: head_width: K, even. length: most tokens ever seen. base: of the wavelengths."""
        super().__init__()
        exponent = torch.arange(0, head_width, 2, dtype=torch.float32) / head_width
        angle_TK = torch.outer(torch.arange(length, dtype=torch.float32), base**-exponent)
        turn = torch.polar(torch.ones_like(angle_TK), angle_TK).unsqueeze(1).unsqueeze(1)
        self.register_buffer("turn", torch.view_as_real(turn), persistent=False)

    def forward(self, x_BTNHK: Tensor) -> Tensor:
        """(batch, tokens, any, heads, head width) to the same shape, computed in float32.

        Raises:
            ValueError: There are more tokens than positions.
        """
        if x_BTNHK.shape[1] > len(self.turn):
            raise ValueError(
                f"rotary position: a sequence has at most the {len(self.turn)} tokens that the"
                f" model was built for, got {x_BTNHK.shape[1]}. Shorten it, or build a longer one."
            )
        pairs = torch.view_as_complex(x_BTNHK.float().view(*x_BTNHK.shape[:-1], -1, 2))
        turn = torch.view_as_complex(self.turn[: x_BTNHK.shape[1]].float())
        return torch.view_as_real(pairs * turn).flatten(-2).type_as(x_BTNHK)


class SelfAttention(nn.Module):
    """Multi-head attention of a sequence with itself: softmax(q kᵀ / √K) v, then a projection."""

    def __init__(
        self, width: int, *, heads: int, bias: bool, causal: bool = False, rotary: nn.Module | None
    ) -> None:
        """Builds the two projections.

        Args:
            width: A multiple of `heads`.
            heads: Number of heads.
            bias: Whether the projections have one.
            causal: Whether a token sees only itself and earlier ones.
            rotary: Applied to queries and keys; None: the model adds positions elsewhere.
        """
        super().__init__()
        self.heads = heads
        self.causal = causal
        self.rotary = rotary
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.out = nn.Linear(width, width, bias=bias)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """(batch, tokens, width) to the same shape."""
        batch, tokens, width = x_BTD.shape
        qkv = self.qkv(x_BTD).view(batch, tokens, 3, self.heads, width // self.heads)
        qk, v = qkv.split((2, 1), dim=2)
        if self.rotary is not None:
            qk = self.rotary(qk)
        q_BHTK, k_BHTK = qk.transpose(1, 3).unbind(2)
        v_BHTK = v.squeeze(2).transpose(1, 2)
        y_BHTK = functional.scaled_dot_product_attention(
            q_BHTK, k_BHTK, v_BHTK, is_causal=self.causal
        )
        y_BTD = y_BHTK.transpose(1, 2).reshape(batch, tokens, width)
        out: Tensor = self.out(y_BTD)
        return out


class FeedForward(nn.Module):
    """act(x W_up) W_down, without a gate; `act` is a site."""

    def __init__(self, width: int, *, hidden: int, bias: bool, act: nn.Module) -> None:
        """Args: width: in and out. hidden: features of `act`. bias: of both projections."""
        super().__init__()
        self.up = nn.Linear(width, hidden, bias=bias)
        self.act = act
        self.down = nn.Linear(hidden, width, bias=bias)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """(batch, tokens, width) to the same shape."""
        y_BTD: Tensor = self.down(self.act(self.up(x_BTD)))
        return y_BTD
