"""Where the files of a run directory lie. Each file is a kind: `local`, and one a URL's scheme.

A backend is asked by `results.store.Store` alone, which has checked the names; it knows nothing of
what the bytes mean.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Protocol

from results.durable import Sync
from results.place import Place, Url

__all__ = ["Backend", "Decide", "backend_of", "run_directories"]

Decide = Callable[[bytes], bytes | None]
"""Given what a file holds, says what it is to hold; empty: it goes; None: it stays as it is."""


class Backend(Protocol):
    """Named byte strings below one place. `Store` says what each method promises."""

    @property
    def mirror(self) -> str:
        """Folder below which a file lies under its name once `fetch` has been asked for it."""

    def put(self, name: str, data: bytes, *, sync: Sync) -> None:
        """Writes or replaces a file."""

    def create(self, name: str, data: bytes, *, sync: Sync) -> bool:
        """Writes a file unless there is one."""

    def create_from(self, name: str, fill: Callable[[Path], None]) -> bool:
        """Writes a file, too large for memory, unless there is one."""

    def update(self, name: str, decide: Decide) -> bool:
        """Replaces a file by what is made of its content, nobody else between."""

    def read(self, name: str) -> bytes:
        """The bytes of a file."""

    def read_all(self, names: Sequence[str]) -> Iterable[bytes]:
        """The bytes of several files, in their order."""

    def open(self, name: str) -> Path | BinaryIO:
        """What a reader of Parquet reads parts of; FileNotFoundError where there is no file."""

    def fetch(self, names: Iterable[str]) -> None:
        """Puts files into the mirror; what is gone by now is passed over."""

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""

    def holds(self, folder: str) -> bool:
        """Whether there is anything below a name; locally, whether it is a folder."""

    def delete(self, names: Sequence[str]) -> None:
        """Removes files; missing ones are fine."""

    def delete_empty(self, folder: str) -> None:
        """Removes a folder unless something lies in it."""

    def list(self, prefix: str) -> Iterable[str]:
        """Names that begin with a prefix, in any order."""

    def modified(self, name: str) -> float | None:
        """When a file was written, in seconds since 1970; None if it is gone."""

    def stamp(self, name: str) -> tuple[int, Hashable]:
        """Size of a file, and what changes with its content; FileNotFoundError if it is gone."""

    def tidy(self, *, before: float) -> int:
        """Removes what dead processes left half written."""

    def create_folder(self, name: str, fill: Callable[[Path], None]) -> None:
        """Writes a folder that appears whole."""

    def folder(self, name: str) -> Path:
        """A folder of this machine with the files below a name."""

    def drop_folder(self, name: str) -> None:
        """Removes a folder, so that nobody sees half of it; a missing one is fine."""

    def drop_halves(self, folder: str, which: Callable[[str], bool]) -> None:
        """Removes what `create_folder` left unfinished below a folder."""


@lru_cache(maxsize=64)
def backend_of(place: Place) -> Backend:
    """The backend of a place; one a process, since a distant one keeps connections.

    Raises:
        StorageError: what it needs is not installed, or not set.
    """
    kind = place.scheme if isinstance(place, Url) else "local"
    backend: Backend = import_module(f"results.backends.{kind}").Backend(place)
    return backend


def run_directories(base: Place, *, marker: str) -> list[Place]:
    """Places right below one that hold a folder `marker`, by name; none where nothing is.

    Raises:
        StorageError: it cannot be listed.
    """
    kind = base.scheme if isinstance(base, Url) else "local"
    found: list[Place] = import_module(f"results.backends.{kind}").places_below(base, marker)
    return found
