"""Runs a user's statement in a process of its own, with limits on memory, time and rows.

Never opens a store or DuckDB itself. Each process answers one question, so that nothing of one
statement is left for the next. A fresh interpreter, not a fork: numpy and pyarrow start threads
when they are imported, and a fork copies their locks but not them.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from results.errors import LimitError, QueryError
from results.place import Place, absolute
from results.query_messages import OVER_MEMORY, Limits, Reply, Request

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Answer", "Child", "answer"]

_PROGRAM: Final = (
    "import sys; sys.path[:] = sys.argv[1:]; from results.query_worker import main; main()"
)
_CHUNK: Final = 1 << 20
_DEFAULTS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement gave.

    Attributes:
        table: its rows, all of them.
        warnings: sentences about files that were passed over because they cannot be read.
    """

    table: pa.Table
    warnings: tuple[str, ...]


def answer(
    roots: Sequence[Place],
    text: str | None,
    parameters: Mapping[str, object] | None = None,
    *,
    memory: int = _DEFAULTS.memory,
    timeout: float = _DEFAULTS.timeout,
    max_rows: int = _DEFAULTS.max_rows,
    as_of: datetime | None = None,
) -> Answer:
    """Answers one SELECT over the views of some stores, in a process of its own.

    Args:
        roots: run directories `<storage>/<sweep>`.
        text: the statement; None asks for the columns of all views.
        parameters: values by name.
        memory: bytes that the statement may use.
        timeout: seconds that it may take.
        max_rows: rows that its answer may have.
        as_of: shows the stores as they were then.

    Raises:
        LimitError: it passed one of the limits; nothing of its answer is kept.
        QueryError: refused or failed, in one line.
        NewerSchemaError: a newer version wrote one of the stores.
        StorageError: a folder cannot be listed.
    """
    request = Request(
        roots=tuple(str(absolute(root)) for root in roots),
        text=text,
        parameters=parameters or {},
        limits=Limits(memory=memory, timeout=timeout, max_rows=max_rows),
        as_of=as_of,
    )
    with Child() as child:
        return child.ask(request)


class Child:
    """A process that waits for one question; start it early, its imports take a while.

    Leave it as a context manager: it ends with the block, answered or not.
    """

    def __init__(self) -> None:
        """Starts the process."""
        paths = [path or str(Path.cwd()) for path in sys.path]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *paths],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C is for whoever asked.
        )

    def ask(self, request: Request) -> Answer:
        """Asks the one question that this process answers; see `answer` for what it raises."""
        line = request.to_line()
        try:
            out, told = self._exchange(line, seconds=request.limits.timeout)
        except TimeoutError:
            raise LimitError(request.limits.over_time()) from None
        finally:
            self.close()
        if self._process.returncode != 0:
            raise _died(self._process.returncode, told, request.limits)
        reply = Reply.from_bytes(out)
        if reply.error is not None or reply.table is None:
            raise reply.error or QueryError("sql: no answer came. Ask again.")
        return Answer(reply.table, reply.warnings)

    def stop(self) -> None:
        """Ends the process from another thread than the one that asks, which then hears so."""
        self._process.kill()

    def close(self) -> None:
        """Ends the process; closing twice is fine."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _exchange(self, line: bytes, *, seconds: float) -> tuple[bytearray, bytearray]:
        """Standard output and standard error of the process, once it has ended.

        Raises:
            TimeoutError: it has not ended in time.
        """
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        until = time.monotonic() + seconds
        left = memoryview(line)
        said = {process.stdout: bytearray(), process.stderr: bytearray()}
        os.set_blocking(process.stdin.fileno(), False)
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdin, selectors.EVENT_WRITE)
            for pipe in said:
                selector.register(pipe, selectors.EVENT_READ)
            while len(selector.get_map()) > (1 if left else 0):
                for key, _ in selector.select(max(0.0, until - time.monotonic())):
                    if key.fileobj is process.stdin:
                        left = _sent(process.stdin.fileno(), left)
                        if not left:  # Left open: its end would tell the process that we are gone.
                            selector.unregister(process.stdin)
                    elif chunk := os.read(key.fd, _CHUNK):
                        said[key.fileobj] += chunk  # type: ignore[index]
                    else:
                        selector.unregister(key.fileobj)
                if time.monotonic() > until:
                    raise TimeoutError
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        return said[process.stdout], said[process.stderr]


def _sent(pipe: int, data: memoryview) -> memoryview:
    """What is left to send; nothing where nobody reads any more."""
    try:
        return data[os.write(pipe, data) :]
    except BrokenPipeError:
        return data[:0]


def _died(code: int, told: bytes | bytearray, limits: Limits) -> QueryError:
    """Why a process ended without an answer."""
    if code == OVER_MEMORY:
        return LimitError(limits.over_memory())
    if code < 0:  # Not every library of DuckDB's bears it when memory is refused.
        name = signal.Signals(-code).name
        return LimitError(f"{limits.over_memory()} (The process ended with {name}.)")
    lines = told.decode(errors="replace").strip().splitlines()
    reason = lines[-1] if lines else f"exit code {code}"
    return QueryError(f"sql: the process of the query failed, {reason}. Simplify the query.")
