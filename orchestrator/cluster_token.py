"""Finds the token that opens a cluster, and keeps it out of sight.

Must never print a token, nor hand it to a command line, a store or a log: errors name the file.
Ray's own variables come first, in Ray's own order; then the file that the cluster's entry names.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any, Final

from orchestrator.clusters import Cluster, find
from orchestrator.errors import InputError

__all__ = [
    "MODE_VARIABLE",
    "PATH_VARIABLE",
    "authenticate",
    "keep_private",
    "ready_to_join",
    "token_of",
]

MODE_VARIABLE: Final = "RAY_AUTH_MODE"
PATH_VARIABLE: Final = "RAY_AUTH_TOKEN_PATH"
TOKEN_VARIABLE: Final = "RAY_AUTH_TOKEN"
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def default_file() -> Path:
    """Where Ray keeps a token that nobody placed elsewhere."""
    return Path.home() / ".ray" / "auth_token"


def keep_private() -> None:
    """Makes Ray's own file readable for its owner alone: `ray get-auth-token` leaves it to all."""
    path = default_file()
    with contextlib.suppress(OSError):  # It is not there, or somebody else's.
        if path.stat().st_mode & _OTHERS:
            path.chmod(0o600)


def token_of(cluster: Cluster, *, environ: Mapping[str, str] = os.environ) -> str | None:
    """The token of a cluster; None where the environment says that it has none.

    Raises:
        InputError: there is no token, or others may read its file.
    """
    if environ.get(MODE_VARIABLE, "token").lower() != "token":
        return None
    given = environ.get(TOKEN_VARIABLE, "").strip()
    if given:
        return given
    path = _file(cluster, environ)
    if path is None:
        raise InputError(
            f"token: the cluster {cluster} is opened with a token, got none. Name its file in"
            f" {PATH_VARIABLE} or as token_file in the configuration; where the cluster really"
            f" asks for none, set {MODE_VARIABLE}=disabled."
        )
    return _read(path)


def _file(cluster: Cluster, environ: Mapping[str, str]) -> Path | None:
    named = environ.get(PATH_VARIABLE)
    if named:
        return Path(named).expanduser()
    if cluster.token_file is not None:
        return cluster.token_file
    keep_private()
    return default_file() if default_file().exists() else None


def _read(path: Path) -> str:
    try:
        with path.open() as file:
            status = os.fstat(file.fileno())
            token = file.read(4096).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no text"
        raise InputError(
            f"{path}: a file with the cluster's token is needed, got '{reason}'. Check the path."
        ) from None
    if status.st_uid == os.getuid() and status.st_mode & _OTHERS:
        raise InputError(
            f"{path}: a token is for its owner alone, got mode {stat.S_IMODE(status.st_mode):o}."
            f" Run: chmod 600 {path}"
        )
    if not token or not token.isprintable() or " " in token:
        raise InputError(f"{path}: a token is one word, got something else. Write it anew.")
    return token


def authenticate(
    cluster: Cluster | None, *, environ: MutableMapping[str, str] = os.environ
) -> None:
    """Tells Ray in this process, and what it starts, to show and to ask for the token.

    Args:
        cluster: the one to join; None: one that this process starts, whose token Ray makes.
        environ: the environment.

    Raises:
        InputError: as `token_of`.
    """
    environ.setdefault(MODE_VARIABLE, "token")
    if cluster is None and environ.get(PATH_VARIABLE) and environ[MODE_VARIABLE] == "token":
        _read(
            Path(environ[PATH_VARIABLE]).expanduser()
        )  # Ray would end the process without a word.
    if cluster is not None and token_of(cluster, environ=environ) is not None:
        path = _file(cluster, environ)
        if TOKEN_VARIABLE not in environ and path is not None:
            # The path, not the token: what stands in an environment is inherited and shown.
            environ[PATH_VARIABLE] = str(path)
    elif cluster is None:
        keep_private()
    if environ is os.environ and "ray._raylet" in sys.modules:
        _read_again()


def ready_to_join(address: str | None) -> str | None:
    """Where a driver here joins a cluster, now that this process can show its token.

    Args:
        address: of the cluster, or its name; None: what the environment says.

    Returns:
        None: nowhere, it starts Ray here.

    Raises:
        InputError: there is no such cluster, it is no place to join, or its token is missing.
    """
    cluster = find(address)
    if cluster is not None and cluster.takes_jobs:
        raise InputError(
            f"--address: a driver here joins a cluster at HOST:6379, got the job endpoint"
            f" {cluster}. `cliffsweep submit` hands the sweep to it; --address local starts Ray"
            " here."
        )
    authenticate(cluster)
    return None if cluster is None else cluster.address


def _read_again() -> None:
    """Lets a Ray that is loaded already, but in no cluster yet, hear what the environment says."""
    import ray

    raylet: Any = sys.modules["ray._raylet"]
    if not ray.is_initialized():
        raylet.Config.initialize("")
        raylet.AuthenticationTokenLoader.instance().reset_cache()
