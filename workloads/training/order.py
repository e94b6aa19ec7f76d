"""The order in which samples are seen, a pure function of seed and batch.

Must never know what is done with a batch.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from workloads import streams
from workloads.tasks import Split
from workloads.training.share import Share

__all__ = ["Order"]


class Order:
    """Batches of a split, shuffled anew every epoch; what does not fill an update is left out."""

    def __init__(
        self,
        split: Split,
        *,
        batch_size: int,
        accumulate: int = 1,
        seed: int,
        device: str,
        share: Share | None = None,
        timed: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        """Takes the samples.

        Args:
            split: The samples, at least one update of them.
            batch_size: Samples per batch.
            accumulate: Batches per update.
            seed: Of the workload.
            device: torch's name of the one to train on.
            share: Which part of each batch is taken; None: all of it.
            timed: Surrounds the fetching of each batch.
        """
        self._split, self._size, self._seed = split, batch_size, seed
        self._per_epoch = len(split) // (batch_size * accumulate) * accumulate
        self._epoch = -1
        self._batches: tuple[Tensor, ...] = ()
        self._device = torch.device(split.indices_on(device))
        self._share = share or Share()
        self._timed = timed

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """Returns inputs and targets of one batch, 0 and up."""
        with self._timed():
            epoch, position = divmod(number, self._per_epoch)
            if epoch != self._epoch:
                stream = streams.generator(self._seed, "order", epoch)
                order = torch.randperm(len(self._split), generator=stream)
                if self._device.type == "cuda":  # From pinned memory the copy is not waited for.
                    order = order.pin_memory().to(self._device, non_blocking=True)
                self._batches = torch.split(order, self._size)
                self._epoch = epoch
            return self._split.batch(self._share.part(self._batches[position]))
