"""ReLUfication: GELU for the first updates, ReLU from then on; any shape to the same shape.

Must never know the model it stands in.

x · Φ(x) until the module has seen `after` training passes, max(0, x) afterwards, in training and
evaluation alike. What ReLUfication does to a trained model (arXiv 2310.04564, section 4) within one
training. A pass is one forward in training mode, which is an update unless gradients accumulate.
"""

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from workloads.activations import Activation

__all__ = ["Config"]


class Config(Activation):
    """Trained dense, then made sparse."""

    after: int = Field(ge=0, description="training passes with GELU", examples=[0, 1000])

    def build(self, *, causal: bool = False) -> nn.Module:
        """Returns the module; position-wise, so `causal` changes nothing."""
        return Relufied(after=self.after)


class Relufied(nn.Module):
    """GELU, then ReLU."""

    def __init__(self, *, after: int) -> None:
        """Args: after: training passes with GELU, 0 or more."""
        super().__init__()
        self.after = after
        self.passes = 0  # a number of Python's, so that asking it never waits for a GPU

    def forward(self, x: Tensor) -> Tensor:
        """(batch, ...) to the same shape."""
        dense = self.passes < self.after
        if self.training:
            self.passes += 1
        return functional.gelu(x) if dense else functional.relu(x)

    def get_extra_state(self) -> Tensor:
        """Returns the number of passes, which is saved with the model."""
        return torch.tensor(self.passes)

    def set_extra_state(self, state: Tensor) -> None:
        """Takes the number of passes over."""
        self.passes = int(state)

    def extra_repr(self) -> str:
        """Shows when it changes."""
        return f"after={self.after}"
