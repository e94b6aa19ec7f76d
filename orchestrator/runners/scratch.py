"""A temporary folder that goes even where its process was killed: the next one removes it.

Must never know what lies in it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["remove_left", "scratch"]

PREFIX: Final = "cliffsweep-wave-"


@contextlib.contextmanager
def scratch() -> Iterator[str]:
    """Is a folder as long as the block lasts; removes those of processes that are gone.

    Its holder keeps a lock on it, which the system takes away from the dead, in whichever container
    they were.
    """
    remove_left()
    made = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=tempfile.gettempdir()))
    handle = os.open(made, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # Without locks nobody else gets one either.
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        # Under its name only now that it is held: nobody takes it for one that is left.
        folder = made.rename(made.with_name(made.name.removeprefix(".")))
        try:
            yield str(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)


def remove_left() -> None:
    """Removes the folders of processes that are gone."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        _remove_if_left(path)


def _remove_if_left(path: Path) -> None:
    with contextlib.suppress(OSError):  # It is held, is somebody else's, or went meanwhile.
        handle = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(handle)
