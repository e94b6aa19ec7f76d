"""Owns every path that the orchestrator uses: run directories, sweep files, shipped sweeps.

Knows nothing of what is in the files; the names of rows and events belong to `results`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path

from orchestrator.errors import InputError
from results.backends import run_directories as below
from results.place import Place, place
from results.store import Store

__all__ = [
    "LEASE",
    "code_name",
    "forecast_of",
    "leave_name",
    "newest_sweep_file",
    "run_directories",
    "run_directory",
    "shipped_sweeps",
    "storage_named",
    "storage_root",
    "sweep_file_name",
]

LEASE = "lease.json"
"""Name of the lease in a run directory."""

STORAGE_VARIABLE = "CLIFFSWEEP_STORAGE"
DEFAULT_STORAGE = "runs"

_STAMP = "%Y%m%dT%H%M%S%f"
_SWEEP_FILE = re.compile(r"sweep/(?P<stamp>\d{8}T\d{12})-[0-9a-f]{12}\.yaml")
_SWEEP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def storage_named(
    given: str | None = None,
    *,
    of_cluster: str | None = None,
    in_file: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> str:
    """Where run directories stand, as the user wrote it.

    Args:
        given: the flag, which comes first; then the environment.
        of_cluster: of the cluster that is meant; where there is none, of the one that the
            environment names.
        in_file: the sweep file's; then `runs`.
        environ: the environment.

    Raises:
        InputError: the environment names a cluster that is not in the user's configuration.
    """
    chosen = given or environ.get(STORAGE_VARIABLE) or of_cluster
    if not chosen and environ.get("CLIFFSWEEP_CLUSTER"):
        from orchestrator.clusters import find

        cluster = find(None, environ=environ)
        chosen = None if cluster is None else cluster.storage
    return chosen or in_file or DEFAULT_STORAGE


def storage_root(
    given: str | None = None,
    *,
    of_cluster: str | None = None,
    in_file: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Place:
    """Where run directories stand; see `storage_named`.

    Raises:
        InputError: it is a URL that no backend reads.
    """
    chosen = storage_named(given, of_cluster=of_cluster, in_file=in_file, environ=environ)
    try:
        found = place(chosen)
    except ValueError as error:
        raise InputError(f"storage: {error} Choose one with --storage.") from None
    return found.expanduser() if isinstance(found, Path) else found


def run_directory(root: Place, name: str) -> Place:
    """The run directory of a sweep; its files need not exist.

    Raises:
        InputError: the name is not one of a sweep.
    """
    if not _SWEEP_NAME.fullmatch(name):
        raise InputError(
            f"name: a sweep's name is letters, digits, '_', '-' and '.', got {name!r}."
            " `cliffsweep ls` shows those that exist."
        )
    return root / name


def leave_name(now: float) -> str:
    """The file that tells the workers of one driver, and of no other, to save and leave.

    Args:
        now: seconds since 1970, when the driver began.
    """
    return f"control/leave-{os.getpid()}-{now:.6f}"


def forecast_of(root: Place) -> tuple[Store, str]:
    """Where the forecast of a sweep is kept: a store beside its run directory, and the name in it.

    It comes before its sweep has a run directory.
    """
    return Store(root.parent / ".forecasts"), f"{root.name}.json"


def run_directories(root: Place) -> list[Place]:
    """Run directories below a storage root that hold a sweep, by name.

    Raises:
        StorageError: it cannot be listed.
    """
    return below(root, marker="sweep")


def sweep_file_name(data: bytes, now: float, *, after: str | None = None) -> str:
    """The name under which a version of a sweep file is kept.

    Args:
        data: its bytes.
        now: seconds since 1970.
        after: name of the version before, which this one comes behind whatever the clock says:
            another machine's may be ahead.
    """
    moment = datetime.fromtimestamp(now, UTC)
    earlier = _SWEEP_FILE.fullmatch(after) if after is not None else None
    if earlier is not None:
        known = datetime.strptime(earlier["stamp"], _STAMP).replace(tzinfo=UTC)
        moment = max(moment, known + timedelta(microseconds=1))
    return f"sweep/{moment.strftime(_STAMP)}-{_digest(data)}.yaml"


def newest_sweep_file(store: Store) -> str | None:
    """Name of the sweep file that was kept last, None if none was."""
    found = [name for name in store.list("sweep/") if _SWEEP_FILE.fullmatch(name)]
    return max(found, default=None)


def code_name(files: Sequence[tuple[str, bytes]]) -> str:
    """The folder under which the user's code is kept: `code/<hash of names and contents>`."""
    return f"code/{_digest(b''.join(name.encode() + bytes(1) + data for name, data in files))}"


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=6).hexdigest()


def shipped_sweeps() -> dict[str, Path]:
    """The sweep files that come with the package, by name.

    An installed wheel holds them inside the package, a checkout beside it.
    """
    here = Path(__file__).parent
    for folder in (here / "sweeps", here.parent / "sweeps"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.rglob("*.yaml"))}
    return {}
