"""One round: a sweep that is struck while it runs, resumed until it is done, and looked at.

Knows nothing of other rounds.
"""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from orchestrator import actions
from tests.e2e.chaos_blows import Blow, Scene, draw
from tests.e2e.chaos_cluster import Nodes, is_ours
from tests.e2e.chaos_disk import Disk
from tests.e2e.chaos_driver import Driver
from tests.e2e.chaos_processes import wait_gone
from tests.e2e.chaos_sweep import CELLS, NAME, STEPS, Kept, Verdict, compare, kept, progress

__all__ = ["Round", "burn"]

MOST_LIVES: Final = 20
CALM_LIVES: Final = 1
"""Drivers that nothing disturbs, of which one must finish the sweep."""
ORPHANS_S: Final = 60.0
"""Longest time that a worker lives behind its driver."""
OLD_S: Final = 7200
"""Age at which what a dead process left half written is removed, and more."""


@dataclass(slots=True)
class Round:
    """What a round found.

    Attributes:
        seed: draws it again.
        verdict: what is wrong.
        kills: processes killed.
        faults: file system calls that went wrong.
        lives: exit code of every driver.
        fallen: the blows, in order.
        said: the last line of every driver that did not end well, unless it was killed.
        left_out: why the disk was not filled; None where it could be.
        seconds: what took how long.
    """

    seed: int
    verdict: Verdict
    kills: int = 0
    faults: int = 0
    lives: list[int] = field(default_factory=list)
    fallen: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    left_out: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Adds the time of a block to what it was spent on."""
        since = time.monotonic()
        try:
            yield
        finally:
            self.took(what, since)

    def took(self, what: str, since: float) -> None:
        """Adds the time since a moment to what it was spent on."""
        self.seconds[what] = self.seconds.get(what, 0.0) + time.monotonic() - since


def burn(seed: int, *, folder: Path, rays: Path, sweep: Path, calm: Kept) -> Round:
    """Runs one round, on a cluster of its own.

    Args:
        seed: draws the blows.
        folder: an empty one, for the storage and what drivers say.
        rays: a folder for Ray's own files.
        sweep: the sweep file.
        calm: what an undisturbed run stored.
    """
    done = Round(seed, Verdict())
    with done.timed("cluster"):
        nodes = Nodes(rays)
    disk = Disk(folder / "disk")
    done.left_out = disk.refused
    try:
        plan = Path(os.environ["CHAOS_PLAN"])
        scene = Scene(nodes=nodes, disk=disk, plan=plan, random=Random(seed), fallen=done.fallen)
        try:
            _live(done, scene, sweep, folder / "said.txt")
        finally:
            scene.calm(now=True)
        done.kills, done.faults = scene.kills, scene.faults()
        with done.timed("orphans"):
            left = wait_gone(is_ours, seconds=ORPHANS_S)
        done.verdict.problems += [f"orphan {p.pid}: {p.command[:200]}" for p in left]
        with done.timed("look"):
            _look(done, disk.folder, calm)
    finally:
        with done.timed("cluster"):
            left = nodes.stop()
        disk.unmount()
    done.verdict.problems += [f"outlived the cluster: {p.command[:200]}" for p in left]
    return done


def _live(done: Round, scene: Scene, sweep: Path, said: Path) -> None:
    """Lets driver after driver live until one ends well, blows falling on the way."""
    waiting = draw(scene.random, without=("fill",) if scene.disk.refused else ())
    calm = 0
    while len(done.lives) < MOST_LIVES and calm < CALM_LIVES:
        calm += not waiting and scene.until is None
        driver = Driver(sweep, scene.disk.folder, address=scene.nodes.address, said=said)
        clock, before, starting = driver.began, scene.claims(), True
        while driver.code is None:
            scene.calm()
            if starting and scene.claims() > before:
                starting = False
                done.took("start", clock)
                clock = time.monotonic()
            if waiting and _reached(waiting[0], scene, driver):
                scene.strike(waiting.pop(0), driver)
            time.sleep(0.02)
        done.took("start" if starting else "train", clock)
        done.lives.append(driver.code)
        if driver.code == 0:
            return
        _listen(done, driver)
    done.verdict.problems.append(f"not done after drivers that ended {done.lives}")


def _listen(done: Round, driver: Driver) -> None:
    """Notes what a driver that did not end well said, and whether it may say so."""
    words = driver.words().strip()
    if words and driver.code != -signal.SIGKILL:
        done.said.append(words.splitlines()[-1][:300])
    if "this should not happen" in words or "Traceback" in words:
        done.verdict.problems.append(f"a driver broke: {words[-3000:]}")
    if driver.code == -signal.SIGABRT:
        done.verdict.problems.append(f"a driver hung: {words[-6000:]}")


def _reached(blow: Blow, scene: Scene, driver: Driver) -> bool:
    """Whether the moment of a blow has come; waits its last part out."""
    trained = sum(progress(scene.disk.folder / NAME).values()) / (CELLS * STEPS)
    if trained < blow.at:
        return False
    until = (driver.began if blow.at == 0 else time.monotonic()) + blow.after_s
    while time.monotonic() < until and driver.code is None:
        scene.calm()
        time.sleep(0.005)
    return driver.code is None


def _look(done: Round, storage: Path, calm: Kept) -> None:
    """Looks at what is left of the round."""
    root = storage / NAME
    verdict = compare(calm, kept(root))
    done.verdict.rows, done.verdict.lost = verdict.rows, verdict.lost
    done.verdict.doubled = verdict.doubled
    done.verdict.problems += verdict.problems
    # What the dead left half written goes when it is old: an hour passes here.
    for path in _hidden(root):
        os.utime(path, (time.time() - OLD_S,) * 2)
    again = actions.resume(NAME, storage=str(storage), runner="inline")
    if again.trained:
        done.verdict.problems.append(f"a finished sweep trained {again.trained} cells again")
    temporary = Path(tempfile.gettempdir()).glob("*cliffsweep*")
    done.verdict.problems += [f"left behind: {path}" for path in [*_hidden(root), *temporary]]


def _hidden(root: Path) -> list[Path]:
    """Half-written files and folders."""
    found = [path for suffix in ("tmp", "half", "removed") for path in root.rglob(f".*.{suffix}")]
    return sorted(found, key=lambda path: len(path.parts), reverse=True)
