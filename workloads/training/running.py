"""Sums what happens between two reports of a training.

Must never know what is reported, nor when.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from workloads.training.share import Share

__all__ = ["Running"]


class Running:
    """Sums since the last report; the loss stays on the device until then."""

    def __init__(self, device: str, *, share: Share | None = None) -> None:
        """Args: device: torch's name of the one that losses are on. share: None: all of them."""
        self._share = share or Share()
        self._loss = torch.zeros((), dtype=torch.float64, device=device)
        self._steps, self._seconds = 0, 0.0

    def state_dict(self) -> dict[str, Any]:
        """Returns the sums; of several processes all must ask."""
        sums = {"loss": self._loss, "steps": self._steps, "seconds": self._seconds}
        if self._share.size == 1:
            return sums
        losses = self._share.gathered(float(self._loss))
        mean = torch.tensor(sum(losses) / len(losses), dtype=torch.float64)
        return {**sums, "loss": mean, "losses": losses}

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        """Takes sums saved earlier; those of another number of processes count as their mean."""
        losses = state_dict.get("losses", [])
        same = len(losses) == self._share.size > 1
        self._loss.fill_(float(losses[self._share.rank] if same else state_dict["loss"]))
        self._steps, self._seconds = state_dict["steps"], state_dict["seconds"]

    def add(self, loss: Tensor, seconds: float) -> None:
        """Counts one step."""
        self._loss += loss.detach()
        self._steps += 1
        self._seconds += seconds

    def take(self, clock: Callable[[], float]) -> dict[str, float]:
        """Returns the means and starts anew; waits for the device, which is part of the time."""
        started = clock()
        total = float(self._share.mean(self._loss))
        seconds = self._seconds + clock() - started
        means = {"train_loss": total / self._steps, "step_time_s": seconds / self._steps}
        self._loss.zero_()
        self._steps, self._seconds = 0, 0.0
        return means
