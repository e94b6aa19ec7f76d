"""MP-SENet: enhances the magnitude and the phase of a noisy spectrum in parallel.

Must never know the task it is trained on, nor any particular activation or norm.

Encoder: a 1×1 stage, a dilated dense block, a stage that halves the bins. Then blocks of one
conformer along time and one along frequency, each added to its input. The magnitude decoder gives a
mask, β·σ(a_f·x) with a learnt slope a_f for each bin, times the noisy magnitude; the phase decoder
two parallel maps, real r and imaginary i, whose angle atan2(i, r) is the phase; with `phase:
residual`, which is ours, that of r + cos φ and i + sin φ with the noisy phase φ: training then
starts near φ instead of nowhere, without which a few hundred steps come to nothing. A stage is
convolution, norm, activation; layer k of a dense block sees all earlier ones through a 3×3
convolution dilated by 2^k along time. Source: arXiv 2305.13686, section 2.2, and its authors' first
public code. `channels: 64, blocks: 4, dense_layers: 4, heads: 4, kernel: 31, dropout: 0.2, phase:
absolute` has its 2.05 M parameters on 201 bins; the defaults are at laptop scale.

The published stages end in PReLU and the conformers use SiLU; here one activation stands at all of
them. The mask's own last stage has a single channel and keeps its PReLU: a mask that is cut to zero
there cannot be told apart bin by bin.

Shapes: B batch, C channels, T frames, F bins.
"""

from typing import ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from workloads.activations import Activation
from workloads.kinds import load
from workloads.models import Data, Model
from workloads.models._blocks import check_heads
from workloads.models._conformer import Conformer
from workloads.norms import Layout, Norm

__all__ = ["Config", "MPSENet"]


class Config(Model):
    """Sites are the activations of all stages and conformers.

    A norm other than the default replaces that of all stages and the batch norm of the conformers'
    convolutions. Each of them feeds an activation, so `site` makes no difference. Layer norms stay.
    """

    takes: ClassVar[tuple[Data, ...]] = ("spectrum",)
    default_norm: ClassVar[str] = "instancenorm"
    layouts: ClassVar[tuple[Layout, ...]] = ("channels_first",)

    channels: int = Field(default=8, ge=1, le=4096, description="of all feature maps")
    blocks: int = Field(default=1, ge=1, le=64, description="pairs of conformers")
    dense_layers: int = Field(default=3, ge=1, le=10, description="layers of a dense block")
    heads: int = Field(default=2, ge=1, le=256, description="attention heads; divides channels")
    kernel: int = Field(default=15, ge=1, le=1023, description="tokens a convolution sees; odd")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="share dropped in conformers")
    phase: Literal["absolute", "residual"] = Field(
        default="residual", description="whether the phase is found anew or from the noisy one"
    )
    mask_limit: float = Field(default=2.0, gt=0, description="β, the largest value of the mask")

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        check_heads(self.channels, self.heads, field="channels")
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel is odd, got {self.kernel}. Take {self.kernel + 1}.")
        return self

    def fits(self, inputs: tuple[int, ...], outputs: int) -> None:
        """Raises ValueError where the bins cannot be halved and doubled again."""
        if inputs[2] % 2 == 0 or inputs[2] < 3:
            raise ValueError(
                f"mp_senet needs an odd number of bins from 3, got {inputs[2]}."
                " Take a window that is a multiple of 4."
            )

    def build(
        self, *, inputs: tuple[int, ...], outputs: int, activation: Activation, norm: Norm
    ) -> nn.Module:
        """Returns the network from (batch, 2, frames, bins) to the same shape.

        Raises:
            ValueError: The number of bins does not fit.
        """
        self.fits(inputs, outputs)
        return MPSENet(self, bins=inputs[2], activation=activation, norm=norm)


class Stage(nn.Module):
    """Convolution, norm, activation; `act` is a site."""

    def __init__(
        self, conv: nn.Module, channels: int, *, activation: Activation, norm: Norm
    ) -> None:
        """Args: conv: what the stage begins with. channels: that come out of it."""
        super().__init__()
        self.conv = conv
        self.norm = norm.build(channels)
        self.act = activation.build()

    def forward(self, x_BCTF: Tensor) -> Tensor:
        """(batch, any, frames, bins) to (batch, channels, frames, as `conv` gives)."""
        y: Tensor = self.act(self.norm(self.conv(x_BCTF)))
        return y


class DenseBlock(nn.Module):
    """Dilated layers, each of which sees the block's input and all layers before it."""

    def __init__(self, channels: int, *, layers: int, activation: Activation, norm: Norm) -> None:
        """Args: channels: in and out. layers: at least 1; layer k is dilated by 2^k in time."""
        super().__init__()
        self.layers = nn.ModuleList(
            Stage(
                nn.Conv2d((k + 1) * channels, channels, 3, dilation=(2**k, 1), padding=(2**k, 1)),
                channels,
                activation=activation,
                norm=norm,
            )
            for k in range(layers)
        )

    def forward(self, x_BCTF: Tensor) -> Tensor:
        """(batch, channels, frames, bins) to the same shape."""
        seen, y_BCTF = x_BCTF, x_BCTF
        for layer in self.layers:
            y_BCTF = layer(seen)
            seen = torch.cat((y_BCTF, seen), dim=1)
        return y_BCTF


