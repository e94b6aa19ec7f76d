"""JSReLU: x + x²/2 for x ≥ 0, else 0; any shape to the same shape. Its derivative jumps.

Must never know the model it stands in.

Derivative x + 1 for x ≥ 0, else 0, so that at 0 it jumps from 0 to 1 and grows from there: what is
active weighs more in the flatness that arXiv 2605.25612 (and its earlier version, arXiv 2309.03004)
ties to sparsity. Source: there, "JSReLU".
"""

from torch import Tensor, nn

from workloads.activations import Activation

__all__ = ["Config"]


class Config(Activation):
    """The jumping squared rectifier; grows as a square, so activations can spike."""

    def build(self, *, causal: bool = False) -> nn.Module:
        """Returns the module; position-wise, so `causal` changes nothing."""
        return JumpingSquaredReLU()


class JumpingSquaredReLU(nn.Module):
    """x + x²/2 where x ≥ 0."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, ...) to the same shape."""
        # The gradient of clamp, unlike that of relu, is 1 at the bound itself.
        above = x.clamp_min(0)
        return above + above.square() / 2
