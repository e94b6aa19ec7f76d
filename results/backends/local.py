"""Files in a folder of this machine, or of a file system that several machines share.

Knows nothing of what the bytes mean. Nothing else in `results` opens a stored file for writing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from pathlib import Path

from results.backends import Decide
from results.durable import Sync, link, sync_folder, write
from results.errors import StorageError
from results.links import linked

__all__ = ["Backend", "places_below"]

_UNFINISHED = ".half"


def places_below(base: Path, marker: str) -> list[Path]:
    """Folders right below one that hold a folder `marker`, by name."""
    with _told("list", base):
        if not base.is_dir():
            return []
        return sorted(path for path in base.iterdir() if (path / marker).is_dir())


class Backend:
    """The files below one folder."""

    def __init__(self, root: Path) -> None:
        """Names the folder; nothing is created before the first write."""
        self._root = root
        self.mirror = str(root)

    def put(self, name: str, data: bytes, *, sync: Sync) -> None:
        """Writes beside and renames."""
        target = self._root / name
        with self._beside(target, data, sync=sync) as written:
            written.replace(target)
            if sync == "all":
                sync_folder(target.parent)

    def create(self, name: str, data: bytes, *, sync: Sync) -> bool:
        """Writes beside and links, which one caller can."""
        target = self._root / name
        if self.exists(name):
            return False
        with self._beside(target, data, sync=sync) as written:
            return link(written, target, sync=sync)

    def create_from(self, name: str, fill: Callable[[Path], None]) -> bool:
        """As `create`; `fill` writes the file beside."""
        target = self._root / name
        if self.exists(name):
            return False
        with self._beside(target, b"", sync="none") as written:
            fill(written)
            with written.open("rb") as file:
                os.fsync(file.fileno())
            return link(written, target, sync="all")

    def update(self, name: str, decide: Decide) -> bool:
        """Looks and writes while it holds a lock beside the file.

        No crash leaves the lock shut. On file systems without locks nothing is held.
        """
        target = self._root / name
        try:
            with _told("write", target):
                lock = target.with_name(f".{target.name}.lock")
                handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        except StorageError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return False  # Not even its folder is there.
            raise
        try:
            with contextlib.suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX)
            with _told("read", target):
                seen = target.read_bytes() if target.exists() else None
            data = None if seen is None else decide(seen)
            if data:
                self.put(name, data, sync="all")
            elif data is not None:
                self.delete([name])
            return data is not None
        finally:
            os.close(handle)

    def read(self, name: str) -> bytes:
        """The bytes of a file."""
        target = self._root / name
        with _told("read", target):
            return target.read_bytes()

    def read_all(self, names: Sequence[str]) -> Iterator[bytes]:
        """One after another: a disk gains nothing from threads."""
        return map(self.read, names)

    def open(self, name: str) -> Path:
        """The file itself."""
        return self._root / name

    def fetch(self, names: Iterable[str]) -> None:
        """Nothing to do: the files are here."""

    def exists(self, name: str) -> bool:
        """Whether a file or folder of this name is there."""
        with _told("read", self._root / name):
            return (self._root / name).exists()

    def holds(self, folder: str) -> bool:
        """Whether it is a folder."""
        with _told("read", self._root / folder):
            return (self._root / folder).is_dir()

    def delete(self, names: Sequence[str]) -> None:
        """Removes files."""
        for name in names:
            self._unlink(self._root / name)

    def delete_empty(self, folder: str) -> None:
        """Removes a folder unless something lies in it."""
        with contextlib.suppress(OSError):
            (self._root / folder).rmdir()

    def list(self, prefix: str) -> Iterable[str]:
        """Walks the folder that the prefix names.

        A file that exists throughout the call is always listed; one that appears or goes meanwhile
        may or may not be.
        """
        folder, _, _ = prefix.rpartition("/")
        start = self._root / folder if folder else self._root
        below = f"{folder}/" if folder else ""
        with _told("list", start):
            if folder and start.is_symlink():
                raise linked(start)
        return (name for name in _walk(start, below) if name.startswith(prefix))

    def modified(self, name: str) -> float | None:
        """When a file was last written."""
        target = self._root / name
        with _told("read", target):
            try:
                return target.stat().st_mtime
            except FileNotFoundError:
                return None

    def stamp(self, name: str) -> tuple[int, Hashable]:
        """Size and time of writing."""
        state = (self._root / name).stat()
        return state.st_size, state.st_mtime_ns

    def tidy(self, *, before: float) -> int:
        """Removes hidden files and folders last written earlier."""
        removed = 0
        for hidden in _unfinished(self._root):
            with _told("delete", hidden), contextlib.suppress(FileNotFoundError):
                if hidden.stat().st_mtime >= before:
                    continue
                if hidden.is_dir():
                    shutil.rmtree(hidden, ignore_errors=True)
                else:
                    self._unlink(hidden)
                removed += 1
        return removed

    def create_folder(self, name: str, fill: Callable[[Path], None]) -> None:
        """Fills a hidden folder and renames it."""
        target = self._root / name
        hidden = _hidden(target)
        with _told("write", target):
            hidden.mkdir(parents=True)
            try:
                fill(hidden)
                hidden.rename(target)
                sync_folder(target.parent)
            finally:
                shutil.rmtree(hidden, ignore_errors=True)

    def folder(self, name: str) -> Path:
        """The folder itself."""
        return self._root / name

    def drop_folder(self, name: str) -> None:
        """Renames it out of sight before its files go."""
        path = self._root / name
        hidden = _hidden(path)
        with contextlib.suppress(OSError):  # It is gone already, or the storage refuses.
            path.rename(hidden)
        shutil.rmtree(hidden, ignore_errors=True)

    def drop_halves(self, folder: str, which: Callable[[str], bool]) -> None:
        """Removes hidden folders that were to have a name that `which` chooses.

        One that a storage in trouble does not name now goes with `tidy`, when it is old.
        """
        found: list[Path] = []
        with contextlib.suppress(OSError):
            found += (self._root / folder).glob(f".*{_UNFINISHED}")
        for path in found:
            name = path.name[1:].removesuffix(_UNFINISHED).rpartition(".")[0]
            if name and which(name):
                shutil.rmtree(path, ignore_errors=True)

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


def _hidden(path: Path) -> Path:
    """A name beside `path` that nobody looks at and nobody else has."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{_UNFINISHED}")


@contextlib.contextmanager
def _told(action: str, target: Path) -> Iterator[None]:
    """Turns what the operating system answers into an error that names path and way out."""
    try:
        yield
    except OSError as error:
        raise StorageError.from_os(action, target, error) from error


def _unfinished(root: Path) -> Iterator[Path]:
    """Hidden files and folders that somebody had not finished; what vanishes meanwhile is none."""
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files]:
            if name.startswith(".") and name.endswith((".tmp", _UNFINISHED)):
                yield Path(folder, name)
        folders[:] = [name for name in folders if not name.startswith(".")]


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