class Encoder(nn.Module):
    """From magnitude and phase to feature maps with half the bins."""

    def __init__(self, config: Config, *, activation: Activation, norm: Norm) -> None:
        """Args: as in `Config.build`."""
        super().__init__()
        width = config.channels
        self.stem = Stage(nn.Conv2d(2, width, 1), width, activation=activation, norm=norm)
        self.dense = DenseBlock(width, layers=config.dense_layers, activation=activation, norm=norm)
        halve = nn.Conv2d(width, width, (1, 3), stride=(1, 2))
        self.down = Stage(halve, width, activation=activation, norm=norm)

    def forward(self, x_BCTF: Tensor) -> Tensor:
        """(batch, 2, frames, bins) to (batch, channels, frames, (bins - 1) / 2)."""
        y_BCTF: Tensor = self.down(self.dense(self.stem(x_BCTF)))
        return y_BCTF


class Block(nn.Module):
    """A conformer along time, then one along frequency."""

    def __init__(self, config: Config, *, activation: Activation, norm: Norm) -> None:
        """Args: as in `Config.build`, the norm being that of the conformers' convolutions."""
        super().__init__()
        self.time, self.frequency = (
            Conformer(
                config.channels,
                heads=config.heads,
                kernel=config.kernel,
                dropout=config.dropout,
                norm=norm,
                activation=activation,
            )
            for _ in range(2)
        )

    def forward(self, x_BCTF: Tensor) -> Tensor:
        """(batch, channels, frames, bins) to the same shape."""
        x_BFTC = x_BCTF.permute(0, 3, 2, 1)
        x_BTFC = (x_BFTC + self.time(x_BFTC)).transpose(1, 2)
        y_BCTF: Tensor = (x_BTFC + self.frequency(x_BTFC)).permute(0, 3, 1, 2)
        return y_BCTF


class MaskDecoder(nn.Module):
    """From feature maps to the mask of the magnitude, in (0, β)."""

    def __init__(self, config: Config, *, bins: int, activation: Activation, norm: Norm) -> None:
        """Args: bins: of the spectrum. The rest as in `Config.build`."""
        super().__init__()
        width = config.channels
        self.dense = DenseBlock(width, layers=config.dense_layers, activation=activation, norm=norm)
        self.up = nn.ConvTranspose2d(width, width, (1, 3), stride=(1, 2))
        self.squeeze = nn.Conv2d(width, 1, 1, bias=False)  # the norm would take a bias away
        self.norm = nn.GroupNorm(1, 1)
        self.prelu = nn.PReLU()
        # A 1×1 convolution of one channel; kept as scalars, since one number has no spread and
        # would count as a weight tensor to whoever measures drift against it.
        last = nn.Linear(1, 1)
        self.scale, self.shift = nn.Parameter(last.weight.detach()[0]), last.bias
        self.slope = nn.Parameter(torch.ones(bins))
        self.limit = config.mask_limit

    def forward(self, x_BCTF: Tensor) -> Tensor:
        """(batch, channels, frames, (bins - 1) / 2) to (batch, frames, bins)."""
        y_BCTF = self.squeeze(self.up(self.dense(x_BCTF)))
        y_BTF = self.prelu(self.norm(y_BCTF)).squeeze(1)
        return self.limit * torch.sigmoid(self.slope * (self.scale * y_BTF + self.shift))


class PhaseDecoder(nn.Module):
    """From feature maps, and with `residual` the noisy phase, to the phase in [-π, π]."""

    def __init__(self, config: Config, *, activation: Activation, norm: Norm) -> None:
        """Args: as in `Config.build`."""
        super().__init__()
        width = config.channels
        self.dense = DenseBlock(width, layers=config.dense_layers, activation=activation, norm=norm)
        double = nn.ConvTranspose2d(width, width, (1, 3), stride=(1, 2))
        self.up = Stage(double, width, activation=activation, norm=norm)
        self.real, self.imaginary = nn.Conv2d(width, 1, 1), nn.Conv2d(width, 1, 1)
        self.residual = config.phase == "residual"
        if self.residual:
            for parameter in (*self.real.parameters(), *self.imaginary.parameters()):
                nn.init.normal_(parameter, std=0.01)

    def forward(self, x_BCTF: Tensor, phase_BTF: Tensor) -> Tensor:
        """(batch, channels, frames, (bins - 1) / 2) and the noisy phase to its shape."""
        y_BCTF = self.up(self.dense(x_BCTF))
        real, imaginary = self.real(y_BCTF).squeeze(1), self.imaginary(y_BCTF).squeeze(1)
        if self.residual:
            real, imaginary = real + phase_BTF.cos(), imaginary + phase_BTF.sin()
        return torch.atan2(imaginary, real)


class MPSENet(nn.Module):
    """The network; `sites` holds its activations in forward order."""

    def __init__(self, config: Config, *, bins: int, activation: Activation, norm: Norm) -> None:
        """Args: bins: odd. The rest as in `Config.build`."""
        super().__init__()
        inner = load("workloads.norms", "batchnorm")() if norm.kind == config.default_norm else norm
        assert isinstance(inner, Norm)
        self.encoder = Encoder(config, activation=activation, norm=norm)
        self.blocks = nn.Sequential(
            *(Block(config, activation=activation, norm=inner) for _ in range(config.blocks))
        )
        self.mask = MaskDecoder(config, bins=bins, activation=activation, norm=norm)
        self.phase = PhaseDecoder(config, activation=activation, norm=norm)
        self.sites: dict[str, nn.Module] = {
            name: module for name, module in self.named_modules() if name.endswith(".act")
        }

    def forward(self, x_BCTF: Tensor) -> Tensor:
        """(batch, 2, frames, bins), magnitude and phase, to the enhanced ones of that shape."""
        y_BCTF = self.blocks(self.encoder(x_BCTF))
        magnitude_BTF, phase_BTF = x_BCTF.unbind(1)
        enhanced = (magnitude_BTF * self.mask(y_BCTF), self.phase(y_BCTF, phase_BTF))
        return torch.stack(enhanced, dim=1)
