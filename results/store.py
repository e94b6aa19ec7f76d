"""The run directory of one sweep as a set of named, immutable byte strings.

Knows nothing of what the bytes mean; nothing else in `results` opens a file for writing.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from results.durable import Sync, link, sync_folder, write
from results.errors import StorageError
from results.links import linked
from results.segments import FinalsName, Resolution, SegmentName, checkpoint_parts, resolve

__all__ = [
    "FinalsName",
    "Resolution",
    "SegmentName",
    "Store",
    "Sync",
    "checkpoint_parts",
    "resolve",
]

_PART = re.compile(r"[^/\\\x00]+")


class Store:
    """The files below one folder, by relative posix names such as `trials/000001.parquet`.

    The promises every kind of store keeps:

    * A file appears whole or not at all; a reader needs no lock and never sees a torn one.
    * `put` and `create` return only when the bytes are durable.
    * `create` succeeds for exactly one of any number of callers, on any number of machines.
    * Names that begin with a dot are the store's own and never listed.

    Every method raises `StorageError`, which names the path and the way out.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        """Names a run directory; nothing is created before the first write."""
        self.root = Path(root).absolute()

    def __repr__(self) -> str:
        return f"Store({str(self.root)!r})"

    def path(self, name: str) -> Path:
        """Where a name lies on disk.

        Raises:
            StorageError: the name is absolute, hidden, or leaves the run directory.
        """
        for part in name.split("/"):
            if part.startswith(".") or not _PART.fullmatch(part):
                raise StorageError(
                    f"{self.root}: a stored name is a relative path of plain parts, got {name!r}. "
                    "Use names such as 'trials/000001.parquet'.",
                    path=self.root,
                )
        return self.root / name

    def put(self, name: str, data: bytes, *, sync: Sync = "all") -> None:
        """Writes a file, replacing one of the same name; durable on return.

        Args:
            name: where.
            data: the whole content.
            sync: how far to wait for the disk, see `Sync`.
        """
        target = self.path(name)
        with self._beside(target, data, sync=sync) as written:
            written.replace(target)
            if sync == "all":
                sync_folder(target.parent)

    def create(self, name: str, data: bytes, *, sync: Sync = "all") -> bool:
        """Writes a file unless one of that name exists; durable on return.

        Args:
            name: where.
            data: the whole content.
            sync: how far to wait for the disk, see `Sync`.

        Returns:
            True for the one caller that created it, False for everybody else.
        """
        target = self.path(name)
        if self.exists(name):
            return False
        with self._beside(target, data, sync=sync) as written:
            return link(written, target, sync=sync)

    def create_from(self, name: str, fill: Callable[[Path], None]) -> bool:
        """As `create`, for a content that is too large for memory.

        Args:
            name: where.
            fill: given the path of an empty file, writes the content into it.
        """
        target = self.path(name)
        if self.exists(name):
            return False
        with self._beside(target, b"", sync="none") as written:
            fill(written)
            with written.open("rb") as file:
                os.fsync(file.fileno())
            return link(written, target, sync="all")

    def read(self, name: str) -> bytes:
        """The bytes of a file.

        Raises:
            StorageError: it does not exist or cannot be read.
        """
        target = self.path(name)
        with _told("read", target):
            return target.read_bytes()

    def exists(self, name: str) -> bool:
        """Whether a file or folder of this name is there."""
        with _told("read", self.path(name)):
            return self.path(name).exists()

    def delete(self, name: str) -> None:
        """Removes a file; a missing one is fine."""
        self._unlink(self.path(name))

    def delete_empty(self, folder: str) -> None:
        """Removes a folder unless something lies in it."""
        with contextlib.suppress(OSError):
            self.path(folder).rmdir()

    def list(self, prefix: str = "") -> list[str]:
        """Names of all files that begin with `prefix`, sorted; empty where there are none.

        A file that exists throughout the call is always listed; one that appears or goes meanwhile
        may or may not be.
        """
        folder, _, _ = prefix.rpartition("/")
        start = self.path(folder) if folder else self.root
        below = f"{folder}/" if folder else ""
        with _told("list", start):
            if folder and start.is_symlink():
                raise linked(start)
        return sorted(name for name in _walk(start, below) if name.startswith(prefix))

    def modified(self, name: str) -> float | None:
        """When a file was last written, in seconds since 1970; None if it is gone."""
        target = self.path(name)
        with _told("read", target):
            try:
                return target.stat().st_mtime
            except FileNotFoundError:
                return None

    def tidy(self, *, before: float) -> int:
        """Removes what dead processes left half written.

        Args:
            before: seconds since 1970; hidden files and folders last written earlier go.

        Returns:
            How many were removed.
        """
        removed = 0
        with _told("list", self.root):
            found = [*self.root.rglob(".*.tmp"), *self.root.rglob(".*.half")]
        for hidden in found:
            with _told("delete", hidden), contextlib.suppress(FileNotFoundError):
                if hidden.stat().st_mtime >= before:
                    continue
                if hidden.is_dir():
                    shutil.rmtree(hidden, ignore_errors=True)
                else:
                    self._unlink(hidden)
                removed += 1
        return removed

    def _unlink(self, target: Path) -> None:
        with _told("delete", target):
            target.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _beside(self, target: Path, data: bytes, *, sync: Sync) -> Iterator[Path]:
        """A hidden copy beside the target, gone afterwards unless it was renamed."""
        hidden = target.parent / f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp"
        with _told("write", target):
            try:
                write(hidden, data, sync=sync)
                yield hidden
            finally:
                with contextlib.suppress(OSError):
                    hidden.unlink(missing_ok=True)


@contextlib.contextmanager
def _told(action: str, target: Path) -> Iterator[None]:
    """Turns what the operating system answers into an error that names path and way out."""
    try:
        yield
    except OSError as error:
        raise StorageError.from_os(action, target, error) from error


def _walk(folder: Path, below: str) -> Iterator[str]:
    """Names of the files below a folder; folders that vanish meanwhile count as empty."""
    pending = [(str(folder), below)]
    while pending:
        path, prefix = pending.pop()
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_symlink():
                        raise linked(entry.path)
                    if entry.is_dir():
                        pending.append((entry.path, f"{prefix}{entry.name}/"))
                    else:
                        yield prefix + entry.name
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise StorageError.from_os("list", Path(path), error) from error
