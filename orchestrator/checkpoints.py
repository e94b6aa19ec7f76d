"""Keeps the checkpoints of trials: a folder each, which appears whole or not at all.

Knows nothing of what is in them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.quantities import Every
from results.errors import StorageError
from results.store import Store, checkpoint_parts

if TYPE_CHECKING:
    from workloads.state import State

__all__ = ["CARRIED", "SUMS", "Checkpoints", "DamagedError", "Pace"]

CARRIED = "finals.bin"
"""Name of the file in which a checkpoint carries the last values of every metric on."""
SUMS = "sums.json"
"""Name of the file that holds the digests of all others; neither torch nor Parquet would notice a
flipped bit, which would change the result in silence."""


class DamagedError(Exception):
    """A file of a checkpoint is not as it was written; the text names it."""


class Checkpoints:
    """The checkpoints of one trial, named `checkpoints/<trial_id>/a<attempt>-<step>`.

    Attributes:
        store: the run directory.
    """

    def __init__(self, store: Store, *, trial_id: str) -> None:
        """Names the trial; nothing is read or written yet."""
        self.store = store
        self._prefix = f"checkpoints/{trial_id}"

    def save(self, *, attempt: int, step: int, fill: Callable[[Path], None], carried: bytes) -> str:
        """Writes a checkpoint and returns its name; it is durable on return.

        Args:
            attempt: whose it is.
            step: after which update it was taken.
            fill: writes the program's files, durably, into the folder it is given.
            carried: what the metric writer needs to go on.

        Raises:
            StorageError: it could not be written.
        """
        name = f"{self._prefix}/a{attempt}-{step}"

        def fill_all(folder: Path) -> None:
            _write(folder / CARRIED, carried)
            fill(folder)
            _write(folder / SUMS, json.dumps(_sums(folder), indent=1).encode())

        self.store.create_folder(name, fill_all)
        return name

    def open(self, name: str) -> tuple[Path, bytes]:
        """Returns the folder of a checkpoint and what it carries.

        Raises:
            DamagedError: it is not as it was written.
            StorageError: it cannot be read.
        """
        folder = self.store.folder(name)
        try:
            if (folder / SUMS).exists():
                _verify(folder)
            return folder, (folder / CARRIED).read_bytes()
        except OSError as error:
            raise StorageError.from_os("read", folder, error) from error

    def discard(self, name: str) -> None:
        """Deletes a checkpoint that cannot be used, so that the next attempt takes another."""
        self.store.drop_folder(name)

    def prune(self, *, keep: int) -> None:
        """Deletes all but the newest checkpoints, by attempt and step.

        None is ever seen torn. What an earlier attempt left half written goes too.
        """
        names = {name.rpartition("/")[0] for name in self.store.list(f"{self._prefix}/")}
        found = ((checkpoint_parts(f"{name}/{CARRIED}"), name) for name in names)
        whole = sorted((parts[1:], name) for parts, name in found if parts is not None)
        for _, old in whole[:-keep]:
            self.store.drop_folder(old)
        if whole:
            newest = whole[-1][0][0]
            self.store.drop_halves(self._prefix, lambda name: self._attempt(name, newest) < newest)

    def _attempt(self, name: str, otherwise: int) -> int:
        """The attempt in the name of a checkpoint; another number where it names none."""
        parts = checkpoint_parts(f"{self._prefix}/{name}/{CARRIED}")
        return otherwise if parts is None else parts[1]


class Pace:
    """Says when a checkpoint is due."""

    def __init__(self, every: Every | None, clock: Callable[[], float], *, first: int) -> None:
        """Starts at a step, with the pace of the sweep file."""
        self._every = every
        self._clock = clock
        self._last_step = first
        self._last_time = clock()

    def due(self, state: State) -> bool:
        """Whether to save after this step; true once for each interval."""
        if self._every is None or state.step in (self._last_step, state.steps):
            return False  # Nothing is left to resume behind the last step.
        if self._every.unit == "s":
            due = self._clock() - self._last_time >= self._every.amount
        else:
            per_epoch = state.steps_per_epoch if self._every.unit == "epoch" else 1
            length = self._every.amount * (per_epoch or 0)
            due = length > 0 and state.step // length > self._last_step // length
        if due:
            self._last_step, self._last_time = state.step, self._clock()
        return due


def _sums(folder: Path) -> dict[str, str]:
    """Name -> digest of every file in a checkpoint."""
    sums = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                digest = file_digest(file, lambda: blake2b(digest_size=16))
            sums[path.relative_to(folder).as_posix()] = digest.hexdigest()
    return sums


def _verify(folder: Path) -> None:
    """Compares a checkpoint with its digests.

    Raises:
        DamagedError: they differ.
        OSError: a file cannot be read.
    """
    try:
        known = json.loads((folder / SUMS).read_bytes())
    except ValueError:
        known = None
    if not isinstance(known, dict):
        raise DamagedError(f"{folder / SUMS}: must be as it was written, got a damaged one.")
    found = _sums(folder)
    for name, digest in known.items():
        if found.get(name) != digest:
            what = "a damaged one" if name in found else "none"
            raise DamagedError(f"{folder / name}: must be as it was written, got {what}.")


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
