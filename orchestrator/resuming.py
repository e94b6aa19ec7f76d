"""Finds what an attempt goes on from: the furthest checkpoint that is whole, else nothing.

Must never know what is trained, nor record anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.attempt import Attempt
from orchestrator.checkpoints import Checkpoints, DamagedError
from orchestrator.code import folder_here
from results.errors import SchemaError, StorageError
from results.finals import Finals
from results.ledger import Ledger

if TYPE_CHECKING:
    from workloads.state import State
    from workloads.stopwatch import Stopwatch

__all__ = ["Origin", "origin"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What an attempt goes on from.

    Attributes:
        state: the memory that its program is given.
        carried: what the metric writer carries on; None for a start from nothing.
        name: the checkpoint; None for a start from nothing.
        warnings: what a reader of the events should know, one sentence each.
    """

    state: State
    carried: bytes | None
    name: str | None
    warnings: tuple[str, ...]

    @property
    def step(self) -> int | None:
        """The last step taken over; None for a start from nothing."""
        return None if self.name is None else self.state.step


def origin(
    attempt: Attempt, *, checkpoints: Checkpoints, ledger: Ledger, device: str, stopwatch: Stopwatch
) -> Origin:
    """Opens the checkpoint that the attempt was given, or the next one that is whole.

    The rows behind an earlier checkpoint are cut by the new start, so nothing counts twice. A
    damaged one is deleted: it would be tried again for ever.

    Args:
        attempt: what is about to run.
        checkpoints: those of its trial.
        ledger: says which of them the stored rows still count.
        device: torch's name of the device.
        stopwatch: handed to the program.
    """
    from workloads.state import CheckpointError, State

    data_dir = Path(attempt.data_dir) if attempt.data_dir else None
    sources = folder_here(checkpoints.store, attempt.files) if attempt.files else None
    devices = max(1, int(attempt.resources.gpu))
    place = partial(State, device=device, devices=devices, threads=attempt.threads)
    begin = partial(place, data_dir=data_dir, sources=sources, stopwatch=stopwatch)
    refused: list[str] = []
    for name in _candidates(attempt, ledger):
        try:
            folder, carried = checkpoints.open(name)
            Finals.from_bytes(carried)
            state = begin(resume_from=folder)
        except StorageError as error:
            refused.append(str(error))
        except (CheckpointError, DamagedError, SchemaError) as error:
            refused.append(str(error))
            checkpoints.discard(name)
        else:
            past = [f"went on from step {state.step}: {sentence}" for sentence in refused]
            said = (*past, *state.mismatches)
            return Origin(state=state, carried=carried, name=name, warnings=said)
    anew = tuple(f"started again from nothing: {sentence}" for sentence in refused)
    return Origin(state=begin(), carried=None, name=None, warnings=anew)


def _candidates(attempt: Attempt, ledger: Ledger) -> Iterator[str]:
    """The checkpoint that the attempt was given, then those that reach less far."""
    if attempt.resume_from is None:
        return
    yield attempt.resume_from
    for name in ledger.usable_checkpoints(attempt.trial_id):
        if name != attempt.resume_from:
            yield name
