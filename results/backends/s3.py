"""Files as objects below a prefix of a bucket, of Amazon's S3 or any service that speaks as it.

Knows nothing of what the bytes mean. What is read by its path is copied to this machine first:
files never change, so a copy stays good as long as size and tag are those that were listed.
"""

from __future__ import annotations

import io
import shutil
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Final

from results.backends import Decide
from results.backends.archive import pack, unpack
from results.backends.mirror import Mirror
from results.backends.s3_client import Client
from results.durable import Sync
from results.errors import StorageError
from results.place import Url

__all__ = ["Backend", "places_below"]

AT_ONCE: Final = 16
"""Requests under way at a time where many files are read."""

ONE_PUT: Final = 64 * 2**20
"""Bytes up to which a file is sent in one request, and so on a condition."""

_WHOLE: Final = "whole.tar"
"""A folder is one object: a bucket cannot rename, so file by file it would be seen torn."""

_OPENED: Final = 3
"""Unpacked folders that stay."""


def places_below(base: Url, marker: str) -> list[Url]:
    """Prefixes right below one that hold a folder `marker`, by name."""
    names = Client(base).folders()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        marked = pool.map(lambda name: any(Client(base / name).pages(marker)), names)
        return [base / name for name, has in zip(names, marked, strict=True) if has]


