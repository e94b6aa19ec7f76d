"""AdamW: Adam with weight decay apart from the gradient. Never knows the model.

Source: Loshchilov and Hutter, arXiv 1711.05101. Only matrices and filters decay.
"""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field
from torch import nn, optim

from workloads.optimizers import Optimizer, decayed, fused

__all__ = ["Config"]

_Beta = Annotated[float, Field(ge=0, lt=1)]


class Config(Optimizer):
    """AdamW in one fused kernel."""

    learning_rate: float = Field(default=2e-3, gt=0, description="full rate, per update")
    betas: Annotated[
        tuple[_Beta, _Beta],
        Field(strict=False, description="decay of the two running moments, each in [0, 1)"),
    ] = (0.9, 0.999)
    epsilon: float = Field(default=1e-8, gt=0, description="added to the root of the 2nd moment")
    weight_decay: float = Field(default=0.01, ge=0, description="times the rate, per update")

    def build(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> optim.AdamW:
        """Returns torch's AdamW."""
        groups = decayed(parameters, weight_decay=self.weight_decay)
        return optim.AdamW(
            groups,
            lr=self.learning_rate,
            betas=self.betas,
            eps=self.epsilon,
            fused=fused(groups),
        )
