"""Finds every process that descends from this one, those whose parents died among them.

Knows nothing of what they do. Linux only: it makes this process the one to which orphans fall.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Process", "adopt_orphans", "alive", "descendants", "reap", "wait_gone"]

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Process:
    """A living process: its number, its parent's, and its command line."""

    pid: int
    parent: int
    command: str


def adopt_orphans() -> None:
    """Lets descendants whose parents die become children of this process, not of the first one.

    So nobody gets out of sight.
    """
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot adopt orphans")


def descendants(root: int | None = None) -> list[Process]:
    """All living processes below one, this one by default; unmissed dead ones are left out."""
    root = root or os.getpid()
    found = {process.pid: process for process in map(_read, _pids()) if process is not None}
    below = {root}
    while True:
        more = {p.pid for p in found.values() if p.parent in below} - below
        if not more:
            return [found[pid] for pid in sorted(below) if pid in found and pid != root]
        below |= more


def alive(pid: int) -> bool:
    """Whether a process lives."""
    return _read(pid) is not None


def wait_gone(chosen: Callable[[Process], bool], *, seconds: float) -> list[Process]:
    """Waits until no descendant is chosen, and returns those that are still there."""
    until = time.monotonic() + seconds
    while (left := [process for process in descendants() if chosen(process)]) and (
        time.monotonic() < until
    ):
        time.sleep(0.1)
    return left


def reap() -> None:
    """Lets the dead that fell to this process go; who waits for one of them finds it gone."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _read(pid: int) -> Process | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (OSError, UnicodeDecodeError):
        return None
    return None if fields[0] == "Z" else Process(pid, int(fields[1]), command.strip())
