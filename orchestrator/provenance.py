"""Says which code, packages and machine a result comes from.

Must never fail a sweep: what cannot be found out is None.
"""

from __future__ import annotations

import functools
import platform
import socket
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

__all__ = ["Code", "code_version", "host", "package_versions"]

_PACKAGES = ("cliffsweep", "ray", "torch", "pyarrow", "duckdb", "pydantic", "numpy")


@dataclass(frozen=True, slots=True)
class Code:
    """The commit of a folder's code, and whether it had uncommitted changes."""

    commit: str | None
    dirty: bool | None


def code_version(folder: Path) -> Code:
    """Asks git about the repository that holds `folder`."""
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return Code(None, None)
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return Code(commit, None if changed is None else bool(changed))


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


@functools.cache
def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide results."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def host() -> str:
    """The name of this machine."""
    return socket.gethostname()
