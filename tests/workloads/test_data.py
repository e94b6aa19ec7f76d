"""Data files prove what they hold; rebuild scripts refuse what is not the published source."""

import gzip
import lzma
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from workloads.data import build_austen, build_fashion_mnist
from workloads.data.files import DataError, fingerprint, read_idx, read_text, write_idx
from workloads.data.rdata import read_strings

VALUES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def test_idx_files_come_back(tmp_path: Path) -> None:
    file = tmp_path / "values.gz"
    write_idx(file, VALUES)
    again = read_idx(file, expected=fingerprint(VALUES), rebuild="Do.")
    assert again.shape == (2, 3, 4)
    assert (again == VALUES).all()
    plain = tmp_path / "values"
    plain.write_bytes(gzip.decompress(file.read_bytes()))
    assert (read_idx(plain, expected=fingerprint(VALUES), rebuild="Do.") == VALUES).all()


def test_idx_files_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in ("a.gz", "b.gz"):
        write_idx(tmp_path / name, VALUES)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"no gzip",
        gzip.compress(b"no header"),
        gzip.compress(b"\0\0\x08\x01\0\0\0\x05abc"),
        gzip.compress(b"\0\0\x08\x01\0\0\0\x03abc"),
        gzip.compress(b"\0\0\x08"),
        gzip.compress(bytes(1000))[:20],
        gzip.compress(bytes(1000), mtime=0)[:10] + b"\xff" * 30,
    ],
)
def test_wrong_idx_files_are_refused_in_one_line(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "values.gz"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_idx(file, expected="0123", rebuild="Run this.")
    message = str(caught.value)
    assert message.startswith(f"{file}: ")
    assert "0123" in message
    assert message.endswith("Run this.")
    assert "\n" not in message


@pytest.mark.parametrize("content", [None, b"", b"no xz", lzma.compress(b"other")])
def test_wrong_texts_are_refused_in_one_line(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "text.xz"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError, match=r"0123.*Run this\.$"):
        read_text(file, expected="0123", rebuild="Run this.")


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Run this"):
        read_text(tmp_path, expected="0123", rebuild="Run this.")


def test_every_data_set_has_its_licence() -> None:
    for folder in (build_austen.FILE.parent, build_fashion_mnist.FOLDER):
        assert "Permission is hereby granted" in (folder / "LICENSE").read_text()


def test_rebuilding_refuses_another_source(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="train-images"):
        build_fashion_mnist.build(build_fashion_mnist.FOLDER, folder=tmp_path)
    database = r_database(tmp_path, {name: [b"no novel"] for name in build_austen.NOVELS})
    with pytest.raises(DataError, match=r"Use janeaustenr 1\.0\.0"):
        build_austen.build(database, file=tmp_path / "text.xz")
    assert not (tmp_path / "text.xz").exists()


def r_string(text: bytes | None) -> bytes:
    flags = struct.pack(">i", 0x00040009)
    return flags + (struct.pack(">i", -1) if text is None else struct.pack(">i", len(text)) + text)


def r_strings(lines: list[bytes]) -> bytes:
    return struct.pack(">ii", 16, len(lines)) + b"".join(r_string(line) for line in lines)


def r_named(items: dict[bytes, bytes], symbol: bytes) -> bytes:
    """Encodes a list with the attribute names; `symbol` is that word's first or later mention."""
    names = struct.pack(">i", 0x402) + symbol + r_strings(list(items)) + struct.pack(">i", 254)
    return struct.pack(">ii", 0x213, len(items)) + b"".join(items.values()) + names


def r_document(item: bytes) -> bytes:
    return (
        b"X\n" + struct.pack(">iii", 3, 0x40201, 0x30500) + struct.pack(">i", 5) + b"UTF-8" + item
    )


def r_database(folder: Path, variables: dict[str, list[bytes]], kind: int = 16) -> Path:
    """Writes a lazy-load database as R does."""
    content, places = b"", {}
    for name, lines in variables.items():
        document = r_document(struct.pack(">i", kind) + r_strings(lines)[4:])
        record = struct.pack(">i", len(document)) + zlib.compress(document)
        places[name.encode()] = struct.pack(">iiii", 13, 2, len(content), len(record))
        content += record
    word = struct.pack(">i", 1) + r_string(b"names")
    again = struct.pack(">i", 0x1FF)
    first = r_named(places, word)
    index = {
        b"variables": first,
        b"references": r_named({}, again),
        b"compressed": struct.pack(">iii", 13, 1, 1),
    }
    (folder / "Rdata.rdx").write_bytes(gzip.compress(r_document(r_named(index, again))))
    (folder / "Rdata.rdb").write_bytes(content)
    return folder / "Rdata"


def test_strings_of_an_r_package(tmp_path: Path) -> None:
    variables = {"emma": [b"EMMA", b"", "£".encode()], "other": [b"x"]}
    assert read_strings(r_database(tmp_path, variables)) == variables


def test_other_r_types_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="got R type 25"):
        read_strings(r_database(tmp_path, {"emma": []}, kind=25))
    with pytest.raises(ValueError, match="character vectors"):
        read_strings(r_database(tmp_path, {"emma": [b""]}, kind=13))
    (tmp_path / "Rdata.rdx").write_bytes(gzip.compress(b"A\n"))
    with pytest.raises(ValueError, match="XDR"):
        read_strings(tmp_path / "Rdata")
