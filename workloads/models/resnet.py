"""ResNet for small images: 3×3 stem, post-activation basic blocks, global average, linear.

Must never know the task it is trained on, nor any particular activation or norm.

Basic block: y = act₂(norm₂(conv₂(act₁(norm₁(conv₁(x))))) + shortcut(x)), the shortcut being x, or
norm(conv_{1×1}(x)) where the shape changes. Stage s has width·2^s channels and, from the second
on, halves height and width. Source: arXiv 1512.03385, sections 3.3 and 4.2 (projection shortcuts),
weights as in arXiv 1502.01852. Convolutions have no bias. The defaults are at laptop scale;
`stem_stride: 1, width: 64, depths: [2, 2, 2, 2]` is the ResNet-18 used on CIFAR.
"""

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from workloads.activations import Activation
from workloads.models import Data, Model
from workloads.models._blocks import norms_by_site
from workloads.norms import Layout, Norm

__all__ = ["Config", "ResNet"]


class Config(Model):
    """Every activation is a site: the stem's and two in each block.

    A norm with `site: pre_activation` replaces those that feed an activation directly, which are
    the stem's and the first of each block: after a second norm the shortcut is still added.
    """

    takes: ClassVar[tuple[Data, ...]] = ("image",)
    default_norm: ClassVar[str] = "batchnorm"
    layouts: ClassVar[tuple[Layout, ...]] = ("channels_first",)

    width: int = Field(default=16, ge=1, le=4096, description="channels of the first stage")
    stem_stride: Literal[1, 2] = Field(
        default=2, description="step of the stem; 2 halves height and width from the start"
    )
    depths: Annotated[tuple[Annotated[int, Field(ge=1, le=256)], ...], Field(strict=False)] = Field(
        default=(1, 1, 1), min_length=1, max_length=8, description="blocks of each stage"
    )

    def build(
        self, *, inputs: tuple[int, ...], outputs: int, activation: Activation, norm: Norm
    ) -> nn.Module:
        """Returns the network from (batch, channels, height, width) to (batch, outputs)."""
        return ResNet(self, channels=inputs[0], outputs=outputs, activation=activation, norm=norm)


def _conv(channels_in: int, channels_out: int, *, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(
        channels_in, channels_out, kernel, stride=stride, padding=kernel // 2, bias=False
    )


def _initialise(conv: nn.Conv2d) -> None:
    """Draws the weights, in channels-last memory: what flows through follows them, which takes a
    fifth off a step on a CPU.

    Only a new tensor will do: with a single input channel the old one counts as channels-last
    already, and is then read as the other layout.
    """
    weight = torch.empty_like(conv.weight, memory_format=torch.channels_last)
    nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
    conv.weight = nn.Parameter(weight)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut, as the file's opening says."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        stride: int,
        activation: Activation,
        norms: tuple[Norm, Norm],
    ) -> None:
        """Builds one block.

        Args:
            channels_in: Channels that come in.
            channels_out: Channels that go out.
            stride: Of the first convolution and of the shortcut; 2 halves height and width.
            activation: Built twice.
            norms: The one that feeds an activation, the one elsewhere.
        """
        super().__init__()
        before, elsewhere = norms
        self.conv1 = _conv(channels_in, channels_out, kernel=3, stride=stride)
        self.norm1 = before.build(channels_out)
        self.act1 = activation.build()
        self.conv2 = _conv(channels_out, channels_out, kernel=3)
        self.norm2 = elsewhere.build(channels_out)
        self.act2 = activation.build()
        self.shortcut = nn.Sequential()
        if stride != 1 or channels_in != channels_out:
            self.shortcut.append(_conv(channels_in, channels_out, kernel=1, stride=stride))
            self.shortcut.append(elsewhere.build(channels_out))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels_in, height, width) to (batch, channels_out, height/s, width/s)."""
        y = self.act1(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y)) + self.shortcut(x)
        out: Tensor = self.act2(y)
        return out


class ResNet(nn.Module):
    """The network; `sites` holds its activations in forward order."""

    def __init__(
        self, config: Config, *, channels: int, outputs: int, activation: Activation, norm: Norm
    ) -> None:
        """Args: channels: of the image. outputs: classes. The rest as in `Config.build`."""
        super().__init__()
        norms = norms_by_site(norm, default=config.default_norm)
        self.stem = _conv(channels, config.width, kernel=3, stride=config.stem_stride)
        self.stem_norm = norms[0].build(config.width)
        self.act = activation.build()
        self.blocks = nn.Sequential()
        self.sites: dict[str, nn.Module] = {"act": self.act}
        width_in = config.width
        for stage, depth in enumerate(config.depths):
            for index in range(depth):
                width_out = config.width * 2**stage
                stride = 2 if stage and not index else 1
                block = BasicBlock(
                    width_in, width_out, stride=stride, activation=activation, norms=norms
                )
                name = f"blocks.{len(self.blocks)}"
                self.sites |= {f"{name}.act1": block.act1, f"{name}.act2": block.act2}
                self.blocks.append(block)
                width_in = width_out
        self.head = nn.Linear(width_in, outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                _initialise(module)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) float to logits (batch, outputs)."""
        x = self.blocks(self.act(self.stem_norm(self.stem(x))))
        # Unlike that of a mean, its gradient keeps the memory layout.
        x = functional.avg_pool2d(x, x.shape[2:]).flatten(1)
        logits: Tensor = self.head(x)
        return logits
