"""Vision transformer: patches, learned position, pre-norm blocks, mean or class token, linear.

Must never know the task it is trained on, nor any particular activation or norm.

Block: x ← x + attention(norm₁(x)); x ← x + down(act(up(norm₂(x)))), up to mlp_ratio·width features.
A last norm, then the mean over the tokens or the class token, then linear. Source: arXiv
2010.11929, eq. 1 to 4; mean pooling as in arXiv 2205.01580. With `patch: 16, width: 768, depth:
12, heads: 12, pool: class_token` it is ViT-B/16.
"""

from typing import ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from workloads.activations import Activation
from workloads.models import Data, Model
from workloads.models._blocks import FeedForward, SelfAttention, check_heads, norms_by_site
from workloads.norms import Layout, Norm

__all__ = ["Config", "VisionTransformer"]


class Config(Model):
    """Sites are the activations of the feed-forward blocks.

    A norm with `site: pre_activation` replaces the one before each feed-forward block only.
    """

    takes: ClassVar[tuple[Data, ...]] = ("image",)
    default_norm: ClassVar[str] = "layernorm"
    layouts: ClassVar[tuple[Layout, ...]] = ("channels_last",)

    patch: int = Field(default=7, ge=1, le=1024, description="side of a patch, pixels")
    width: int = Field(default=64, ge=1, le=65_536, description="features of a token")
    depth: int = Field(default=3, ge=1, le=256, description="number of blocks")
    heads: int = Field(default=4, ge=1, le=256, description="attention heads; divides width")
    mlp_ratio: int = Field(default=4, ge=1, le=64, description="hidden features per width")
    pool: Literal["mean", "class_token"] = Field(
        default="mean",
        description="what the classifier reads: mean of the tokens, or one of its own",
    )

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        check_heads(self.width, self.heads)
        return self

    def fits(self, inputs: tuple[int, ...], outputs: int) -> None:
        """Raises ValueError where patches do not tile the image."""
        if inputs[1] % self.patch or inputs[2] % self.patch:
            raise ValueError(
                f"patch divides height and width, got patch {self.patch} and {inputs[1]} ×"
                f" {inputs[2]}. Take another patch."
            )

    def build(
        self, *, inputs: tuple[int, ...], outputs: int, activation: Activation, norm: Norm
    ) -> nn.Module:
        """Returns the network from (batch, channels, height, width) to (batch, outputs).

        Raises:
            ValueError: Patches do not tile the image.
        """
        self.fits(inputs, outputs)
        return VisionTransformer(
            self, inputs=inputs, outputs=outputs, activation=activation, norm=norm
        )


class Block(nn.Module):
    """Attention and feed-forward, each on a normed copy and added."""

    def __init__(
        self, config: Config, *, length: int, activation: Activation, norms: tuple[Norm, Norm]
    ) -> None:
        """Args: length: tokens. norms: the one that feeds the activation, the one elsewhere."""
        super().__init__()
        width, hidden = config.width, config.mlp_ratio * config.width
        self.norm1 = norms[1].build(width, length=length)
        self.attention = SelfAttention(width, heads=config.heads, bias=True, rotary=None)
        self.norm2 = norms[0].build(width, length=length)
        self.mlp = FeedForward(width, hidden=hidden, bias=True, act=activation.build())

    def forward(self, x_BTD: Tensor) -> Tensor:
        """(batch, tokens, width) to the same shape."""
        x_BTD = x_BTD + self.attention(self.norm1(x_BTD))
        y_BTD: Tensor = x_BTD + self.mlp(self.norm2(x_BTD))
        return y_BTD


class VisionTransformer(nn.Module):
    """The network; `sites` holds its feed-forward activations in forward order."""

    def __init__(
        self,
        config: Config,
        *,
        inputs: tuple[int, ...],
        outputs: int,
        activation: Activation,
        norm: Norm,
    ) -> None:
        """Args: inputs: (channels, height, width). outputs: classes. The rest as in `build`."""
        super().__init__()
        channels, height, width = inputs
        self.patch = config.patch
        has_class = config.pool == "class_token"
        length = (height // self.patch) * (width // self.patch) + has_class
        norms = norms_by_site(norm, default=config.default_norm)
        self.embed = nn.Linear(channels * self.patch**2, config.width)
        self.position = nn.Parameter(torch.empty(length, config.width))
        self.class_token = nn.Parameter(torch.empty(1, config.width)) if has_class else None
        self.blocks = nn.Sequential(
            *(
                Block(config, length=length, activation=activation, norms=norms)
                for _ in range(config.depth)
            )
        )
        self.norm = norms[1].build(config.width, length=length)
        self.head = nn.Linear(config.width, outputs)
        self.sites: dict[str, nn.Module] = {
            name: module for name, module in self.named_modules() if name.endswith(".mlp.act")
        }
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.position, std=0.02)
        if self.class_token is not None:
            nn.init.normal_(self.class_token, std=0.02)

    def _patches(self, x_BCYX: Tensor) -> Tensor:
        """(batch, channels, height, width) to (batch, patches, channels·patch²)."""
        batch, channels, height, width = x_BCYX.shape
        p = self.patch
        tiles = x_BCYX.reshape(batch, channels, height // p, p, width // p, p)
        return tiles.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, channels * p * p)

    def forward(self, x_BCYX: Tensor) -> Tensor:
        """(batch, channels, height, width) float to logits (batch, outputs)."""
        x_BTD = self.embed(self._patches(x_BCYX))
        if self.class_token is not None:
            first = self.class_token.expand(x_BTD.shape[0], 1, -1)
            x_BTD = torch.cat((first, x_BTD), dim=1)
        x_BTD = self.norm(self.blocks(x_BTD + self.position))
        pooled_BD = x_BTD.mean(dim=1) if self.class_token is None else x_BTD[:, 0]
        logits: Tensor = self.head(pooled_BD)
        return logits
