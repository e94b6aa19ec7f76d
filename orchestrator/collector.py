"""Lets the garbage collector rest while a block lasts.

Must never know what the block does or why.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collector_rests", "set_aside"]


class _Rest:
    """The blocks that the collector rests for just now, in all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks = 0

    def begin(self) -> bool:
        """Switches it off; False where somebody else has done so."""
        with self._lock:
            if not self._blocks and not gc.isenabled():
                return False
            self._blocks += 1
            gc.disable()
            return True

    def end(self) -> None:
        """Switches it on with the last block's end."""
        with self._lock:
            self._blocks -= 1
            if not self._blocks:
                gc.enable()


_REST = _Rest()


@contextmanager
def collector_rests() -> Iterator[None]:
    """Switches the collector off while the block lasts, in all threads; one that was off stays so.

    It walks over everything again and again while objects arrive: 1 s of the 6 s that a plan of
    100 000 cells takes. Only for blocks that leave no cycles behind that could fill the memory.
    """
    if not _REST.begin():
        yield
        return
    try:
        yield
    finally:
        _REST.end()


def set_aside() -> None:
    """Takes all that there is out of the collector's walks: what lives as long as the process.

    It would walk over it once more as soon as its rest is over, and again when the process ends.
    """
    # DuckDB's bindings count what they gave out and complain at the end of what was not collected.
    if "duckdb" not in sys.modules:
        gc.freeze()
