"""What an attempt itself records of its start and its end.

Must never know what happens in between.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from orchestrator.attempt import Attempt
from orchestrator.provenance import host
from orchestrator.spec import Resources
from results.errors import ResultsError
from results.ledger import Event, Ledger
from workloads.stopwatch import Stopwatch

__all__ = ["Entries", "device_of"]


class Entries:
    """The two events of one attempt.

    Attributes:
        device: where it trains, once that is known.
    """

    def __init__(self, attempt: Attempt, ledger: Ledger, *, stopwatch: Stopwatch) -> None:
        """Records nothing yet."""
        self.device = "cpu"
        self._attempt = attempt
        self._ledger = ledger
        self._stopwatch = stopwatch
        self._begun = False

    def begin(self, resumed_from: int | None, warnings: Sequence[str] = ()) -> None:
        """Records the start."""
        detail = "\n".join(warnings) or None
        self._record("running", resumed_from=resumed_from, detail=detail)
        self._begun = True

    def end(
        self, status: str, *, failure_class: str | None = None, detail: str | None = None
    ) -> bool:
        """Records the end; False where the store did not take it, which the driver then does."""
        try:
            if not self._begun:
                self.begin(None)
            seconds = self._stopwatch.seconds()
            self._record(status, failure_class=failure_class, detail=detail, seconds=seconds)
        except ResultsError:
            return False
        return True

    def _record(self, status: str, **details: Any) -> None:  # noqa: ANN401
        self._ledger.record(
            Event(
                sweep=self._attempt.sweep,
                trial_id=self._attempt.trial_id,
                attempt=self._attempt.number,
                status=status,
                host=host(),
                pid=os.getpid(),
                device=self.device,
                **details,
            )
        )


def device_of(resources: Resources) -> str:
    """The device that the resources give; asks torch only where a GPU was asked for."""
    if resources.gpu <= 0:
        return "cpu"
    from workloads.devices import gpu_device

    return gpu_device()
