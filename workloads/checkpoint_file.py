"""Writes the files of a checkpoint, reads them, and tells one machine from another.

Must never know what is in a checkpoint, where checkpoints live, or when one is due.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import torch

__all__ = ["FILES", "CheckpointError", "differences", "read", "write"]

FILES: Final = "files"
"""Name of the folder in a checkpoint that holds what a program keeps itself."""
_FILE: Final = "state.pt"
_FORMAT: Final = 1


class CheckpointError(RuntimeError):
    """A checkpoint that is missing, torn, or not one of this program."""


def write(content: Mapping[str, Any], directory: Path, *, files: Path | None) -> None:
    """Writes a checkpoint into an existing directory; it is durable on return.

    Args:
        content: tensors and builtins.
        directory: where.
        files: a folder to copy beside it, or None.

    Raises:
        OSError: the disk is full, or refuses.
    """
    with (directory / _FILE).open("wb") as file:
        _save({"format": _FORMAT, **content}, file)
        file.flush()
        os.fsync(file.fileno())
    if files is not None:
        _copy(files, directory / FILES)
    _sync(directory)


def read(directory: Path) -> dict[str, Any]:
    """Returns what was written, on the CPU.

    Raises:
        CheckpointError: it cannot be read, or another version wrote it.
    """
    path = directory / _FILE
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as broken:
        raise CheckpointError(
            f"{path}: needs a whole checkpoint, got {type(broken).__name__}: {broken}."
            " Delete its folder to resume from an earlier one."
        ) from broken
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise CheckpointError(
            f"{path}: needs checkpoint format {_FORMAT}, got {found!r}."
            " Delete its folder to train from the start."
        )
    return content


def differences(saved: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Returns a sentence for each name whose value is another one now."""
    return [
        f"{name} was {saved[name]!r} when the checkpoint was saved and is {now[name]!r} now:"
        " the last digits may differ from an undisturbed run"
        for name in now
        if saved.get(name) != now[name]
    ]


def _copy(source: Path, target: Path) -> None:
    """Copies a folder, durably."""
    shutil.copytree(source, target)
    for path in [target, *target.rglob("*")]:
        _sync(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _save(content: dict[str, Any], file: BinaryIO) -> None:
    try:
        torch.save(content, file)
    except RuntimeError as error:
        # Of a write that failed torch says that its archive is out of order.
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise
