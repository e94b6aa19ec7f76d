"""Reads the strings of a lazy-load database, the files in which R packages keep their data.

Must never know which package; it is used by rebuild scripts alone.

Format: R Internals, section 1.8 "Serialization Formats" (XDR, versions 2 and 3). The index
`<name>.rdx` is a compressed list that says where in `<name>.rdb` each variable stands; there each
is a 4-byte big-endian length and a zlib stream.
"""

import gzip
import struct
import zlib
from pathlib import Path

__all__ = ["read_strings"]

_SYMBOL, _PAIRLIST, _STRING, _LOGICAL, _INTEGER, _REAL = 1, 2, 9, 10, 13, 14
_STRINGS, _LIST, _NULL, _REFERENCE = 16, 19, 254, 255


class _Reader:
    """Decodes one serialized value; lists with names become dicts, attributes are else dropped."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.at = raw, 0
        self.symbols: list[object] = []

    def integer(self) -> int:
        return int(self._unpack(">i"))

    def _unpack(self, layout: str) -> float:
        (value,) = struct.unpack_from(layout, self.raw, self.at)
        self.at += struct.calcsize(layout)
        return value  # type: ignore[no-any-return]

    def document(self) -> object:
        if self.raw[:2] != b"X\n":
            raise ValueError(f"needs R's XDR serialization, got {self.raw[:2]!r}. Use saveRDS.")
        self.at = 2
        version, _, _ = self.integer(), self.integer(), self.integer()
        if version == 3:
            self._bytes(self.integer())  # the native encoding
        return self.item()

    def item(self) -> object:
        flags = self.integer()
        kind, has_attributes, has_tag = flags & 0xFF, bool(flags & 0x200), bool(flags & 0x400)
        if kind == _NULL:
            return None
        if kind == _REFERENCE:
            return self.symbols[(flags >> 8) - 1]
        if kind == _SYMBOL:
            self.symbols.append(self.item())
            return self.symbols[-1]
        if kind == _STRING:
            return self._characters()
        if kind == _PAIRLIST:
            return self._pairs(has_attributes=has_attributes, has_tag=has_tag)
        values = self._vector(kind)
        attributes = self.item() if has_attributes else None
        names = attributes.get("names") if isinstance(attributes, dict) else None
        return dict(zip(names, values, strict=True)) if names else values

    def _characters(self) -> bytes | None:
        length = self.integer()
        return None if length == -1 else self._bytes(length)

    def _bytes(self, length: int) -> bytes:
        self.at += length
        return self.raw[self.at - length : self.at]

    def _pairs(self, *, has_attributes: bool, has_tag: bool) -> dict[str, object]:
        if has_attributes:
            self.item()
        tag = self.item() if has_tag else b""
        assert isinstance(tag, bytes)
        first = {tag.decode(): self.item()}
        rest = self.item()
        return first | rest if isinstance(rest, dict) else first

    def _vector(self, kind: int) -> list[object]:
        length = self.integer()
        if kind in (_LOGICAL, _INTEGER):
            return [self.integer() for _ in range(length)]
        if kind == _REAL:
            return [self._unpack(">d") for _ in range(length)]
        if kind in (_STRINGS, _LIST):
            return [self.item() for _ in range(length)]
        raise ValueError(
            f"needs lists, strings and numbers, got R type {kind}. Extend this reader."
        )


def read_strings(database: Path) -> dict[str, list[bytes]]:
    """Returns every character vector of a lazy-load database, as encoded bytes by name.

    Args:
        database: Path without the suffixes `.rdx` and `.rdb`.

    Raises:
        FileNotFoundError: One of the two files is missing.
        ValueError: They hold something else than character vectors.
    """
    index = _Reader(gzip.decompress(database.with_suffix(".rdx").read_bytes())).document()
    content = database.with_suffix(".rdb").read_bytes()
    assert isinstance(index, dict)
    found: dict[str, list[bytes]] = {}
    for name, (start, length) in index[b"variables"].items():
        values = _Reader(zlib.decompress(content[start + 4 : start + length])).document()
        if not isinstance(values, list) or not all(isinstance(line, bytes) for line in values):
            raise ValueError(f"needs character vectors, got another type in {name!r}.")
        found[name.decode()] = values
    return found
