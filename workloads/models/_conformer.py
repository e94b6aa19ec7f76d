"""The conformer, a transformer augmented by convolution, over one axis of a plane of tokens.

Must never know which model uses it, nor any particular activation or norm.

x ← x + ½ feed(x); x ← x + attention(norm(x)); x ← x + convolution(x); x ← x + ½ feed(x);
x ← norm(x).
Source: arXiv 2005.08100, section 2, with the widths of CMGAN (arXiv 2203.15149), without relative
position.

Shapes: B batch, N independent sequences, L tokens of each, C channels. The plane is kept whole
rather than folded into the batch, so that an activation ranks all entries of a sample together.
"""

from torch import Tensor, nn
from torch.nn import functional

from workloads.activations import Activation
from workloads.models._blocks import SelfAttention
from workloads.norms import Norm

__all__ = ["Conformer"]


class Feed(nn.Module):
    """norm → ×4 → act → ÷4; `act` is a site."""

    def __init__(self, channels: int, *, act: nn.Module, dropout: float) -> None:
        """Args: channels: in and out. act: on four times as many. dropout: after both maps."""
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.up = nn.Linear(channels, 4 * channels)
        self.act = act
        self.down = nn.Linear(4 * channels, channels)
        self.dropout = dropout

    def forward(self, x_BNLC: Tensor) -> Tensor:
        """(batch, sequences, tokens, channels) to the same shape."""
        y = self.act(self.up(self.norm(x_BNLC)))
        y = functional.dropout(y, self.dropout, self.training)
        return functional.dropout(self.down(y), self.dropout, self.training)


class Convolution(nn.Module):
    """norm → ×4 → gate, which halves → convolution of each channel → norm → act → ÷2."""

    def __init__(
        self, channels: int, *, kernel: int, norm: Norm, act: nn.Module, dropout: float
    ) -> None:
        """Args: kernel: odd, in tokens. norm: of (batch, channels, ...), feeds `act`, a site."""
        super().__init__()
        inner = 2 * channels
        self.norm = nn.LayerNorm(channels)
        self.up = nn.Linear(channels, 2 * inner)
        self.mix = nn.Conv2d(inner, inner, (1, kernel), padding=(0, kernel // 2), groups=inner)
        self.inner_norm = norm.build(inner)
        self.act = act
        self.down = nn.Conv2d(inner, channels, 1)
        self.dropout = dropout

    def forward(self, x_BNLC: Tensor) -> Tensor:
        """(batch, sequences, tokens, channels) to the same shape."""
        y_BCNL = functional.glu(self.up(self.norm(x_BNLC)), dim=-1).permute(0, 3, 1, 2)
        y_BCNL = self.down(self.act(self.inner_norm(self.mix(y_BCNL))))
        return functional.dropout(y_BCNL.permute(0, 2, 3, 1), self.dropout, self.training)


class Conformer(nn.Module):
    """One block; its sites are `feed1.act`, `convolution.act` and `feed2.act`, in this order."""

    def __init__(
        self,
        channels: int,
        *,
        heads: int,
        kernel: int,
        dropout: float,
        norm: Norm,
        activation: Activation,
    ) -> None:
        """Builds one block.

        Args:
            channels: A multiple of `heads`.
            heads: Attention heads.
            kernel: Tokens that the convolution sees, odd.
            dropout: Share of features dropped in training.
            norm: Of (batch, channels, ...), for the one that feeds the convolution's activation.
            activation: Built three times.
        """
        super().__init__()
        self.feed1 = Feed(channels, act=activation.build(), dropout=dropout)
        self.norm = nn.LayerNorm(channels)
        self.attention = SelfAttention(channels, heads=heads, bias=True, rotary=None)
        self.convolution = Convolution(
            channels, kernel=kernel, norm=norm, act=activation.build(), dropout=dropout
        )
        self.feed2 = Feed(channels, act=activation.build(), dropout=dropout)
        self.last_norm = nn.LayerNorm(channels)
        self.dropout = dropout

    def forward(self, x_BNLC: Tensor) -> Tensor:
        """(batch, sequences, tokens, channels) to the same shape."""
        x_BNLC = x_BNLC + self.feed1(x_BNLC) / 2
        seen = self.attention(self.norm(x_BNLC).flatten(0, 1)).view_as(x_BNLC)
        x_BNLC = x_BNLC + functional.dropout(seen, self.dropout, self.training)
        x_BNLC = x_BNLC + self.convolution(x_BNLC)
        x_BNLC = x_BNLC + self.feed2(x_BNLC) / 2
        y: Tensor = self.last_norm(x_BNLC)
        return y
