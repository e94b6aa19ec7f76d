"""Burns a sweep: kills, lost nodes and bad storage, round after round, and says what was lost.

    python tests/e2e/chaos.py [--rounds N] [--seed S]

A round runs a small real sweep on a Ray cluster of three raylets on this machine, and at moments
drawn from its seed kills workers, drivers and raylets, lets file system calls fail, stall or break
off, fills the disk, cuts checkpoints in half. It resumes until the sweep is done, and compares it
with an undisturbed run bit for bit. Round i of `--seed S` has the seed S + i, so that
`--rounds 1 --seed` with a printed seed runs it again. Which blows fall and how far the sweep is by
then is the seed's; what the processes are just doing is not.

The last line is `rounds=… kills=… rows=… lost=… doubled=…`; the exit status is 1 if anything was
lost or doubled, left behind or otherwise wrong.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.chaos_round import Round

ROOT = Path(__file__).parents[2]


def prepare(folder: Path) -> None:
    """Sets what all processes of the fire inherit."""
    site = Path(__file__).parent / "chaos_site"
    temporary = folder / "t"
    temporary.mkdir()
    tempfile.tempdir = None
    os.environ.update(
        {
            "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "CHAOS_PLAN": str(folder / "plan.json"),
            "TMPDIR": str(temporary),
        }
    )


def main() -> int:
    """Burns as many rounds as asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="of the first round")
    given = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from tests.e2e.chaos_processes import adopt_orphans

    adopt_orphans()
    # A short name, because sockets lie below it.
    with tempfile.TemporaryDirectory(prefix="fire-", ignore_cleanup_errors=True) as name:
        prepare(Path(name))
        return fire(Path(name), rounds=given.rounds, seed=given.seed)


def fire(folder: Path, *, rounds: int, seed: int) -> int:
    """Burns rounds; returns the exit status."""
    from tests.e2e.chaos_round import burn
    from tests.e2e.chaos_sweep import undisturbed

    clock = time.monotonic()
    sweep, calm = undisturbed(folder)
    print(f"undisturbed: {time.monotonic() - clock:.1f} s", flush=True)
    done: list[Round] = []
    for number in range(rounds):
        room = folder / "round"
        room.mkdir()
        one = burn(seed + number, folder=room, rays=folder / "t" / "ray", sweep=sweep, calm=calm)
        Path(f"{os.environ['CHAOS_PLAN']}.log").unlink(missing_ok=True)
        shutil.rmtree(room, ignore_errors=True)
        done.append(one)
        tell(number, one)
    for what in done[0].seconds if done else ():
        spent = sorted(one.seconds.get(what, 0.0) for one in done)
        print(f"{what}: median {median(spent):.1f} s a round, {spent[-1]:.1f} s at most")
    print(
        f"rounds={len(done)} kills={sum(one.kills for one in done)}"
        f" rows={sum(one.verdict.rows for one in done)}"
        f" lost={sum(one.verdict.lost for one in done)}"
        f" doubled={sum(one.verdict.doubled for one in done)}"
    )
    return 0 if all(one.verdict.good for one in done) else 1


def tell(number: int, one: Round) -> None:
    """Prints a round: its seed, what fell, what it took, what is wrong."""
    took = " ".join(f"{what} {s:.1f}" for what, s in one.seconds.items())
    print(
        f"round {number} seed={one.seed}: {'good' if one.verdict.good else 'BAD'}"
        f" {sum(one.seconds.values()):.1f} s ({took}), blows {' '.join(one.fallen) or 'none'},"
        f" kills {one.kills}, faults {one.faults}, drivers {one.lives}",
        flush=True,
    )
    if one.left_out:
        print(f"  the disk is never filled: {one.left_out}", flush=True)
    for line in one.said:
        print(f"  a driver said: {line}", flush=True)
    for problem in one.verdict.problems:
        print(f"  {problem}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
