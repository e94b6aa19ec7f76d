"""What travels to a cluster with a submitted sweep: its file, its code, what to do with them.

    parcel.json      the order: versions, storage, what the command line added
    sweep/           the sweep file and, beside it, what its `files` names
    kinds/<n>/       folders of the user's kinds, in their order

Must never hold a value from an environment, nor a token: variables are named in the sweep file and
found where trials run. Nothing of the user's stands at the top, where Python would import it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from orchestrator.code import files_inside, kinds_inside
from orchestrator.spec_load import LoadedSweep

__all__ = ["Order", "digest", "pack", "read_order", "unpacked_kinds", "write_order"]

_ORDER: Final = "parcel.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the cluster is asked to do.

    Attributes:
        version: of the client's cliffsweep.
        sweep: name of the sweep.
        storage: where its run directory stands, as the cluster names it.
        file: name of the sweep file in the parcel; None: resume from the run directory alone.
        cpu: cores of a trial, instead of the file's.
        gpu: devices of a trial, instead of the file's.
        data_dir: folder of the full data sets, on the cluster.
        only: beginnings of ids of the trials to run; all where empty.
        steal: take the sweep from a driver that may still live.
        take_over: whether a submitted driver of the same sweep is asked to make room.
    """

    version: str
    sweep: str
    storage: str
    file: str | None = None
    cpu: float | None = None
    gpu: float | None = None
    data_dir: str | None = None
    only: tuple[str, ...] = ()
    steal: bool = False
    take_over: bool = False


def pack(
    folder: Path,
    order: Order,
    *,
    loaded: LoadedSweep | None = None,
    kinds: Sequence[Path] = (),
) -> None:
    """Fills an empty folder.

    Args:
        folder: where.
        order: what to do.
        loaded: the sweep file, which the order names; its files have been looked for.
        kinds: folders of the user's kinds.
    """
    content = folder / "sweep"
    content.mkdir(parents=True)
    if loaded is not None and order.file is not None:
        for name in loaded.sweep.files:
            for path in files_inside(loaded.folder / name):
                _copy(path, content / path.relative_to(loaded.folder))
        (content / order.file).write_bytes(loaded.data)
    for number, kind in enumerate(kinds):
        for path in kinds_inside(kind):
            _copy(path, folder / "kinds" / str(number) / path.relative_to(kind))
    write_order(folder, order)


def write_order(folder: Path, order: Order) -> None:
    """Puts an order into a parcel, in place of the one that may be there."""
    (folder / _ORDER).write_text(json.dumps(asdict(order), indent=1))


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)  # Its mode too: a script may be run by its name.


def digest(folder: Path) -> str:
    """12 hex digits of all that a parcel holds, but for what it says of other drivers."""
    found = blake2b(digest_size=6)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        if path == folder / _ORDER:
            order = json.loads(data)
            data = json.dumps({k: v for k, v in order.items() if k != "take_over"}).encode()
        name = path.relative_to(folder).as_posix().encode()
        for part in (name, data):
            found.update(len(part).to_bytes(8, "big") + part)
    return found.hexdigest()


def read_order(folder: Path) -> dict[str, Any]:
    """The order as it was written, maybe by another version; `Order(**it)` once that is known."""
    order: dict[str, Any] = json.loads((folder / _ORDER).read_text())
    return order | {"only": tuple(order.get("only", ()))}


def unpacked_kinds(folder: Path) -> list[Path]:
    """The folders of kinds in a parcel, in their order."""
    base = folder / "kinds"
    return sorted(base.iterdir(), key=lambda path: int(path.name)) if base.is_dir() else []
