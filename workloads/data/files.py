"""Reads data files and proves that they hold what they should.

Must never know what the numbers mean.
"""

import gzip
import hashlib
import lzma
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = ["DataError", "Pixels", "fingerprint", "read_idx", "read_text", "verify", "write_idx"]

Pixels = npt.NDArray[np.uint8]


class DataError(RuntimeError):
    """Data that are missing or not what they should be; one line that says how to get them."""


def fingerprint(content: bytes | Pixels) -> str:
    """Returns the sha256 of decoded bytes, 64 hex digits; an array counts in C order."""
    return hashlib.sha256(content if isinstance(content, bytes) else content.tobytes()).hexdigest()


def verify(content: bytes | Pixels, *, path: Path, expected: str, rebuild: str) -> None:
    """Raises DataError where the decoded content is not the expected one.

    Args:
        content: What the file decodes to.
        path: The file, for the message.
        expected: sha256 of the right content.
        rebuild: How to get the right file, a sentence.
    """
    found = fingerprint(content)
    if found != expected:
        raise DataError(f"{path}: decodes to content of sha256 {expected}, got {found}. {rebuild}")


def _missing(path: Path, problem: str, *, expected: str, rebuild: str) -> DataError:
    return DataError(
        f"{path}: needs a readable file with content of sha256 {expected}, got {problem}. {rebuild}"
    )


def read_idx(path: Path, *, expected: str, rebuild: str) -> Pixels:
    """Reads one IDX file of unsigned bytes, gzipped or not.

    The format: two zero bytes, the type (8: unsigned byte), the number of dimensions, each
    dimension as a big-endian 32-bit integer, then the values in C order.

    Args:
        path: The file; compressed if its name ends in `.gz`.
        expected: sha256 of its values, header apart.
        rebuild: How to get the right file, a sentence.

    Raises:
        DataError: It is missing, torn, or holds other values.
    """
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        if raw[:3] != b"\0\0\x08":
            raise ValueError("no IDX header")
        dimensions = np.frombuffer(raw, ">i4", count=raw[3], offset=4).tolist()
        values = np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(dimensions).copy()
    except FileNotFoundError:
        raise _missing(path, "no such file", expected=expected, rebuild=rebuild) from None
    except (OSError, EOFError, ValueError, IndexError, zlib.error) as broken:
        raise _missing(path, str(broken), expected=expected, rebuild=rebuild) from broken
    verify(values, path=path, expected=expected, rebuild=rebuild)
    return values


def write_idx(path: Path, values: Pixels) -> None:
    """Writes unsigned bytes as a gzipped IDX file, the same bytes each time."""
    header = bytes([0, 0, 8, values.ndim]) + np.asarray(values.shape, ">i4").tobytes()
    path.write_bytes(gzip.compress(header + values.tobytes(), compresslevel=9, mtime=0))


def read_text(path: Path, *, expected: str, rebuild: str) -> bytes:
    """Reads one text file compressed by xz; arguments and errors as `read_idx`."""
    try:
        text = lzma.decompress(path.read_bytes())
    except FileNotFoundError:
        raise _missing(path, "no such file", expected=expected, rebuild=rebuild) from None
    except (OSError, EOFError, lzma.LZMAError) as broken:
        raise _missing(path, str(broken), expected=expected, rebuild=rebuild) from broken
    verify(text, path=path, expected=expected, rebuild=rebuild)
    return text
