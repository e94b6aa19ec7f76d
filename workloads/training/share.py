"""The part that one process has in a training: all of it, or its slice of every batch.

Must never know how the processes were started, nor what is trained.

Of N processes, process r takes the r-th N-th of each batch; gradients are averaged over them, so an
update is that of the whole batch up to rounding. Weights and the optimizer's state are the same in
all of them, random streams are each one's own. Process 0 leads: it alone evaluates and reports.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from workloads import streams

__all__ = ["Share", "averages_at"]


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

    @property
    def leads(self) -> bool:
        """Whether this process evaluates and reports."""
        return self.rank == 0

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

    def told(self, *, order: bool) -> bool:
        """Returns what the leader was told; all must ask, the others with any answer."""
        word = torch.tensor(order)
        distributed.broadcast(word, 0, group=self._control)
        return bool(word)

    def gathered(self, own: Any) -> list[Any]:  # noqa: ANN401
        """Returns what all processes have, tensors and builtins, by rank; all must ask.

        Nothing is unpickled: what comes through a socket is read as a checkpoint is.
        """
        if self.size == 1:
            return [own]
        file = io.BytesIO()
        torch.save(own, file)
        data = torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)
        lengths = self._alike(torch.tensor([len(data)]))
        padded = functional.pad(data, (0, int(torch.cat(lengths).max()) - len(data)))
        found = zip(self._alike(padded), lengths, strict=True)
        whole = (io.BytesIO(each[: int(length)].numpy().tobytes()) for each, length in found)
        return [torch.load(each, weights_only=True) for each in whole]

    def _alike(self, own: Tensor) -> list[Tensor]:
        """Returns tensors of one shape, by rank."""
        found = [torch.empty_like(own) for _ in range(self.size)]
        distributed.all_gather(found, own, group=self._control)
        return found

    def part_streams(self, saved: Sequence[Mapping[str, Any]], *, seed: int, step: int) -> None:
        """Gives each process random streams of its own, once all have drawn the same weights.

        Args:
            saved: Streams by rank, at the step from which the training goes on; those of another
                number of processes are of no use, and new ones begin.
            seed: Of the workload.
            step: From which it goes on.
        """
        if self.size == 1:
            return
        if len(saved) == self.size:
            streams.restore(saved[self.rank])
        else:
            own = streams.generator(seed, "rank", self.rank, step)
            streams.seed_all(own.initial_seed())

    def part_company(self) -> None:
        """Ends what connects the processes; all must ask."""
        distributed.destroy_process_group()


def averages_at(forward: Callable[[Tensor], Tensor], *, last: bool) -> AbstractContextManager[Any]:
    """Returns a context in which a backward averages gradients only if it is an update's last."""
    if last or not isinstance(forward, DistributedDataParallel):
        return nullcontext()
    return forward.no_sync()
