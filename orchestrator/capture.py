"""Keeps what a worker prints during an attempt, in pieces that anyone with the store can read.

Must never know what is printed, and must never fail a trial: what cannot be kept is lost.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from results.errors import ResultsError
from results.store import Store

__all__ = ["Piece", "captured", "pieces"]

EVERY_S: Final = 1.0
"""Longest time that a line waits until others can read it."""
LIMIT: Final = 10_000_000
"""Bytes kept of an attempt; of what comes behind nothing is kept but a sentence."""

_PIECE = re.compile(r"logs/(?P<trial>[^/]+)/a(?P<attempt>[0-9]+)\.(?P<number>[0-9]{6})\.txt")
_FULL: Final = f"\n[cliffsweep: output beyond {LIMIT} bytes is not kept]\n".encode()


@dataclass(frozen=True, slots=True, order=True)
class Piece:
    """Some lines of an attempt's output, by attempt and number in order."""

    attempt: int
    number: int
    name: str


def pieces(store: Store, trial_id: str) -> list[Piece]:
    """What is kept of a trial's output, in order.

    Raises:
        StorageError: the folder cannot be listed.
    """
    matches = filter(None, map(_PIECE.fullmatch, store.list(f"logs/{trial_id}/")))
    return sorted(Piece(int(m["attempt"]), int(m["number"]), m[0]) for m in matches)


@contextlib.contextmanager
def captured(store: Store, *, trial_id: str, attempt: int) -> Iterator[None]:
    """Keeps everything that this process, and what it starts, prints while the block lasts.

    For a process that does nothing but run this attempt: both streams are taken whole.
    """
    source, sink = os.pipe()
    before = {stream: os.dup(stream) for stream in (1, 2)}
    log = _Log(store, f"logs/{trial_id}/a{attempt}")
    reader = threading.Thread(target=log.read, args=(source,), name="capture", daemon=True)
    writer = threading.Thread(target=log.write_often, name="capture", daemon=True)
    _flush()
    for stream in before:
        os.dup2(sink, stream)
    os.close(sink)
    reader.start()
    writer.start()
    try:
        yield
    finally:
        _flush()
        for stream, kept in before.items():
            os.dup2(kept, stream)
            os.close(kept)
        # A process that outlives the trial may hold the pipe open; nobody waits for it.
        reader.join(timeout=EVERY_S)
        log.over.set()
        writer.join()


class _Log:
    """The pieces of one attempt."""

    def __init__(self, store: Store, prefix: str) -> None:
        self.over = threading.Event()
        self._store = store
        self._prefix = prefix
        self._lock = threading.Lock()
        self._waiting = bytearray()
        self._kept = 0
        self._number = 0

    def read(self, source: int) -> None:
        """Takes in bytes until nobody can write any more."""
        with open(source, "rb", buffering=0) as stream:
            while data := stream.read(65_536):
                with self._lock:
                    room = LIMIT - self._kept
                    if room > 0:
                        self._waiting += data[:room] + (_FULL if len(data) > room else b"")
                        self._kept += len(data)

    def write_often(self) -> None:
        """Writes a piece a second, if there is anything new."""
        while not self.over.wait(EVERY_S):
            self._write()
        self._write()

    def _write(self) -> None:
        with self._lock:
            data, self._waiting = bytes(self._waiting), bytearray()
        if data:
            with contextlib.suppress(ResultsError):
                self._store.put(f"{self._prefix}.{self._number:06d}.txt", data, sync="none")
            self._number += 1


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
