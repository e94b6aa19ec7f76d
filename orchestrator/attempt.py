"""What a worker is told of one go at a trial, and what it tells in return.

Knows nothing of how an attempt is run, nor by whom.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from orchestrator.quantities import Every
from orchestrator.rungs import Ladder
from orchestrator.spec import Resources

__all__ = ["Attempt", "Outcome"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """All that a worker needs to know of one go at a trial.

    Attributes:
        root: the run directory, a folder or a URL.
        sweep: name of the sweep.
        trial_id: the trial.
        number: which go at it, 0 or more.
        config: the canonical workload.
        resources: what it may use; `cpu` sets torch's threads, `gpu` above 0 the device.
        resume_from: name of the checkpoint to go on from, None for a fresh start.
        checkpoint_every: when to save, None for never.
        checkpoint_keep: checkpoints kept of a completed trial; until then one more.
        timeout_s: longest time it may take, seconds; None for no limit.
        kinds: folders with the user's kinds, by their names in the run directory.
        files: as these, the folder with what the sweep file lists under `files`; None: nothing.
        data_dir: folder of the full data sets.
        leave: name of the file at whose sight the trial saves itself and leaves; None: never.
        ladder: when a stopping rule wants to hear of it; None: nothing stops it early.
        stopped: whether it was to stop and has not: it only ends, as stopped.
        grace_s: from then, or from the timeout, until its process is killed, seconds.
    """

    root: str
    sweep: str
    trial_id: str
    number: int
    config: Mapping[str, Any]
    resources: Resources = field(default_factory=Resources)
    resume_from: str | None = None
    checkpoint_every: Every | None = None
    checkpoint_keep: int = 1
    timeout_s: float | None = None
    kinds: tuple[str, ...] = ()
    files: str | None = None
    data_dir: str | None = None
    leave: str | None = None
    ladder: Ladder | None = None
    stopped: bool = False
    grace_s: float = 30.0

    @property
    def threads(self) -> int:
        """CPU threads to train with."""
        return max(1, int(self.resources.cpu))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        trial_id: the trial.
        number: the attempt.
        status: `completed`, `stopped`, `failed`; `foreign` where another process holds the claim.
        failure_class: where it failed.
        detail: message and traceback's tail.
        recorded: whether the worker itself wrote the end into the store.
        warnings: what its start had to do without, one sentence each.
    """

    trial_id: str
    number: int
    status: str
    failure_class: str | None = None
    detail: str | None = None
    recorded: bool = True
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        attempt: Attempt,
        status: str,
        failure_class: str | None = None,
        detail: str | None = None,
        *,
        recorded: bool = True,
    ) -> Self:
        """The outcome of an attempt."""
        return cls(
            trial_id=attempt.trial_id,
            number=attempt.number,
            status=status,
            failure_class=failure_class,
            detail=detail,
            recorded=recorded,
        )
