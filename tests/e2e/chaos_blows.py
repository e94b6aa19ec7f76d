"""What is done to a running sweep: which blow falls when, drawn from a seed, and how it falls.

Knows nothing of what a sweep should make of it.
"""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from tests.e2e.chaos_cluster import Nodes
from tests.e2e.chaos_disk import Disk
from tests.e2e.chaos_driver import Driver
from tests.e2e.chaos_processes import alive, descendants
from tests.e2e.chaos_sweep import NAME, progress

__all__ = ["Blow", "Scene", "draw"]

KINDS: Final = {
    "worker": 4,
    "driver": 3,
    "raylet": 3,
    "fail": 2,
    "stall": 1,
    "tear": 3,
    "fill": 2,
    "cut": 2,
}
"""Kind of blow -> how often it is drawn beside the others."""
BLOWS: Final = (3, 6)
"""Fewest and most blows of a round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """One thing that is done.

    Attributes:
        at: share of the sweep that is trained by then.
        after_s: wait behind that point, so that it falls anywhere between two steps.
        kind: one of `KINDS`.
        lasts_s: for how long calls go wrong or the disk is full.
        rate: share of the calls that go wrong.
    """

    at: float
    after_s: float
    kind: str
    lasts_s: float
    rate: float


def draw(random: Random, *, without: tuple[str, ...] = ()) -> list[Blow]:
    """The blows of a round, in order."""
    kinds = {kind: weight for kind, weight in KINDS.items() if kind not in without}
    count = random.randint(*BLOWS)
    # A tenth falls before the first step: on a driver that plans, on workers that start.
    moments = sorted(max(0.0, random.uniform(-0.1, 0.9)) for _ in range(count))
    return [
        Blow(
            at=moment,
            after_s=random.uniform(0, 6) if moment == 0 else random.uniform(0, 0.4),
            kind=random.choices([*kinds], weights=[*kinds.values()])[0],
            lasts_s=random.uniform(0.5, 3),
            rate=random.choice((0.01, 0.03, 0.1)),
        )
        for moment in moments
    ]


@dataclass(slots=True, kw_only=True)
class Scene:
    """What blows fall on.

    Attributes:
        nodes: the cluster.
        disk: the storage.
        plan: the file that tells the shims what goes wrong.
        random: whom a blow hits.
        kills: processes killed so far.
        until: when the faults end that are in force; None if none are.
    """

    nodes: Nodes
    disk: Disk
    plan: Path
    random: Random
    kills: int = 0
    until: float | None = None
    fallen: list[str] = field(default_factory=list)

    def strike(self, blow: Blow, driver: Driver) -> None:
        """Lets one blow fall."""
        self.fallen.append(f"{blow.kind}@{blow.at:.2f}")
        if blow.kind == "driver":
            driver.kill()
            self.kills += 1
        elif blow.kind == "raylet":
            if self.nodes.kill_one(self.random):
                self.fallen[-1] += "(head)"
            self.kills += 1
        elif blow.kind == "worker":
            self._kill_worker()
        elif blow.kind == "cut":
            self._cut()
            self._kill_worker()
        elif blow.kind == "fill":
            self.disk.fill()
            self.until = time.monotonic() + blow.lasts_s
        else:
            self._faults(blow)

    def calm(self, *, now: bool = False) -> None:
        """Ends faults whose time is over, or all."""
        if self.until is not None and (now or time.monotonic() >= self.until):
            self.until = None
            self.plan.unlink(missing_ok=True)
            self.disk.empty()

    def faults(self) -> int:
        """File system calls that went wrong so far."""
        log = Path(f"{self.plan}.log")
        return log.read_text().count("\n") if log.exists() else 0

    def claims(self) -> int:
        """Attempts that somebody took so far."""
        return len(list((self.disk.folder / NAME / "claims").glob("[!.]*")))

    def _faults(self, blow: Blow) -> None:
        content = {"seed": self.random.random(), "kind": blow.kind, "rate": blow.rate}
        beside = self.plan.with_suffix(".new")
        beside.write_text(json.dumps(content))
        beside.replace(self.plan)
        self.until = time.monotonic() + blow.lasts_s

    def workers(self) -> list[int]:
        """Processes that claimed an attempt and live."""
        claimed = set()
        for path in (self.disk.folder / NAME / "claims").glob("[!.]*"):
            try:
                claimed.add(int(json.loads(path.read_bytes())["pid"]))
            except (OSError, ValueError):
                continue  # Of a claim that was torn nobody knows whose it is.
        return sorted(p.pid for p in descendants() if p.pid in claimed)

    def _kill_worker(self) -> None:
        workers = self.workers()
        if workers:
            pid = self.random.choice(workers)
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
                self.kills += 1

    def _cut(self) -> None:
        """Cuts the files of a trial's newest checkpoint in half, as a bad disk would."""
        root = self.disk.folder / NAME
        found = progress(root)
        if not found:
            return
        trial = self.random.choice(sorted(found))
        for file in (root / "checkpoints" / trial).glob(f"[!.]*-{found[trial]}/*"):
            os.truncate(file, file.stat().st_size // 2)
