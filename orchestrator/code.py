"""Keeps the sweep file and the user's own code in the run directory, which alone resumes a sweep.

Knows nothing of what that code does, and imports none of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from orchestrator.errors import InputError
from orchestrator.paths import code_name, newest_sweep_file, sweep_file_name
from results.store import Store

__all__ = [
    "MOST_BYTES",
    "Record",
    "files_inside",
    "folder_here",
    "keep",
    "kinds_folders",
    "kinds_inside",
    "newest_record",
    "sweep_files",
]

MOST_BYTES: Final = 100_000_000
"""Of the files that a sweep brings; what is larger is data."""


@dataclass(frozen=True, slots=True)
class Record:
    """A version of a sweep as the run directory keeps it.

    Attributes:
        name: of the sweep file there.
        data: its bytes.
        kinds: names there of folders with the user's kinds.
        files: name there of the folder with what its `files` names; None: nothing.
    """

    name: str
    data: bytes
    kinds: tuple[str, ...]
    files: str | None = None


def folder_here(store: Store, name: str) -> Path:
    """The folder of this machine with a kept folder's files.

    Args:
        store: the run directory.
        name: of the folder there; one that was never kept is named by its path.
    """
    path = Path(name)
    return path if path.is_absolute() else store.folder(name)


def newest_record(store: Store) -> Record | None:
    """The version that was started last, None if none was."""
    name = newest_sweep_file(store)
    if name is None:
        return None
    beside = _beside(name)
    known = json.loads(store.read(beside)) if store.exists(beside) else {"kinds": []}
    kinds, files = known["kinds"], known.get("files")
    for copy in (*kinds, *([] if files is None else [files])):
        store.list(f"{copy}/")  # Refuses links: this is code that is about to be run.
    return Record(
        name,
        store.read(name),
        tuple(kinds),
        files,
    )


def keep(
    store: Store,
    data: bytes,
    folders: Sequence[Path],
    *,
    now: float,
    files: Sequence[tuple[str, Path]] = (),
) -> Record:
    """Keeps a sweep file, its kinds and its files unless the newest version is the same.

    Args:
        store: the run directory.
        data: bytes of the sweep file.
        folders: of the user's kinds; copies that lie in the run directory already stay there.
        now: seconds since 1970.
        files: (name beside the sweep file, path) of files and folders that a script needs.

    Returns:
        What is kept: copies, which is what workers import and run.
    """
    copies = _keep_code(store, folders)
    kept_files = _keep_files(store, files)
    record = newest_record(store)
    name = sweep_file_name(data, now, after=None if record is None else record.name)
    new = Record(name, data, tuple(copies), kept_files)
    if record is None or replace(new, name=record.name) != record:
        beside = {"kinds": copies} | ({} if kept_files is None else {"files": kept_files})
        store.put(_beside(name), json.dumps(beside).encode())
        store.put(name, data)
        return new
    return record


def _beside(name: str) -> str:
    return name.removesuffix(".yaml") + ".json"


def kinds_folders(declared: Sequence[str], *, base: Path, given: Sequence[str] = ()) -> list[Path]:
    """The folders of the user's kinds: the sweep file's, beside it, then those of `--kinds`.

    Raises:
        InputError: one of them is missing.
    """
    found = [base / name for name in declared] + [Path(name) for name in given]
    for folder in found:
        if not folder.is_dir():
            raise InputError(
                f"kinds: a folder <family>/<kind>.py is needed, got {str(folder)!r}, which is not"
                " there. Correct the path."
            )
    return [folder.resolve() for folder in dict.fromkeys(found)]


def sweep_files(declared: Sequence[str], *, base: Path) -> list[Path]:
    """What the sweep file lists under `files`.

    Raises:
        InputError: one of them is missing, leads outside, or they are too large to be copied.
    """
    found = [base / name for name in declared]
    for path in found:
        if not path.exists():
            raise InputError(
                f"files: a file or folder beside the sweep file is needed, got {path.name!r}, which"
                f" is not in {base}. Correct the path."
            )
    size = 0
    for path in (inside for one in found for inside in files_inside(one)):
        if base.resolve() not in path.resolve().parents:
            raise InputError(
                f"files: they lie below {base}, got {path}, a link that leads out. Copy it there."
            )
        size += path.stat().st_size
    if size > MOST_BYTES:
        raise InputError(
            f"files: at most {MOST_BYTES // 10**6} MB are copied for each sweep, got"
            f" {size // 10**6} MB. Keep data elsewhere and name their folder with --data."
        )
    return found


def files_inside(path: Path) -> list[Path]:
    """The file, or all files of the folder but hidden ones and compiled Python."""
    if path.is_file():
        return [path]
    return [
        one
        for one in sorted(path.rglob("*"))
        if one.is_file()
        and not any(part[0] == "." or part == "__pycache__" for part in one.relative_to(path).parts)
    ]


def kinds_inside(folder: Path) -> list[Path]:
    """All kinds of a folder of the user's: `<family>/<kind>.py`."""
    return [
        path
        for path in sorted(folder.glob("*/*.py"))
        if not path.name.startswith(".") and not path.parent.name.startswith(".")
    ]


def _keep_files(store: Store, files: Sequence[tuple[str, Path]]) -> str | None:
    """Copies files below `code/<hash>/files` and returns that name; None: there are none."""
    found = {
        (name if path.is_file() else f"{name}/{inside.relative_to(path).as_posix()}"): inside
        for name, path in files
        for inside in files_inside(path)
    }
    if not found:
        return None
    contents = [(f"files/{name}", path.read_bytes()) for name, path in sorted(found.items())]
    folder = code_name(contents)
    for inside, data in contents:
        if not store.exists(f"{folder}/{inside}"):
            store.create(f"{folder}/{inside}", data)
    return f"{folder}/files"


def _keep_code(store: Store, folders: Sequence[Path]) -> list[str]:
    """Copies the kinds below `code/<hash>/` and returns the names of the copies."""
    files = [
        (f"{number}/{path.relative_to(folder).as_posix()}", path.read_bytes())
        for number, folder in enumerate(folders)
        for path in kinds_inside(folder)
    ]
    if not files:
        return []
    name = code_name(files)
    for inside, data in files:
        if not store.exists(f"{name}/{inside}"):
            store.create(f"{name}/{inside}", data)
    return [f"{name}/{number}" for number in range(len(folders))]
