"""Keeps the checkpoints of trials: a folder each, which appears whole or not at all.

Knows nothing of what is in them.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.quantities import Every
from results.errors import StorageError
from results.store import Store, checkpoint_parts

if TYPE_CHECKING:
    from workloads.state import State

__all__ = ["CARRIED", "SUMS", "Checkpoints", "DamagedError", "Pace"]

_HALF = re.compile(r"\.(.+)\.[0-9]+-[0-9a-f]{8}\.half")

CARRIED = "finals.bin"
"""Name of the file in which a checkpoint carries the last values of every metric on."""
SUMS = "sums.json"
"""Name of the file that holds the digests of all others; neither torch nor Parquet would notice a
flipped bit, which would change the result in silence."""


class DamagedError(Exception):
    """A file of a checkpoint is not as it was written; the text names it."""


class Checkpoints:
    """The checkpoints of one trial, named `checkpoints/<trial_id>/a<attempt>-<step>`."""

    def __init__(self, store: Store, *, trial_id: str) -> None:
        """Names the trial; nothing is read or written yet."""
        self._store = store
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
        target = self._store.path(name)
        hidden = _hidden(target)
        try:
            hidden.mkdir(parents=True)
            try:
                _write(hidden / CARRIED, carried)
                fill(hidden)
                _write(hidden / SUMS, json.dumps(_sums(hidden), indent=1).encode())
                hidden.rename(target)
                _sync(target.parent)
            finally:
                shutil.rmtree(hidden, ignore_errors=True)
        except OSError as error:
            raise StorageError.from_os("write", target, error) from error
        return name

    def open(self, name: str) -> tuple[Path, bytes]:
        """Returns the folder of a checkpoint and what it carries.

        Raises:
            DamagedError: it is not as it was written.
            StorageError: it cannot be read.
        """
        folder = self._store.path(name)
        try:
            if (folder / SUMS).exists():
                _verify(folder)
        except OSError as error:
            raise StorageError.from_os("read", folder, error) from error
        return folder, self._store.read(f"{name}/{CARRIED}")

    def discard(self, name: str) -> None:
        """Deletes a checkpoint that cannot be used, so that the next attempt takes another."""
        path = self._store.path(name)
        hidden = _hidden(path)
        with suppress(OSError):  # It is gone already, or the storage refuses: both are told later.
            path.rename(hidden)
        shutil.rmtree(hidden, ignore_errors=True)

    def prune(self, *, keep: int) -> None:
        """Deletes all but the newest checkpoints, by attempt and step.

        A checkpoint is renamed out of sight before its files go, so that none is ever seen torn.
        What an earlier attempt left half written goes too.
        """
        whole = self._found(hidden=False)
        for _, _, old in whole[:-keep]:
            hidden = _hidden(old)
            try:
                old.rename(hidden)
            except OSError:
                continue  # Another process pruned it first.
            shutil.rmtree(hidden, ignore_errors=True)
        for attempt, _, half in self._found(hidden=True):
            if whole and attempt < whole[-1][0]:
                shutil.rmtree(half, ignore_errors=True)

    def _found(self, *, hidden: bool) -> list[tuple[int, int, Path]]:
        """(attempt, step, folder) of the trial's checkpoints, or of what is half written."""
        folder = self._store.path(self._prefix)
        found = []
        try:
            paths = [*folder.iterdir()]
        except FileNotFoundError:
            paths = []
        except OSError as error:
            raise StorageError.from_os("list", folder, error) from error
        for path in paths:
            half = _HALF.fullmatch(path.name)
            if hidden != bool(half):
                continue
            name = half[1] if half else path.name
            parts = checkpoint_parts(f"{self._prefix}/{name}/{CARRIED}")
            if parts is not None:
                found.append((parts[1], parts[2], path))
        return sorted(found)


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


def _hidden(path: Path) -> Path:
    """A name beside `path` that nobody looks at and nobody else has."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.half")


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
