"""A folder as one file and back.

Knows nothing of what is in it, nor where the file goes.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from results.errors import StorageError

__all__ = ["pack", "unpack"]


def pack(target: Path, fill: Callable[[Path], None]) -> None:
    """Writes a folder's files into one.

    Args:
        target: the file; the folder is made beside it.
        fill: writes what belongs into the folder that it is given.

    Raises:
        StorageError: something could not be written.
    """
    folder = target.with_name("folder")
    try:
        folder.mkdir()
        fill(folder)
        with tarfile.open(target, "w") as archive:
            for path in sorted(folder.iterdir()):
                archive.add(path, path.name)
    except OSError as error:
        raise StorageError.from_os("write", folder, error) from error


def unpack(source: Path, folder: Path, *, where: str) -> None:
    """Writes what `pack` packed into an empty folder; nothing outside it, no link, no device.

    Raises:
        StorageError: it is damaged, or cannot be written.
    """
    try:
        with tarfile.open(source, "r:") as archive:
            members = archive.getmembers()
            if not all(_is_plain(member) for member in members):
                raise tarfile.ReadError("it holds more than plain files and folders below it")
            # Python 3.11 before 3.11.4 knows no filters and passes this over.
            archive.extraction_filter = getattr(tarfile, "data_filter", None)
            archive.extractall(folder, members)
    except tarfile.TarError as error:
        raise StorageError(
            f"{where}: must be a folder as it was written, got a damaged one"
            f" ({type(error).__name__}). Delete it.",
        ) from error
    except OSError as error:
        raise StorageError.from_os("write", folder, error) from error


def _is_plain(member: tarfile.TarInfo) -> bool:
    """Whether it is a file or folder that stays below the folder it is unpacked in."""
    parts = PurePosixPath(member.name).parts
    return (member.isreg() or member.isdir()) and "/" not in parts and ".." not in parts
