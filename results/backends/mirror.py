"""Copies on this machine of files that lie far away: whoever asks again, or asks SQL, reads these.

Knows nothing of how they come here. A copy is used as long as size and tag are those of the file;
what nobody used for a week goes.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, Final

from results.errors import StorageError

__all__ = ["CACHE_VARIABLE", "Mirror"]

CACHE_VARIABLE: Final = "CLIFFSWEEP_CACHE"
"""Names the folder of copies; else it is `cliffsweep` in XDG_CACHE_HOME or `~/.cache`."""

_UNUSED_S: Final = 7 * 86_400.0
_LOOK_EVERY_S: Final = 86_400.0
_SWEPT: Final = ".swept"


class Mirror:
    """A folder that only this user may write, with the copies of one place."""

    def __init__(self, of: str, *, now: Callable[[], float] = time.time) -> None:
        """Makes the folder.

        Args:
            of: what sets the place apart from all others.
            now: seconds since 1970.

        Raises:
            StorageError: it cannot be made, or others may write there.
        """
        self._now = now
        base = _base()
        self.root = base / blake2b(of.encode(), digest_size=10).hexdigest()
        try:
            _sweep(base, now())
            self.root.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StorageError.from_os("write", self.root, error) from error

    def path(self, name: str) -> Path:
        """Where the copy of a file lies, if there is one."""
        return self.root / name

    def holds(self, name: str, *, size: int, tag: str) -> bool:
        """Whether there is a copy of a file of this size and tag."""
        path = self.path(name)
        try:
            found = path.stat()
        except OSError:
            return False
        if (found.st_size, int(found.st_mtime)) != (size, _moment(tag)):
            return False
        if self._now() - found.st_atime > _LOOK_EVERY_S:
            with contextlib.suppress(OSError):
                os.utime(path, (self._now(), _moment(tag)))
        return True

    def keep(self, name: str, fill: Callable[[BinaryIO], str]) -> None:
        """Makes a copy, which appears whole.

        Args:
            name: of the file.
            fill: writes its content and returns its tag.

        Raises:
            StorageError: it cannot be written here.
        """
        path = self.path(name)
        beside = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with beside.open("wb") as file:
                    tag = fill(file)
                os.utime(beside, (self._now(), _moment(tag)))
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError.from_os("write", path, error) from error

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """A private folder that goes with the block; a dead process's goes with time."""
        try:
            folder = self.workplace()
        except OSError as error:
            raise StorageError.from_os("write", self.root, error) from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def workplace(self) -> Path:
        """A new private folder for whoever removes it again."""
        return Path(tempfile.mkdtemp(prefix=".work-", dir=self.root))


def _moment(tag: str) -> int:
    """A copy's time of writing, in seconds since 1970: a number made of the file's tag.

    So one look at a copy tells whether it is one of the file as it is now; 31 bits, since some
    file systems keep no more.
    """
    return int.from_bytes(blake2b(tag.encode(), digest_size=4).digest(), "big") >> 1


def _base() -> Path:
    """The folder of all copies, which others must not be able to write: some of them are code."""
    given = os.environ.get(CACHE_VARIABLE)
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    tried = [Path(given)] if given else [Path(home) / "cliffsweep", _temporary()]
    for folder in tried:
        base = folder.expanduser()
        try:
            base.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = base.stat(follow_symlinks=False)
        except (OSError, RuntimeError):
            continue
        mine = found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if stat.S_ISDIR(found.st_mode) and mine and os.access(base, os.W_OK):
            return base.absolute()
    raise StorageError(
        f"{CACHE_VARIABLE}: a folder that you alone may write is needed for copies of distant"
        f" files, got {' and '.join(map(str, tried))}. Name one with {CACHE_VARIABLE}.",
        path=tried[0],
    )


def _temporary() -> Path:
    return Path(tempfile.gettempdir()) / f"cliffsweep-{os.getuid()}"


def _sweep(base: Path, now: float) -> None:
    """Once a day removes what nobody used for a week."""
    mark = base / _SWEPT
    with contextlib.suppress(FileNotFoundError):
        if now - mark.stat().st_mtime < _LOOK_EVERY_S:
            return
    mark.touch()
    for folder, below, files in os.walk(base, topdown=False):
        for name in files:
            path = Path(folder, name)
            with contextlib.suppress(OSError):
                if name != _SWEPT and now - path.stat().st_atime > _UNUSED_S:
                    path.unlink()
        for name in below:
            path = Path(folder, name)
            with contextlib.suppress(OSError):
                if now - path.stat().st_mtime > _UNUSED_S:
                    path.rmdir()
