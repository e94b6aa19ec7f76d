"""The part that one process has in a training: all of it, or its slice of every batch.

Must never know how the processes were started, nor what is trained.

Of N processes, process r takes the r-th N-th of each batch; gradients are averaged over them, so an
update is that of the whole batch up to rounding. Weights and the optimizer's state are the same in
all of them, random streams are each one's own. Process 0 leads: it alone evaluates and reports.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from workloads import streams

__all__ = ["Share"]


class Share:
    """One process among `size`; with one process everything is left as it is."""

    def __init__(self, rank: int = 0, size: int = 1, *, control: Any = None) -> None:  # noqa: ANN401
        """Takes its place; with several the process group exists already.

        Args:
            rank: 0 to size - 1.
            size: Processes.
            control: A process group of the CPU, for words that do not wait for a device.
        """
        self.rank, self.size = rank, size
        self._control = control
        self._streams: list[Mapping[str, Any]] = []

    @property
    def leads(self) -> bool:
        """Whether this process evaluates and reports."""
        return self.rank == 0

    @property
    def parts(self) -> dict[str, "Share"]:
        """What a checkpoint needs of it, by name: nothing with one process."""
        return {} if self.size == 1 else {"share": self}

    def part(self, indices: Tensor) -> Tensor:
        """Returns this process's slice of a batch's (samples,), samples a multiple of `size`."""
        return indices if self.size == 1 else indices.chunk(self.size)[self.rank]

    def joined(self, model: nn.Module) -> Callable[[Tensor], Tensor]:
        """Returns the model's forward, whose backward averages gradients over all processes."""
        return model if self.size == 1 else DistributedDataParallel(model)

    def mean(self, value: Tensor) -> Tensor:
        """Returns the mean over the processes of a tensor that each has; all must ask."""
        if self.size > 1:
            value = value.clone()
            distributed.all_reduce(value)
            value /= self.size
        return value

    def told(self, order: int) -> int:
        """Returns what the leader was told; all must ask, the others with any number."""
        word = torch.tensor(order)
        distributed.broadcast(word, 0, group=self._control)
        return int(word)

    def part_streams(self, seed: int) -> None:
        """Gives each process random streams of its own, once all have drawn the same weights."""
        if self._streams:
            streams.restore(self._streams[self.rank])
        elif self.size > 1:
            streams.seed_all(streams.generator(seed, "rank", self.rank).initial_seed())

    def gather_streams(self, *, cuda: bool) -> None:
        """Collects the streams of all processes for the next checkpoint; all must ask."""
        found: list[Any] = [None] * self.size
        distributed.all_gather_object(found, streams.snapshot(cuda=cuda), group=self._control)
        self._streams = found

    def part_company(self) -> None:
        """Ends what connects the processes; all must ask."""
        distributed.destroy_process_group()

    def state_dict(self) -> dict[str, Any]:
        """Returns the streams, by process."""
        return {"streams": self._streams}

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        """Takes the streams of as many processes.

        Raises:
            ValueError: They were more or fewer.
        """
        if len(state_dict["streams"]) != self.size:
            raise ValueError(f"{self.size} processes, got {len(state_dict['streams'])}")
        self._streams = state_dict["streams"]


def averages_at(forward: Callable[[Tensor], Tensor], *, last: bool) -> AbstractContextManager[Any]:
    """Returns a context in which a backward averages gradients only if it is an update's last."""
    if last or not isinstance(forward, DistributedDataParallel):
        return nullcontext()
    return forward.no_sync()
