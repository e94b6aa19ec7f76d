"""One round of the fire, and that the fire would notice: what it compares, what its shim does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.chaos_blows import KINDS, draw
from tests.e2e.chaos_sweep import CELLS, Kept, compare

PROGRAM = Path(__file__).with_name("chaos.py")
SITE = Path(__file__).with_name("chaos_site")

CALM = Kept(
    rows=Counter({("t", 1, None, "loss", (0.5).hex()): 1, ("t", 2, None, "loss", (0.4).hex()): 1}),
    finals=Counter({("t", None, "loss", (0.4).hex()): 1}),
    completed=Counter({"t": 1}),
    coverage=(CELLS, CELLS, 0),
    ends=(("completed", ""),),
)


def burn(*, rounds: int, seed: int, seconds: float) -> None:
    """Runs the program and looks at what it says last."""
    given = ["--rounds", str(rounds), "--seed", str(seed)]
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *given], capture_output=True, text=True, timeout=seconds
    )
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    sound = rf"rounds={rounds} kills=[1-9]\d* rows=[1-9]\d+ lost=0 doubled=0"
    assert re.fullmatch(sound, last), last


@pytest.mark.ray
@pytest.mark.skipif(sys.platform != "linux", reason="orphans are found in /proc")
def test_a_sweep_that_is_struck_loses_and_doubles_nothing() -> None:
    burn(rounds=1, seed=79, seconds=280)


@pytest.mark.ray
@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.skipif(sys.platform != "linux", reason="orphans are found in /proc")
def test_sixty_sweeps_that_are_struck_lose_and_double_nothing() -> None:
    burn(rounds=60, seed=0, seconds=7100)


def test_the_undisturbed_run_compares_well_with_itself() -> None:
    assert compare(CALM, CALM).good


@pytest.mark.parametrize(
    ("burnt", "lost", "doubled"),
    [
        ({"rows": Counter([*CALM.rows][:1])}, 1, 0),
        ({"rows": CALM.rows + Counter([*CALM.rows][:1])}, 0, 1),
        ({"rows": CALM.rows + Counter([("t", 3, None, "loss", (0.3).hex())])}, 0, 1),
        ({"finals": Counter({("t", None, "loss", (0.5).hex()): 1})}, 1, 1),
        ({"completed": Counter()}, 1, 0),
        ({"completed": Counter({"t": 2})}, 0, 1),
        ({"coverage": (CELLS, CELLS - 1, 1)}, 0, 0),
        ({"ends": (("user_error", "OSError: no"),)}, 0, 0),
    ],
)
def test_what_is_lost_doubled_or_otherwise_wrong_is_seen(
    burnt: dict[str, object], lost: int, doubled: int
) -> None:
    verdict = compare(CALM, replace(CALM, **burnt))
    assert (verdict.lost, verdict.doubled, verdict.good) == (lost, doubled, False)


def test_a_seed_draws_the_same_blows_and_all_kinds_are_drawn() -> None:
    from random import Random

    assert draw(Random(5)) == draw(Random(5))
    assert {blow.kind for seed in range(60) for blow in draw(Random(seed))} == set(KINDS)


STORE_A_LOT = """
import sys
from results.errors import StorageError
from results.store import Store
store = Store(sys.argv[1])
failed = []
for number in range(200):
    try:
        store.put(f"a/{number}", bytes(1000))
    except StorageError:
        failed.append(number)
print(len(failed))
"""


@pytest.mark.parametrize("kind", ["fail", "tear"])
def test_the_shim_reaches_a_process_by_its_environment_alone(tmp_path: Path, kind: str) -> None:
    plan = tmp_path / "plan.json"
    root = str(Path(__file__).parents[2])
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(SITE), root]),
        "CHAOS_PLAN": str(plan),
    }

    def failures() -> int:
        command = [sys.executable, "-c", STORE_A_LOT, str(tmp_path / "store")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert failures() == 0
    plan.write_text(json.dumps({"seed": 1, "kind": kind, "rate": 0.05}))
    assert failures() > 5
    told = Path(f"{plan}.log").read_text().splitlines()
    assert all(line.split()[1] == kind for line in told)
    assert {"write", "open", "replace", "fsync"} <= {line.split()[2] for line in told}
    stored = [path for path in (tmp_path / "store" / "a").iterdir() if path.name[0] != "."]
    assert {path.stat().st_size for path in stored} == {1000}


ABANDON = """
import subprocess, sys
from tests.e2e.chaos_processes import adopt_orphans, descendants, reap, wait_gone
adopt_orphans()
sleep = [sys.executable, "-c", "import sys, time; time.sleep(60)", "abandoned"]
leave = f"import subprocess; subprocess.Popen({sleep!r}, start_new_session=True)"
subprocess.run([sys.executable, "-c", leave], check=True)
(left,) = wait_gone(lambda process: "abandoned" in process.command, seconds=0)
import os, signal
os.kill(left.pid, signal.SIGKILL)
assert wait_gone(lambda process: True, seconds=30) == []
reap()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="orphans are found in /proc")
def test_a_process_whose_parents_are_gone_is_found() -> None:
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-c", ABANDON], env=environment, check=True, timeout=60)
