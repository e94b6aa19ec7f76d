"""The run directory of one sweep as a set of named, immutable byte strings.

Knows nothing of what the bytes mean, nor of where they lie: `results.backends` does.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from results.backends import Backend, Decide, backend_of
from results.durable import Sync
from results.errors import StorageError
from results.names import FinalsName, SegmentName, checkpoint_parts
from results.place import Place, Url, absolute
from results.segments import Resolution, resolve

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
    """The files below one place, by relative posix names such as `trials/000001.parquet`.

    The promises every kind of store keeps:

    * A file appears whole or not at all; a reader needs no lock and never sees a torn one.
    * `put` and `create` return only when the bytes are durable.
    * `create` succeeds for exactly one of any number of callers, on any number of machines.
    * Names that begin with a dot are the store's own and never listed.

    Every method raises `StorageError`, which names the place and the way out.
    """

    def __init__(self, root: str | os.PathLike[str] | Url) -> None:
        """Names a run directory, a folder or a URL; nothing is created before the first write."""
        self.root: Place = absolute(root)
        self._backend: Backend = backend_of(self.root)

    def __repr__(self) -> str:
        return f"Store({str(self.root)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Store) and self.root == other.root

    def __hash__(self) -> int:
        return hash(self.root)

    @property
    def mirror(self) -> str:
        """The folder of this machine below which `fetch` puts files, under their names.

        That of a local store is the run directory itself.
        """
        return self._backend.mirror

    def where(self, name: object) -> str:
        """A stored name as messages tell it."""
        return f"{self.root}/{name}"

    def path(self, name: str) -> Path:
        """Where a file lies on this machine, once it was fetched.

        Raises:
            StorageError: the name is absolute, hidden, or leaves the run directory.
        """
        self._check(name)
        return Path(self._backend.mirror) / name

    def put(self, name: str, data: bytes, *, sync: Sync = "all") -> None:
        """Writes a file, replacing one of the same name; durable on return.

        Args:
            name: where.
            data: the whole content.
            sync: how far to wait for the disk, see `Sync`.
        """
        self._check(name)
        self._backend.put(name, data, sync=sync)

    def create(self, name: str, data: bytes, *, sync: Sync = "all") -> bool:
        """Writes a file unless one of that name exists; durable on return.

        Args:
            name: where.
            data: the whole content.
            sync: how far to wait for the disk, see `Sync`.

        Returns:
            True for the one caller that created it, False for everybody else.
        """
        self._check(name)
        return self._backend.create(name, data, sync=sync)

    def create_from(self, name: str, fill: Callable[[Path], None]) -> bool:
        """As `create`, for a content that is too large for memory.

        Args:
            name: where.
            fill: given the path of an empty file, writes the content into it.
        """
        self._check(name)
        return self._backend.create_from(name, fill)

    def update(self, name: str, decide: Decide) -> bool:
        """Replaces a file by what `decide` makes of its content; nobody else writes between.

        Args:
            name: where; a file that is not there stays so.
            decide: given the content, returns the next one; empty, it goes, though some backends
                keep an empty file then; None leaves it as it is. It may be asked again, with what
                somebody else wrote meanwhile.

        Returns:
            Whether it was replaced.
        """
        self._check(name)
        return self._backend.update(name, decide)

    def read(self, name: str) -> bytes:
        """The bytes of a file.

        Raises:
            StorageError: it does not exist or cannot be read.
        """
        self._check(name)
        return self._backend.read(name)

    def read_all(self, names: Sequence[str]) -> Iterator[bytes]:
        """The bytes of several files, in their order; many at a time where that is quicker.

        Raises:
            StorageError: one does not exist or cannot be read.
        """
        for name in names:
            self._check(name)
        return iter(self._backend.read_all(names))

    def open(self, name: str) -> Path | BinaryIO:
        """What a reader of Parquet takes, who needs the end of a file and some parts of it.

        Raises:
            FileNotFoundError: there is none.
        """
        self._check(name)
        return self._backend.open(name)

    def fetch(self, names: Iterable[str]) -> None:
        """Puts files where `path` says, unless they lie there; one that is gone is passed over."""
        self._backend.fetch(names)

    def exists(self, name: str) -> bool:
        """Whether a file of this name is there; a local store says so of folders as well."""
        self._check(name)
        return self._backend.exists(name)

    def holds(self, folder: str) -> bool:
        """Whether there is anything below a name."""
        self._check(folder)
        return self._backend.holds(folder)

    def delete(self, *names: str) -> None:
        """Removes files; missing ones are fine."""
        for name in names:
            self._check(name)
        self._backend.delete(names)

    def delete_empty(self, folder: str) -> None:
        """Removes a folder unless something lies in it."""
        self._check(folder)
        self._backend.delete_empty(folder)

    def list(self, prefix: str = "") -> list[str]:
        """Names of all files that begin with `prefix`, sorted; empty where there are none.

        A file that exists throughout the call is always listed; one that appears or goes meanwhile
        may or may not be.
        """
        return sorted(self._backend.list(prefix))

    def modified(self, name: str) -> float | None:
        """When a file was last written, in seconds since 1970; None if it is gone."""
        self._check(name)
        return self._backend.modified(name)

    def stamp(self, name: str) -> tuple[int, Hashable]:
        """Size of a file in bytes, and something that changes with its content.

        A distant store answers from its last listing where that had the file.

        Raises:
            FileNotFoundError: it is gone.
        """
        self._check(name)
        return self._backend.stamp(name)

    def tidy(self, *, before: float) -> int:
        """Removes what dead processes left half written.

        Args:
            before: seconds since 1970; hidden files and folders last written earlier go.

        Returns:
            How many were removed.
        """
        return self._backend.tidy(before=before)

    def create_folder(self, name: str, fill: Callable[[Path], None]) -> None:
        """Writes a folder, which appears whole or not at all; durable on return.

        Args:
            name: where; there must be none yet.
            fill: writes its files, durably, into the empty folder that it is given.
        """
        self._check(name)
        self._backend.create_folder(name, fill)

    def folder(self, name: str) -> Path:
        """A folder of this machine that holds the files below a name.

        That of a distant store is a copy; it stays as long as this process.
        """
        self._check(name)
        return self._backend.folder(name)

    def drop_folder(self, name: str) -> None:
        """Removes a folder of `create_folder` so that nobody sees half of it."""
        self._check(name)
        self._backend.drop_folder(name)

    def drop_halves(self, folder: str, which: Callable[[str], bool]) -> None:
        """Removes what a dead process left of a folder that it was about to create.

        Args:
            folder: where it was to lie.
            which: given the name that it was to have there, says whether it goes.
        """
        self._check(folder)
        self._backend.drop_halves(folder, which)

    def _check(self, name: str) -> None:
        for part in name.split("/"):
            if part.startswith(".") or not _PART.fullmatch(part):
                raise StorageError(
                    f"{self.root}: a stored name is a relative path of plain parts, got {name!r}. "
                    "Use names such as 'trials/000001.parquet'.",
                    path=self.root,
                )
