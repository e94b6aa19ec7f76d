"""One driver at a time: processes that ask in the same instant, and one that was only asleep."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator import actions
from orchestrator.lease import LOST_AFTER_S, Lease
from orchestrator.paths import LEASE
from results.ledger import Ledger
from results.store import Store
from tests.e2e.conftest import wait_for
from tests.orchestrator.leases import DEAD, held_by, write
from tests.orchestrator.sweeps import KINDS, text_of

ROUNDS = 200

_TAKE_TURNS = """
import sys
from orchestrator.errors import LeaseError
from orchestrator.lease import Lease
from results.store import Store
store = Store(sys.argv[1])
print("ready", flush=True)
for line in sys.stdin:
    lease = Lease(store)
    try:
        lease.acquire()
    except LeaseError:
        print("refused", flush=True)
    else:
        print("held", flush=True)
    sys.stdin.readline()
    lease.release()
    print("released", flush=True)
"""


def started(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path.cwd(),
        **options,
    )


def tell(processes, word):
    for process in processes:
        process.stdin.write(f"{word}\n")
        process.stdin.flush()


def heard(processes):
    return sorted(process.stdout.readline().strip() for process in processes)


def test_of_two_drivers_that_start_in_the_same_instant_exactly_one_works(tmp_path):
    both = [started("-c", _TAKE_TURNS, str(tmp_path)) for _ in range(2)]
    try:
        assert heard(both) == ["ready", "ready"]
        for _ in range(ROUNDS):
            tell(both, "ask")
            assert heard(both) == ["held", "refused"]
            tell(both, "leave")
            assert heard(both) == ["released", "released"]
        assert not (tmp_path / LEASE).exists()
    finally:
        for process in both:
            process.kill()
            process.communicate()


def test_of_processes_that_ask_at_once_over_a_dead_holder_exactly_one_holds_it(store):
    write(store, DEAD)
    asking = [started("-W", "error", "-c", _TAKE_TURNS, str(store.root)) for _ in range(6)]
    try:
        assert heard(asking) == ["ready"] * 6
        tell(asking, "ask")
        assert heard(asking) == ["held"] + ["refused"] * 5
        assert held_by(store).pid in [process.pid for process in asking]
        tell(asking, "leave")
        assert heard(asking) == ["released"] * 6
        assert not store.exists(LEASE)
    finally:
        for process in asking:
            process.kill()
            process.communicate()


def sleeping(count, seconds):
    grids = [{"name": "seeds", "parameters": {"seed": list(range(count))}}]
    workload = {"kind": "sleeping", "seconds": seconds, "steps": 4}
    return text_of(workload=workload, grids=grids, order="as_written")


def drive(file, storage, *options):
    program = "from orchestrator.cli.main import main; main()"
    arguments = ["run", str(file), "--storage", str(storage), "--kinds", str(KINDS), "--inline"]
    return started("-c", program, *arguments, *options)


def goes(storage):
    """(trial_id, attempt) of every start."""
    found = Ledger(Store(storage / "t"), sweep="t").events()
    return [(event.trial_id, event.attempt) for event in found if event.status == "running"]


def test_of_two_command_lines_in_the_same_instant_exactly_one_works(tmp_path):
    file = tmp_path / "t.yaml"
    file.write_text(sleeping(3, 0.8))
    for number in range(3):
        storage = tmp_path / f"runs{number}"
        both = [drive(file, storage) for _ in range(2)]
        said = [process.communicate(timeout=120)[1] for process in both]
        assert sorted(process.returncode for process in both) == [0, 4], said
        assert len(goes(storage)) == 3


def test_a_lease_can_be_stolen_and_who_lost_it_leaves_it_alone(tmp_path):
    hanging = started("-c", _TAKE_TURNS, str(tmp_path))
    try:
        tell([hanging], "ask")
        assert heard([hanging]) == ["ready"]
        assert heard([hanging]) == ["held"]
        with Lease(Store(tmp_path), steal=True) as mine:
            tell([hanging], "leave")
            assert heard([hanging]) == ["released"]
            assert (tmp_path / LEASE).exists()
            assert mine.beat()
    finally:
        hanging.kill()
        hanging.communicate()


@pytest.mark.long
def test_a_driver_that_wakes_after_a_takeover_starts_nothing_and_doubles_nothing(tmp_path):
    file, storage = tmp_path / "t.yaml", tmp_path / "runs"
    file.write_text(sleeping(4, 2.0))
    hanging = drive(file, storage)
    try:
        wait_for(lambda: (storage / "t" / "events").exists() and goes(storage) != [])
        hanging.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        before = goes(storage)
        other = drive(file, storage, "--steal")
        _, said = other.communicate(timeout=120)
        assert other.returncode == 0, said
        after = goes(storage)
        time.sleep(max(0.0, LOST_AFTER_S + 1 - (time.monotonic() - stopped)))
        hanging.send_signal(signal.SIGCONT)
        _, said = hanging.communicate(timeout=60)
        assert hanging.returncode == 4, said
    finally:
        hanging.kill()
        hanging.communicate()
    assert goes(storage) == after
    assert len(before) == 1
    status = actions.status("t", storage=str(storage))
    assert status.counts == {"completed": 4}
    rows = actions.sql(
        "t",
        "SELECT count(*) AS n, count(DISTINCT (trial_id, step, name)) AS d FROM metrics",
        storage=str(storage),
    ).to_pylist()
    assert rows == [{"n": 20, "d": 20}]
