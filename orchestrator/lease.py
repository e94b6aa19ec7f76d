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
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from orchestrator.errors import LeaseError
from orchestrator.paths import LEASE
from results.errors import ResultsError
from results.store import Store

__all__ = ["BEAT_S", "DEAD_AFTER_S", "LOST_AFTER_S", "NOT_RENEWED", "Holder", "Lease", "holder_of"]

BEAT_S: Final = 5.0
"""Seconds between beats."""
DEAD_AFTER_S: Final = 30.0
"""Seconds of the observer's clock without a new beat after which a distant holder is dead."""
LOST_AFTER_S: Final = 15.0
"""Seconds without a successful beat after which the holder itself starts nothing more."""
NOT_RENEWED: Final = (
    f"a driver renews its lease every {BEAT_S:g} s, got no renewal for {LOST_AFTER_S:g} s, so that"
    " another may have it now. See `cliffsweep status`, then resume."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a lease: a process, told apart from a later one of the same number.

    Attributes:
        host: name of its machine, for people.
        boot_id: the boot of that machine, and the container that its process numbers belong to.
        pid: its number there.
        process_start: when it started, in clock ticks since the boot.
        beat: goes up every 5 s while it lives.
    """

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
        if self.boot_id != _boot_id():
            return False
        start = _process_start(self.pid)
        known = "" not in (start, self.process_start)
        return start is None or (known and start != self.process_start)


class Lease:
    """The lease of one run directory: acquire, beat in the background, release."""

    def __init__(
        self,
        store: Store,
        *,
        steal: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
        wait: Callable[[float], Any] = time.sleep,
    ) -> None:
        """Names the run directory.

        Args:
            store: the run directory.
            steal: take it from a living driver, which then starts nothing more.
            monotonic: seconds of a clock that never jumps.
            wait: passes a number of seconds.
        """
        self._store = store
        self._steal = steal
        self._monotonic = monotonic
        self._wait = wait
        self._me = Holder.this_process()
        self._renewed = 0.0
        self._lost = False
        self._released = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def lost(self) -> bool:
        """Whether it was not renewed for so long that others may take it; once so, for good."""
        self._lost = self._lost or self._monotonic() - self._renewed > LOST_AFTER_S
        return self._lost

    def acquire(self) -> None:
        """Takes the lease, over a dead holder if need be.

        Raises:
            LeaseError: a living driver holds it.
            StorageError: the run directory cannot be read or written.
        """
        while not self._store.create(LEASE, self._content()):
            seen = self._read()
            if seen is None:
                continue
            if not seen:  # Given back, where a file cannot be removed on a condition.
                if self._store.update(LEASE, lambda now: None if now else self._content()):
                    break
                continue
            holder = None if self._steal else _holder_of(seen)
            if holder is not None and not holder.vanished() and not self._stands_still(seen):
                raise LeaseError(
                    f"{self._store.root.name}: one driver works on a sweep, got another on"
                    f" {holder.host} (pid {holder.pid}). Wait for it, or end it and resume."
                )
            self._remove(seen)
        self._renewed = self._monotonic()
        self._lost = False
        self._released.clear()
        self._thread = threading.Thread(target=self._beat_often, name="lease", daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Gives the lease back; harmless if it was lost meanwhile, or never held."""
        if self._thread is None:
            return
        self._released.set()
        self._thread.join()
        self._thread = None
        self._store.update(LEASE, lambda now: b"" if self._is_mine(now) else None)

    def __enter__(self) -> Lease:
        self.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def _content(self) -> bytes:
        return json.dumps(asdict(self._me), indent=1).encode()

    def _read(self) -> bytes | None:
        """The lease as it stands now; None if nobody holds it."""
        try:
            return self._store.read(LEASE)
        except ResultsError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise

    def _is_mine(self, content: bytes) -> bool:
        holder = _holder_of(content)
        return holder is not None and holder.same_process(self._me)

    def _stands_still(self, seen: bytes) -> bool:
        """Watches a holder on another boot; true when its beat did not change for 30 s."""
        holder = _holder_of(seen)
        if holder is not None and holder.boot_id == _boot_id():
            return False
        until = self._monotonic() + DEAD_AFTER_S
        while self._monotonic() < until:
            self._wait(1.0)
            if self._read() != seen:
                return False
        return True

    def _remove(self, dead: bytes) -> None:
        """Removes a lease that nobody lives to hold, unless somebody else was quicker.

        Nobody else looks or writes between, since another observer may have removed it after our
        look and have made its own.
        """
        self._store.update(LEASE, lambda now: b"" if now == dead else None)

    def _beat_often(self) -> None:
        while not self._released.wait(BEAT_S):
            # What the storage refuses now it may take at the next beat.
            with suppress(ResultsError):
                if not self.beat():
                    return  # Taken over: `lost` turns true as time passes.

    def beat(self) -> bool:
        """Shows that the holder lives; a thread does so every 5 s.

        Returns:
            False if somebody else holds the lease now.

        Raises:
            StorageError: it could not be written.
        """
        self._me = replace(self._me, beat=self._me.beat + 1)
        mine = self._content()
        if not self._store.update(LEASE, lambda now: mine if self._is_mine(now) else None):
            return False
        self._renewed = self._monotonic()
        return True


def holder_of(store: Store) -> Holder | None:
    """Who holds the lease of a run directory, dead or alive; None if nobody does.

    Raises:
        StorageError: the run directory cannot be read.
    """
    try:
        return _holder_of(store.read(LEASE))
    except ResultsError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise


def _holder_of(content: bytes) -> Holder | None:
    """Reads a lease; None where it is none, so that nobody can hold it."""
    try:
        holder = Holder(**json.loads(content))
    except (ValueError, TypeError, RecursionError):
        return None
    numbers = (holder.pid, holder.beat)
    texts = (holder.host, holder.boot_id, holder.process_start)
    whole = all(type(number) is int for number in numbers) and holder.pid > 0
    return holder if whole and all(isinstance(text, str) for text in texts) else None


def _boot_id() -> str:
    """Where process numbers mean the same: a boot, and on it a container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


def _process_start(pid: int) -> str | None:
    """When a process started, in clock ticks since boot.

    Returns:
        None if there is no such process; empty where the system does not tell when it started.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "" if _answers(pid) else None
    return None if fields[0] == "Z" else fields[19]


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True
