"""A small file system of its own for a storage, which can be filled to the last byte.

Knows nothing of what is stored. Without root it is a plain folder that cannot be filled.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

__all__ = ["Disk"]

SIZE: Final = 24 << 20
_FILLER: Final = "filler"


class Disk:
    """A folder to store in, a tmpfs of 24 MB where one can be mounted.

    Attributes:
        folder: where.
        refused: why it cannot be filled; None if it can.
    """

    def __init__(self, folder: Path) -> None:
        """Mounts it, on an empty folder that is made."""
        folder.mkdir(parents=True)
        self.folder = folder
        self.refused = self._mount()

    def _mount(self) -> str | None:
        if os.geteuid() != 0:
            return "mounting a small file system needs root"
        command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(self.folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except FileNotFoundError:
            return "there is no mount command"
        return done.stderr.strip() or None if done.returncode else None

    def fill(self) -> None:
        """Takes all room that is left."""
        block = bytes(1 << 16)
        with (self.folder / _FILLER).open("wb", buffering=0) as file:
            while block:
                try:
                    file.write(block)
                except OSError:
                    block = block[: len(block) // 2]

    def empty(self) -> None:
        """Gives the room back."""
        (self.folder / _FILLER).unlink(missing_ok=True)

    def unmount(self) -> None:
        """Drops it and everything stored there."""
        if self.refused is None:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)
