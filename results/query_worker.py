"""The process in which one statement of a user runs: asked on standard input, answers on standard
output, and ends.

Knows nothing of time limits: whoever started it ends it, and it ends when that one is gone.
"""

from __future__ import annotations

import os
import resource
import select
import sys
import threading
from pathlib import Path
from typing import Final

import duckdb

from results.errors import LimitError, MemoryLimitError, ResultsError
from results.place import place
from results.query import open_stores
from results.query_messages import OVER_MEMORY, Reply, Request

__all__ = ["main"]

_OWN_SHARE: Final = 0.8
"""Part of the memory that DuckDB gives out itself; the rest is for what it does not count."""

_LOOK_EVERY_S: Final = 0.05


def main() -> None:
    """Answers one question and leaves."""
    # Nothing but the answer may reach the pipe, whatever a library prints.
    out = os.dup(1)
    os.dup2(2, 1)
    line = sys.stdin.buffer.readline()
    if not line:
        return
    reply = _reply(Request.from_line(line))
    try:
        with os.fdopen(out, "wb") as pipe:
            reply.write(pipe)
    except MemoryError:
        os._exit(OVER_MEMORY)
    os._exit(0)  # Without the time that freeing a large answer takes.


def _reply(request: Request) -> Reply:
    limits = request.limits
    warnings: list[str] = []
    try:
        roots = [place(root) for root in request.roots]
        share = f"{int(limits.memory * _OWN_SHARE)}B"
        with open_stores(roots, memory=share, as_of=request.as_of) as reader:
            warnings = reader.warnings
            reader.prepare(request.text)
            _confine(limits.memory)
            if request.text is None:
                table = reader.schema()
            else:
                table = reader.sql(request.text, request.parameters, max_rows=limits.max_rows)
            return Reply(table=table, warnings=tuple(warnings))
    except (MemoryError, MemoryLimitError, duckdb.OutOfMemoryException):
        error: ResultsError = LimitError(limits.over_memory())
    except ResultsError as caught:
        error = caught
    return Reply(error=error, warnings=tuple(warnings))


def _confine(memory: int) -> None:
    """From here on `memory` bytes more than now, no file of any size, no core dump."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if sys.platform == "linux":
        most = _data() + memory
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        most_resident = None
    else:  # No limit of the system counts memory there, so somebody has to look.
        most_resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + memory
    threading.Thread(target=_watch, args=(most_resident,), daemon=True).start()


def _data() -> int:
    """Bytes of private writable memory that this process has mapped, as `RLIMIT_DATA` counts."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0


def _watch(most_resident: int | None) -> None:
    """Ends this process when whoever asked is gone, or when it has grown beyond its limit."""
    while True:
        wait = None if most_resident is None else _LOOK_EVERY_S
        if select.select([0], [], [], wait)[0] and not os.read(0, 1):
            os._exit(1)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if most_resident is not None and grown > most_resident:
            os._exit(OVER_MEMORY)
