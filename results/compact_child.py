"""Folds finished trials in a process of its own, which takes all its memory with it when it ends.

A driver that compacts itself keeps some 10 KB of every trial: what libraries do not give back.
Knows nothing of when it is worth it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

from results.compact import compact
from results.errors import ResultsError, StorageError
from results.ledger import Ledger
from results.place import absolute, place
from results.store import Store

__all__ = ["compact_apart", "main"]

_PROGRAM: Final = (
    "import sys; sys.path[:] = sys.argv[3:]; from results.compact_child import main; "
    "main(sys.argv[1], sweep=sys.argv[2])"
)


def compact_apart(store: Store, *, sweep: str) -> tuple[str, ...]:
    """Folds what finished and deletes what is superseded, in another process; waits for it.

    Args:
        store: the run directory.
        sweep: its name.

    Returns:
        Sentences about files that were left alone because they cannot be read.

    Raises:
        StorageError: it could not be done; the store is as it was.
    """
    paths = [path or str(Path.cwd()) for path in sys.path]
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(absolute(store.root)), sweep, *paths],
        stdin=subprocess.PIPE,  # Left open: its end tells the process that we are gone.
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        start_new_session=True,  # Ctrl-C is for the driver, which waits.
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read().decode(errors="replace").strip().splitlines()
    last = said[-1] if said else f"its process ended with {process.returncode}"
    if process.returncode:
        raise StorageError(last, path=store.root)
    return tuple(json.loads(last))


def main(root: str, *, sweep: str) -> None:
    """Works, prints one line, and leaves: a JSON list of sentences, or why it failed and code 1."""
    threading.Thread(target=_leave_with_the_driver, daemon=True).start()
    store = Store(place(root))
    try:
        told = compact(store, sweep=sweep).warnings
        Ledger(store, sweep=sweep).sweep_superseded()
    except (ResultsError, MemoryError) as error:
        print(str(error) or "memory ran out", flush=True)
        os._exit(1)
    print(json.dumps(told), flush=True)
    os._exit(0)  # Without the time that a database takes to close.


def _leave_with_the_driver() -> None:
    """Ends this process when whoever started it is gone; half-written files are tidied later."""
    while os.read(0, 1):
        pass
    os._exit(1)
