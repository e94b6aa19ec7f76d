"""Mixes the images of a batch in pairs: mixup blends two, cutmix pastes a box of one into another.

Must never know the model, nor where a batch comes from.

Each image's partner stands at the mirrored place of its batch, whose order is random already. One
share λ a batch, from Beta(α, α), is drawn from a stream of seed and batch number alone, so that
resuming needs no state. With both on, each batch gets one of them, with equal chance. The loss is
λ·loss(outputs, targets) + (1 − λ)·loss(outputs, the partners' targets). Sources: arXiv 1710.09412,
eq. 1; arXiv 1905.04899, eq. 1 and 2 (a box of area 1 − λ around a uniform centre, cut off at the
border, λ then being the share that really stayed).
"""

import math
import random
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from workloads import streams

__all__ = ["Mix", "mix"]

Loss = Callable[[Tensor, Tensor], Tensor]


class Mix(NamedTuple):
    """A mixed batch.

    Attributes:
        inputs: (batch, channels, height, width).
        kept: λ, the share of each image that is its own, 0 to 1.
    """

    inputs: Tensor
    kept: float

    def loss(self, loss: Loss, outputs: Tensor, targets: Tensor) -> Tensor:
        """Returns the loss of both targets, weighted by what is there of each image."""
        own, other = loss(outputs, targets), loss(outputs, targets.flip(0))
        return self.kept * own + (1 - self.kept) * other


def mix(inputs: Tensor, *, mixup: float, cutmix: float, seed: int, batch: int) -> Mix:
    """Returns the batch, mixed; it is not changed itself.

    Args:
        inputs: (batch, channels, height, width) float.
        mixup: α of mixup, 0: off.
        cutmix: α of cutmix, 0: off.
        seed: Of the workload.
        batch: Which batch of the training, 0 and up.
    """
    draw = random.Random(streams.generator(seed, "mix", batch).initial_seed())
    pastes = cutmix > 0 and (mixup == 0 or draw.random() < 0.5)
    alpha = cutmix if pastes else mixup
    kept = draw.betavariate(alpha, alpha)
    partners = inputs.flip(0)
    if not pastes:
        return Mix(inputs.lerp(partners, 1 - kept), kept)
    height, width = inputs.shape[2:]
    y, x = _span(height, 1 - kept, draw), _span(width, 1 - kept, draw)
    inputs = inputs.clone()
    inputs[:, :, y, x] = partners[:, :, y, x]
    area = (y.stop - y.start) * (x.stop - x.start)
    return Mix(inputs, 1 - area / (height * width))


def _span(size: int, area: float, draw: random.Random) -> slice:
    """Returns √area of a side around a uniform place, as far as it lies inside."""
    side, centre = int(size * math.sqrt(area)), draw.randrange(size)
    return slice(max(0, centre - side // 2), min(size, centre + (side + 1) // 2))
