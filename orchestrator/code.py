"""Keeps the sweep file and the user's own kinds in the run directory, which alone resumes a sweep.

Knows nothing of what the kinds do, and imports none of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import InputError
from orchestrator.paths import code_name, newest_sweep_file, sweep_file_name
from results.store import Store

__all__ = ["Record", "keep", "kinds_folders", "newest_record"]


@dataclass(frozen=True, slots=True)
class Record:
    """A version of a sweep as the run directory keeps it.

    Attributes:
        name: of the sweep file there.
        data: its bytes.
        kinds: folders of the user's kinds there.
    """

    name: str
    data: bytes
    kinds: tuple[Path, ...]


def newest_record(store: Store) -> Record | None:
    """The version that was started last, None if none was."""
    name = newest_sweep_file(store)
    if name is None:
        return None
    beside = _beside(name)
    kinds = json.loads(store.read(beside))["kinds"] if store.exists(beside) else []
    for kind in kinds:
        store.list(f"{kind}/")  # Refuses links: this is code that is about to be imported.
    return Record(name, store.read(name), tuple(store.path(kind) for kind in kinds))


def keep(store: Store, data: bytes, folders: Sequence[Path], *, now: float) -> tuple[Path, ...]:
    """Keeps a sweep file and its kinds unless the newest version is the same.

    Args:
        store: the run directory.
        data: bytes of the sweep file.
        folders: of the user's kinds; copies that lie in the run directory already stay there.
        now: seconds since 1970.

    Returns:
        The copies of the folders, which is what workers import.
    """
    copies = _keep_code(store, folders)
    record = newest_record(store)
    kinds = tuple(store.path(copy) for copy in copies)
    if record is None or record.data != data or record.kinds != kinds:
        name = sweep_file_name(data, now, after=None if record is None else record.name)
        store.put(_beside(name), json.dumps({"kinds": copies}).encode())
        store.put(name, data)
    return kinds


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


def _keep_code(store: Store, folders: Sequence[Path]) -> list[str]:
    """Copies the kinds below `code/<hash>/` and returns the names of the copies."""
    files = [
        (f"{number}/{path.relative_to(folder).as_posix()}", path.read_bytes())
        for number, folder in enumerate(folders)
        for path in sorted(folder.glob("*/*.py"))
        if not path.name.startswith(".") and not path.parent.name.startswith(".")
    ]
    if not files:
        return []
    name = code_name(files)
    for inside, data in files:
        if not store.exists(f"{name}/{inside}"):
            store.create(f"{name}/{inside}", data)
    return [f"{name}/{number}" for number in range(len(folders))]
