"""One round: a sweep that is struck while it runs, resumed until it is done, and looked at.

Knows nothing of other rounds.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from orchestrator import actions
from tests.e2e.chaos_blows import Blow, Scene, draw
from tests.e2e.chaos_cluster import Nodes, is_ours
from tests.e2e.chaos_disk import Disk
from tests.e2e.chaos_driver import Driver
from tests.e2e.chaos_processes import reap, wait_gone
from tests.e2e.chaos_sweep import CELLS, NAME, STEPS, Kept, Verdict, compare, kept, progress

__all__ = ["Round", "burn"]

MOST_LIVES: Final = 20
CALM_LIVES: Final = 3
"""Lives without any blow after which a sweep is done; the first may meet workers that linger."""
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
        said: the last line of every driver that did not end well.
        seconds: what took how long.
    """

    seed: int
    verdict: Verdict
    kills: int = 0
    faults: int = 0
    lives: list[int] = field(default_factory=list)
    fallen: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def took(self, what: str, since: float) -> None:
        """Adds the time since a moment to what it was spent on."""
        self.seconds[what] = self.seconds.get(what, 0.0) + time.monotonic() - since


def burn(seed: int, *, folder: Path, nodes: Nodes, sweep: Path, calm: Kept) -> Round:
    """Runs one round.

    Args:
        seed: draws the blows.
        folder: an empty one, for the storage and what drivers say.
        nodes: the cluster.
        sweep: the sweep file.
        calm: what an undisturbed run stored.
    """
    random = Random(seed)
    disk = Disk(folder / "disk")
    try:
        scene = Scene(nodes=nodes, disk=disk, plan=Path(os.environ["CHAOS_PLAN"]), random=random)
        log = Path(f"{scene.plan}.log")
        log.unlink(missing_ok=True)
        blows = draw(random, without=("fill",) if disk.refused else ())
        done = Round(seed, Verdict(), fallen=scene.fallen)
        try:
            _live(done, scene, blows, sweep, folder / "said.txt")
        finally:
            scene.calm(now=True)
        done.kills = scene.kills
        done.faults = log.read_text().count("\n") if log.exists() else 0
        clock = time.monotonic()
        left = wait_gone(is_ours, seconds=ORPHANS_S)
        done.verdict.problems += [f"orphan {p.pid}: {p.command[:200]}" for p in left]
        done.took("orphans", clock)
        clock = time.monotonic()
        _look(done, disk.folder, calm)
        done.took("look", clock)
        return done
    finally:
        disk.unmount()
        reap()


def _live(done: Round, scene: Scene, blows: list[Blow], sweep: Path, said: Path) -> None:
    """Lets driver after driver live until one ends well, blows falling on the way."""
    waiting, calm = list(blows), 0
    while len(done.lives) < MOST_LIVES and calm < CALM_LIVES:
        calm += not waiting and scene.until is None
        driver = Driver(sweep, scene.disk.folder, address=scene.nodes.address, said=said)
        fallen = len(scene.fallen)
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
        _listen(done, driver, {blow.split("@")[0] for blow in scene.fallen[fallen:]})
    done.verdict.problems.append(f"not done after drivers that ended {done.lives}")


def _listen(done: Round, driver: Driver, fallen: set[str]) -> None:
    """Notes what a driver that did not end well said, and whether it may say so."""
    words = driver.words().strip()
    if words:
        done.said.append(words.splitlines()[-1][:300])
    # A driver whose own raylet is killed ends in Ray's words.
    broken = "Traceback" in words and "raylet" not in fallen and driver.code != -signal.SIGKILL
    if "this should not happen" in words or broken:
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
