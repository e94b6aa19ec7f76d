"""Noisy ReLU: ReLU with noise where it is flat, in training only; any shape to the same shape.

Must never know the model it stands in.

Evaluation: max(0, x). Training: max(0, x) + [x < 0] · c·(σ(p·|x|) − ½)²·|ε|, with ε ~ N(0, 1) per
entry, the learnable scalar p (`slope`) and c (`noise`); gradients reach x and p through the noise.
Source: arXiv 1603.00391, section 3. Computed as c/4 · tanh²(p·x/2) · |ε|, which is the same since
σ(z) − ½ = tanh(z/2)/2 and the square is even. The paper draws p from N(0, 1); here it starts at
`slope` so that cells differ in one thing only. Their first code masks the noise off just where it
should act: `form: authors_code` is that, a plain ReLU without p.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from workloads.activations import Activation

__all__ = ["Config"]


class Config(Activation):
    """Noise that reopens dead units; each site learns its own p."""

    slope: float = Field(default=1.0, description="initial p, per unit of x")
    noise: float = Field(default=1.0, ge=0, description="c, scale of the noise; 0 is ReLU")
    form: Literal["paper", "authors_code"] = Field(
        default="paper",
        description="the paper's, or with the noise masked off as in its authors' first code",
        json_schema_extra={"since": 2},
    )

    def build(self, *, causal: bool = False) -> nn.Module:
        """Returns the module; position-wise, so `causal` changes nothing."""
        if self.form == "authors_code":
            return nn.ReLU()
        return NoisyReLU(slope=self.slope, noise=self.noise)


class NoisyReLU(nn.Module):
    """The formula above, drawing from torch's global generator."""

    def __init__(self, *, slope: float, noise: float) -> None:
        """Args: slope: initial p. noise: c."""
        super().__init__()
        self.noise = noise
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, ...) to the same shape."""
        if not self.training:
            return functional.relu(x)
        below = functional.relu(-x)
        noise = torch.tanh(below * (self.slope / 2)).square()
        return torch.addcmul(functional.relu(x), noise, self._scale(x))

    def _scale(self, x: Tensor) -> Tensor:
        """Returns |ε|·c/4, drawn in the memory order of x: in another it takes 9 times as long."""
        strides = torch.empty_like(x).stride()
        epsilon = torch.randn(x.numel(), dtype=x.dtype, device=x.device)
        return epsilon.abs_().mul_(self.noise / 4).as_strided(x.shape, strides)
