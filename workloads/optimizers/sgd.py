"""Stochastic gradient descent with momentum: v = m·v + g, w = w - rate·v. Never knows the model.

With `nesterov` the step is along g + m·v. Weight decay is added to the gradient of matrices and
filters.
"""

from collections.abc import Iterable

from pydantic import Field, model_validator
from torch import nn, optim

from workloads.kinds import refusal
from workloads.optimizers import Optimizer, decayed, fused

__all__ = ["Config"]


class Config(Optimizer):
    """SGD in one fused kernel."""

    learning_rate: float = Field(default=0.1, gt=0, description="full rate, per update")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="decay of the velocity")
    nesterov: bool = Field(default=False, description="look ahead along the velocity")
    weight_decay: float = Field(default=0.0, ge=0, description="added to the gradient, times w")

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> "Config":
        if self.nesterov and self.momentum == 0:
            message = "nesterov needs momentum > 0, got 0. Set momentum, or nesterov: false."
            raise refusal(("nesterov",), message, True)
        return self

    def build(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> optim.SGD:
        """Returns torch's SGD."""
        groups = decayed(parameters, weight_decay=self.weight_decay)
        return optim.SGD(
            groups,
            lr=self.learning_rate,
            momentum=self.momentum,
            nesterov=self.nesterov,
            fused=fused(groups),
        )
