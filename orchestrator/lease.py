"""Lets one driver at a time work on a run directory.

Knows nothing of what the driver does. Timestamps of different machines are never compared: a
holder elsewhere is dead when its beat stood still for 30 s on the observer's own clock.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from orchestrator.errors import LeaseError
from orchestrator.paths import LEASE
from results.errors import ResultsError
from results.store import Store

__all__ = ["BEAT_S", "DEAD_AFTER_S", "Holder", "Lease"]

BEAT_S: Final = 5.0
"""Seconds between beats."""
DEAD_AFTER_S: Final = 30.0
"""Seconds of the observer's clock without a new beat after which a distant holder is dead."""
LOST_AFTER_S: Final = 15.0
"""Seconds without a successful beat after which the holder itself starts nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a lease: a process, told apart from a later one of the same number."""

    host: str
    boot_id: str
    pid: int
    process_start: str
    beat: int = 0

    @classmethod
    def this_process(cls) -> Holder:
        """The process that asks."""
        return cls(
            host=socket.gethostname(),
            boot_id=_boot_id(),
            pid=os.getpid(),
            process_start=_process_start(os.getpid()) or "",
        )

    def same_process(self, other: Holder) -> bool:
        """Whether both are one process."""
        return (self.boot_id, self.pid, self.process_start) == (
            other.boot_id,
            other.pid,
            other.process_start,
        )

    def vanished(self) -> bool:
        """Whether it ran on this boot and is gone; False where that cannot be known."""
        return self.boot_id == _boot_id() and _process_start(self.pid) != self.process_start


class Lease:
    """The lease of one run directory: acquire, beat in the background, release."""

    def __init__(
        self,
        store: Store,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wait: Callable[[float], Any] = time.sleep,
    ) -> None:
        """Names the run directory.

        Args:
            store: the run directory.
            monotonic: seconds of a clock that never jumps.
            wait: passes a number of seconds.
        """
        self._store = store
        self._monotonic = monotonic
        self._wait = wait
        self._me = Holder.this_process()
        self._renewed = 0.0
        self._released = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def lost(self) -> bool:
        """Whether the lease could not be renewed for so long that others may take it."""
        return self._monotonic() - self._renewed > LOST_AFTER_S

    def acquire(self) -> None:
        """Takes the lease, over a dead holder if need be.

        Raises:
            LeaseError: a living driver holds it.
        """
        while not self._store.create(LEASE, self._content()):
            holder = self._holder()
            if holder is None:
                continue
            if not holder.vanished() and not self._stands_still(holder):
                raise LeaseError(
                    f"{self._store.root.name}: one driver works on a sweep, got another on"
                    f" {holder.host} (pid {holder.pid}). Wait for it, or end it and resume."
                )
            self._take_over(holder)
        self._renewed = self._monotonic()
        self._thread = threading.Thread(target=self._beat_often, name="lease", daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Gives the lease back; harmless if it was lost meanwhile."""
        self._released.set()
        if self._thread is not None:
            self._thread.join()
        holder = self._holder()
        if holder is not None and holder.same_process(self._me):
            self._store.delete(LEASE)

    def __enter__(self) -> Lease:
        self.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def _content(self) -> bytes:
        return json.dumps(asdict(self._me), indent=1).encode()

    def _holder(self) -> Holder | None:
        """Who holds the lease now; None if nobody does."""
        try:
            return Holder(**json.loads(self._store.read(LEASE)))
        except (ResultsError, ValueError, TypeError):
            if self._store.exists(LEASE):
                self._store.delete(LEASE)  # Not a lease: nobody can hold it.
            return None

    def _stands_still(self, holder: Holder) -> bool:
        """Watches a holder on another boot; true when its beat did not change for 30 s."""
        if holder.boot_id == _boot_id():
            return False
        until = self._monotonic() + DEAD_AFTER_S
        while self._monotonic() < until:
            self._wait(1.0)
            if self._holder() != holder:
                return False
        return True

    def _take_over(self, dead: Holder) -> None:
        """Removes a dead holder's lease, unless somebody else was quicker.

        The file is moved aside under a name that only one process can take, then looked at: who
        moved a living lease by mistake puts it back.
        """
        path = self._store.path(LEASE)
        aside = path.parent / f".{LEASE}.{dead.pid}-{dead.beat}.tmp"
        try:
            path.rename(aside)
            moved = Holder(**json.loads(aside.read_bytes()))
            if moved != dead:
                os.link(aside, path)
        except (OSError, ValueError, TypeError):
            pass
        finally:
            aside.unlink(missing_ok=True)

    def _beat_often(self) -> None:
        while not self._released.wait(BEAT_S):
            try:
                holder = self._holder()
                if holder is None or not holder.same_process(self._me):
                    return  # Taken over: `lost` turns true as time passes.
                self._me = Holder(**(asdict(self._me) | {"beat": self._me.beat + 1}))
                self._store.put(LEASE, self._content())
                self._renewed = self._monotonic()
            except ResultsError:
                continue


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return socket.gethostname()


def _process_start(pid: int) -> str | None:
    """When a process started, in clock ticks since boot; None if there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]
