"""BatchNorm: y = (x − mean) / √(var + 1e-5) · g + b, mean and var over batch and positions.

Must never know the model it stands in.

Shapes: (batch, channels, ...) to the same shape, (batch, channels) included; g, b (channels,),
initially 1 and 0. Training uses the batch's biased variance; evaluation the running estimates
(momentum 0.1, unbiased variance). Source: arXiv 1502.03167, algorithm 1.
"""

from typing import ClassVar

from torch import Tensor, nn

from workloads.norms import Layout, Norm

__all__ = ["Config"]


class Config(Norm):
    """Each channel by itself, all samples together."""

    layout: ClassVar[Layout] = "channels_first"
    couples_samples: ClassVar[bool] = True

    def build(self, features: int, *, length: int | None = None) -> nn.Module:
        """Returns the module; positions are averaged over, so `length` changes nothing."""
        return BatchNorm(features, eps=1e-5, momentum=0.1)


class BatchNorm(nn.BatchNorm2d):
    """Torch's own, for any number of positions."""

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(
                f"batchnorm: needs (batch, channels, ...), got {tuple(input.shape)}. Add the batch."
            )
