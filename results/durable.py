"""Writes files so that they outlive a power cut, and gives them names that only one can have.

Knows nothing of stores, nor of what the bytes mean.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Literal

__all__ = ["Sync", "link", "make_folder", "sync_folder", "write"]

Sync = Literal["all", "content", "none"]
"""How far a write waits for the disk (4 ms a step here).

`all`: content and name survive a power cut. `content`: the name may be lost, but is never seen with
half the content; for what can be had again. `none`: for what nobody needs after a power cut.
"""

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def write(path: Path, data: bytes, *, sync: Sync) -> None:
    """Writes a new file, and the folders above it that are missing.

    Raises:
        OSError: the system refuses; a file of that name is there among the reasons.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        handle = os.open(path, flags, 0o666)
    except FileNotFoundError:  # Its folder is not there yet, or was empty and has just gone.
        make_folder(path.parent)
        handle = os.open(path, flags, 0o666)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        if sync != "none":
            os.fsync(handle)
    finally:
        os.close(handle)


def link(written: Path, target: Path, *, sync: Sync) -> bool:
    """Gives a whole file its name unless that is taken; says whether it was free."""
    # A hard link is create-only and carries the whole content at once; rename replaces.
    try:
        os.link(written, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if not _create_directly(target, written):
            return False
    if sync == "all":
        sync_folder(target.parent)
    return True


def _create_directly(path: Path, written: Path) -> bool:
    """Create-only without links: who opens it exclusively owns it (the content follows at once)."""
    try:
        write(path, written.read_bytes(), sync="all")
    except FileExistsError:
        return False
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return True


def make_folder(folder: Path) -> None:
    """Creates a folder so that it outlives a power cut: every new level is synced in its parent."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder outlive a power cut.

    Raises:
        OSError: the system refuses.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # Some network file systems cannot sync a folder.
            raise
    finally:
        os.close(handle)
