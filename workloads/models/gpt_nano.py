"""GPT-nano: pre-norm causal transformer with rotary position and a tied embedding.

Must never know the task it is trained on, nor any particular activation or norm.

Block: x ← x + attention(norm₁(x)) / √(2·layers); x ← x + down(act(up(norm₂(x)))), up to 4·width
features, no gate. A last norm; logits = x Eᵀ with the embedding E. No biases. Rotary base 10 000.
Source: section "GPT-nano" of arXiv 2605.17659 and its authors' public code. The defaults are at
laptop scale; with `layers: 12, heads: 12, width: 768` and a vocabulary of 50 257 it has 124 M
parameters. The embedding starts as N(0, 0.02²), a choice of ours.
"""

from typing import ClassVar, Self

from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from workloads.activations import Activation
from workloads.models import Data, Model
from workloads.models._blocks import (
    FeedForward,
    Rotary,
    SelfAttention,
    check_heads,
    norms_by_site,
)
from workloads.norms import Layout, Norm

__all__ = ["Config", "GPTNano"]


class Config(Model):
    """Sites are the activations of the feed-forward blocks, built with `causal=True`.

    A norm with `site: pre_activation` replaces the one before each feed-forward block only.
    """

    takes: ClassVar[tuple[Data, ...]] = ("tokens",)
    default_norm: ClassVar[str] = "rmsnorm"
    layouts: ClassVar[tuple[Layout, ...]] = ("channels_last",)
    causal: ClassVar[bool] = True

    layers: int = Field(default=3, ge=1, le=256, description="number of blocks")
    heads: int = Field(default=2, ge=1, le=256, description="attention heads; divides width")
    width: int = Field(default=64, ge=2, le=65_536, description="features of a token")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        check_heads(self.width, self.heads, rotary=True)
        return self

    def build(
        self, *, inputs: tuple[int, ...], outputs: int, activation: Activation, norm: Norm
    ) -> nn.Module:
        """Returns the network from (batch, length) to (batch, length, outputs)."""
        return GPTNano(self, length=inputs[0], outputs=outputs, activation=activation, norm=norm)


class Block(nn.Module):
    """Attention and feed-forward, each on a normed copy and added."""

    def __init__(
        self, config: Config, *, length: int, activation: Activation, norms: tuple[Norm, Norm]
    ) -> None:
        """Args: length: tokens. norms: the one that feeds the activation, the one elsewhere."""
        super().__init__()
        width, heads = config.width, config.heads
        self.attention_scale = (2 * config.layers) ** -0.5
        self.norm1 = norms[1].build(width, length=length)
        rotary = Rotary(width // heads, length=length)
        self.attention = SelfAttention(width, heads=heads, bias=False, causal=True, rotary=rotary)
        self.norm2 = norms[0].build(width, length=length)
        act = activation.build(causal=True)
        self.mlp = FeedForward(width, hidden=4 * width, bias=False, act=act)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """(batch, tokens, width) to the same shape."""
        x_BTD = x_BTD + self.attention_scale * self.attention(self.norm1(x_BTD))
        y_BTD: Tensor = x_BTD + self.mlp(self.norm2(x_BTD))
        return y_BTD


class GPTNano(nn.Module):
    """The network; `sites` holds its feed-forward activations in forward order."""

    def __init__(
        self, config: Config, *, length: int, outputs: int, activation: Activation, norm: Norm
    ) -> None:
        """Args: length: most tokens. outputs: vocabulary. The rest as in `Config.build`."""
        super().__init__()
        norms = norms_by_site(norm, default=config.default_norm)
        self.embed = nn.Embedding(outputs, config.width)
        self.blocks = nn.Sequential(
            *(
                Block(config, length=length, activation=activation, norms=norms)
                for _ in range(config.layers)
            )
        )
        self.norm = norms[1].build(config.width, length=length)
        self.sites: dict[str, nn.Module] = {
            name: module for name, module in self.named_modules() if name.endswith(".mlp.act")
        }
        nn.init.normal_(self.embed.weight, std=0.02)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """(batch, length) int64 to logits (batch, length, vocabulary)."""
        x_BTD = self.norm(self.blocks(self.embed(tokens_BT)))
        return functional.linear(x_BTD, self.embed.weight)