class Backend:
    """The objects below one prefix."""

    def __init__(self, url: Url, *, client: Client | None = None) -> None:
        """Names the prefix; sends nothing yet.

        Raises:
            StorageError: the extra is not installed, no credentials, no folder for copies.
        """
        self._client = client or Client(url)
        self._copies = Mirror(self._client.address)
        self.mirror = str(self._copies.root)
        self._known: dict[str, tuple[int, str]] = {}
        self._opened: OrderedDict[str, Path] = OrderedDict()

    def put(self, name: str, data: bytes, *, sync: Sync) -> None:
        """One PUT."""
        self._client.send(name, data)

    def create(self, name: str, data: bytes, *, sync: Sync) -> bool:
        """One PUT on the condition that there is no such object."""
        return self._client.send_if(name, data, mode="create")

    def create_from(self, name: str, fill: Callable[[Path], None]) -> bool:
        """As `create`; what is large goes in parts, and of two at once the later one stands."""
        with self._copies.staging() as folder:
            path = folder / "file"
            path.touch()
            fill(path)
            return self._create_from(name, path)

    def update(self, name: str, decide: Decide) -> bool:
        """PUT on the condition that the object is the one that was read, until one holds."""
        while True:
            try:
                seen, tag = self._client.get(name)
            except StorageError as error:
                if isinstance(error.__cause__, FileNotFoundError):
                    return False
                raise
            data = decide(seen)
            if data is None:
                return False
            if self._client.send_if(name, data, mode={"e_tag": tag}):
                return True

    def read(self, name: str) -> bytes:
        """One GET."""
        return self._client.get(name)[0]

    def read_all(self, names: Sequence[str]) -> Iterator[bytes]:
        """Many GETs at a time."""
        if names:
            with ThreadPoolExecutor(min(AT_ONCE, len(names))) as pool:
                yield from pool.map(self.read, names)

    def open(self, name: str) -> Path | BinaryIO:
        """The copy, if there is one; else a file whose parts are asked for one by one."""
        size, tag = self._state(name)
        if self._copies.holds(name, size=size, tag=tag):
            return self._copies.path(name)
        return io.BufferedReader(_Parts(self._client, name, size), 1 << 18)

    def fetch(self, names: Iterable[str]) -> None:
        """Copies what the mirror does not hold as it was listed last."""
        missing = [
            name
            for name in dict.fromkeys(names)
            if (known := self._known.get(name)) is None
            or not self._copies.holds(name, size=known[0], tag=known[1])
        ]
        if missing:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(self._copy, missing))

    def exists(self, name: str) -> bool:
        """One HEAD; a folder is no object."""
        try:
            self._state(name)
        except FileNotFoundError:
            return False
        return True

    def holds(self, folder: str) -> bool:
        """One page of a listing."""
        return any(self._client.pages(folder))

    def delete(self, names: Sequence[str]) -> None:
        """Many in one request."""
        if names:
            self._client.delete(list(names))

    def delete_empty(self, folder: str) -> None:
        """Nothing to do: a bucket has no folders."""

    def list(self, prefix: str) -> list[str]:
        """All names, 1 000 a request; remembers what the answer says of sizes and tags."""
        folder, _, leaf = prefix.rpartition("/")
        names = []
        for name, size, tag in self._client.pages(folder, behind=prefix[:-1] if leaf else None):
            if name.startswith(prefix):
                self._known[name] = size, tag
                if not any(part.startswith(".") for part in name.split("/")):
                    names.append(name)
            elif name > prefix:
                break
        return names

    def modified(self, name: str) -> float | None:
        """When it was written, by the service's clock."""
        try:
            return self._head(name)[2]
        except FileNotFoundError:
            return None

    def stamp(self, name: str) -> tuple[int, Hashable]:
        """Size and tag, as they were listed last."""
        return self._known.get(name) or self._state(name)

    def tidy(self, *, before: float) -> int:
        """Nothing to do: no object is ever half written."""
        return 0

    def create_folder(self, name: str, fill: Callable[[Path], None]) -> None:
        """Fills a folder of this machine and sends it as one object."""
        with self._copies.staging() as staged:
            packed = staged / _WHOLE
            pack(packed, fill)
            if not self._create_from(f"{name}/{_WHOLE}", packed):
                place = self._client.url / name
                raise StorageError(
                    f"{place}: cannot write it, it exists. Another process wrote it.", path=place
                )

    def folder(self, name: str) -> Path:
        """Unpacks what `create_folder` sent, else copies every file below the name."""
        if name in self._opened:
            self._opened.move_to_end(name)
            return self._opened[name]
        names = self.list(f"{name}/")
        if names != [f"{name}/{_WHOLE}"]:
            self.fetch(names)
            return self._copies.path(name)
        folder = self._copies.workplace()
        try:
            with self._copies.staging() as staged:
                with (staged / _WHOLE).open("w+b") as file:
                    self._client.get_into(names[0], file)
                unpack(staged / _WHOLE, folder, where=str(self._client.url / names[0]))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._opened[name] = folder
        while len(self._opened) > _OPENED:
            shutil.rmtree(self._opened.popitem(last=False)[1], ignore_errors=True)
        return folder

    def drop_folder(self, name: str) -> None:
        """Removes the object, or all below the name."""
        self.delete(self.list(f"{name}/"))
        if name in self._opened:
            shutil.rmtree(self._opened.pop(name), ignore_errors=True)

    def drop_halves(self, folder: str, which: Callable[[str], bool]) -> None:
        """Nothing to do: no object is ever half written."""

    def _create_from(self, name: str, path: Path) -> bool:
        if path.stat().st_size <= ONE_PUT:
            return self._client.send_if(name, path.read_bytes(), mode="create")
        if self.exists(name):
            return False
        self._client.send_parts(name, path)
        return True

    def _copy(self, name: str) -> None:
        try:
            self._copies.keep(name, lambda file: self._client.get_into(name, file))
        except StorageError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise

    def _state(self, name: str) -> tuple[int, str]:
        size, tag, _ = self._head(name)
        self._known[name] = size, tag
        return size, tag

    def _head(self, name: str) -> tuple[int, str, float]:
        """What a HEAD says.

        Raises:
            FileNotFoundError: there is no such object.
        """
        try:
            return self._client.head(name)
        except StorageError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise error.__cause__ from None
            raise


class _Parts(io.RawIOBase):
    """An object as a file that can be read from anywhere, each part a request."""

    def __init__(self, client: Client, name: str, size: int) -> None:
        self._client, self._name, self._size, self._at = client, name, size, 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Goes to a byte, from the start, from here, or from the end."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        """The byte that is read next."""
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Reads on from here; 0 at the end."""
        end = min(self._size, self._at + len(buffer))
        if end <= self._at:
            return 0
        data = self._client.get_range(self._name, self._at, end)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
