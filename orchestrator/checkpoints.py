"""Keeps the checkpoints of trials: a folder each, which appears whole or not at all.

Knows nothing of what is in them, nor when one is due.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from results.errors import StorageError
from results.store import Store, checkpoint_parts

__all__ = ["CARRIED", "Checkpoints"]

CARRIED = "finals.bin"
"""Name of the file in which a checkpoint carries the last values of every metric on."""


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
        hidden = target.parent / f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp"
        try:
            hidden.mkdir(parents=True)
            try:
                _write(hidden / CARRIED, carried)
                fill(hidden)
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
            StorageError: it cannot be read.
        """
        return self._store.path(name), self._store.read(f"{name}/{CARRIED}")

    def prune(self, *, keep: int) -> None:
        """Deletes all but the newest checkpoints, by attempt and step.

        A checkpoint is renamed out of sight before its files go, so that none is ever seen torn.
        """
        folder = self._store.path(self._prefix)
        found = []
        for name in folder.iterdir() if folder.is_dir() else ():
            parts = checkpoint_parts(f"{self._prefix}/{name.name}/{CARRIED}")
            if parts is not None:
                found.append((parts[1], parts[2], name))
        for _, _, old in sorted(found)[:-keep]:
            hidden = old.parent / f".{old.name}.{secrets.token_hex(4)}.tmp"
            try:
                old.rename(hidden)
            except OSError:
                continue  # Another process pruned it first.
            shutil.rmtree(hidden, ignore_errors=True)


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
