"""One driver at a time, whoever died where and however many ask at once."""

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from orchestrator.errors import LeaseError
from orchestrator.lease import DEAD_AFTER_S, LOST_AFTER_S, Holder, Lease
from orchestrator.paths import LEASE
from results.errors import StorageError
from results.store import Store

ME = Holder.this_process()
ELSEWHERE = replace(ME, host="far", boot_id="another boot", pid=77)
DEAD = replace(ME, process_start="1")
"""A process of this number that is not the one which runs now."""


def refuse_to_wait(seconds):
    raise AssertionError(f"waited {seconds} s")


@pytest.fixture
def lease(store, clock):
    return Lease(store, monotonic=clock, wait=refuse_to_wait)


def write(store, holder):
    store.put(LEASE, json.dumps(asdict(holder)).encode())


def held_by(store):
    return Holder(**json.loads(store.read(LEASE)))


def test_whoever_asks_first_holds_it(lease, store):
    with lease:
        assert held_by(store) == ME
        assert not lease.lost
    assert not store.exists(LEASE)


def test_a_second_driver_is_told_who_holds_it(lease, store, clock):
    with lease:
        second = Lease(store, monotonic=clock, wait=refuse_to_wait)
        with pytest.raises(LeaseError, match=rf"^t: one driver works .* \(pid {os.getpid()}\)"):
            second.acquire()
        second.release()
        assert held_by(store) == ME


def test_it_can_be_held_again_after_its_release(lease, store):
    for _ in range(3):
        with lease:
            assert held_by(store) == ME


def test_it_is_released_when_the_work_fails(lease, store):
    with pytest.raises(ZeroDivisionError), lease:
        raise ZeroDivisionError
    assert not store.exists(LEASE)


def test_a_dead_process_of_this_boot_is_succeeded_at_once(lease, store):
    write(store, DEAD)
    with lease:
        assert held_by(store) == ME


def test_a_process_that_is_gone_is_dead(lease, store):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    write(store, replace(ME, pid=gone.pid))
    with lease:
        assert held_by(store) == ME


def test_a_living_process_of_this_boot_is_not_succeeded(lease, store):
    living = replace(ME, pid=os.getppid(), process_start="")
    write(store, living)
    with pytest.raises(LeaseError):
        lease.acquire()
    assert held_by(store) == living


def test_process_numbers_of_another_container_say_nothing(store, clock):
    """Containers of one machine share its boot, and each has a process 1."""
    boot = ME.boot_id.split()[0]
    write(store, replace(DEAD, boot_id=f"{boot} pid:[4]"))
    waited = []

    def beat(seconds):
        waited.append(seconds)
        write(store, replace(DEAD, boot_id=f"{boot} pid:[4]", beat=1))

    with pytest.raises(LeaseError):
        Lease(store, monotonic=clock, wait=beat).acquire()
    assert waited


def test_a_silent_holder_on_another_boot_is_watched_for_30_s(store, clock):
    write(store, ELSEWHERE)
    begun = clock()
    with Lease(store, monotonic=clock, wait=clock.forward):
        assert held_by(store) == ME
    assert clock() - begun == pytest.approx(DEAD_AFTER_S, abs=1.0)


def test_a_holder_on_another_boot_that_beats_is_alive(store, clock):
    write(store, ELSEWHERE)
    begun = clock()

    def wait(seconds):
        clock.forward(seconds)
        if clock() - begun == DEAD_AFTER_S - 1:
            write(store, replace(ELSEWHERE, beat=1))

    with pytest.raises(LeaseError, match="got another on far"):
        Lease(store, monotonic=clock, wait=wait).acquire()
    assert held_by(store).beat == 1


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\xff\x00",
        b"{",
        b"[]",
        b"7",
        b"{}",
        b"[" * 100_000,
        json.dumps(asdict(ME) | {"colour": "red"}).encode(),
        json.dumps(asdict(ME) | {"pid": "../../x"}).encode(),
        json.dumps(asdict(ME) | {"pid": 0}).encode(),
        json.dumps(asdict(ME) | {"beat": None}).encode(),
        json.dumps(asdict(ME) | {"boot_id": 3}).encode(),
    ],
)
def test_garbage_is_nobody(store, clock, garbage):
    store.put(LEASE, garbage)
    with Lease(store, monotonic=clock, wait=clock.forward):
        assert held_by(store) == ME


def test_a_beat_shows_that_the_holder_lives(lease, store, clock):
    with lease:
        clock.forward(LOST_AFTER_S - 1)
        assert lease.beat()
        assert held_by(store) == replace(ME, beat=1)
        clock.forward(LOST_AFTER_S - 1)
        assert not lease.lost
        clock.forward(2)
        assert lease.lost
        assert lease.beat()
        assert lease.lost


def test_a_holder_that_was_succeeded_notices_and_leaves_the_lease_alone(lease, store, clock):
    with lease:
        write(store, ELSEWHERE)
        assert not lease.beat()
        clock.forward(LOST_AFTER_S + 1)
        assert lease.lost
    assert held_by(store) == ELSEWHERE


def test_a_holder_whose_lease_vanished_does_not_make_a_new_one(lease, store):
    with lease:
        store.delete(LEASE)
        assert not lease.beat()
        assert not store.exists(LEASE)


def test_a_beat_that_cannot_be_stored_is_no_beat(lease, store, clock, monkeypatch):
    def full(name, data):
        raise StorageError("full")

    with lease:
        monkeypatch.setattr(store, "update", full)
        clock.forward(LOST_AFTER_S + 1)
        with pytest.raises(StorageError):
            lease.beat()
        assert lease.lost
        monkeypatch.undo()


def test_a_folder_in_place_of_the_lease_is_an_error_that_names_it(lease, store):
    (store.root / LEASE).mkdir(parents=True)
    with pytest.raises(StorageError, match=r"lease\.json: cannot read it"):
        lease.acquire()


class Eventful(Store):
    """Lets something happen before and after the first look at the lease."""

    def __init__(self, root, *, before=lambda: None, after):
        super().__init__(root)
        self.events = [after, before]

    def read(self, name):
        if self.events:
            self.events.pop()()
        try:
            return super().read(name)
        finally:
            if self.events:
                self.events.pop()()


def test_a_rival_that_is_quicker_after_the_holder_left_keeps_the_lease(store, clock):
    """The holder leaves between our try and our look, and a rival comes before we look again."""
    rival = Lease(store, monotonic=clock, wait=refuse_to_wait)
    write(store, DEAD)
    ours = Eventful(store.root, before=lambda: store.delete(LEASE), after=rival.acquire)
    with pytest.raises(LeaseError):
        Lease(ours, monotonic=clock, wait=refuse_to_wait).acquire()
    assert held_by(store) == ME
    rival.release()


def test_a_rival_that_is_quicker_over_a_dead_holder_keeps_the_lease(store, clock):
    """Both have seen that the holder is dead; the rival removes it and makes its own first."""
    rival = Lease(store, monotonic=clock, wait=refuse_to_wait)
    write(store, DEAD)
    ours = Eventful(store.root, after=rival.acquire)
    with pytest.raises(LeaseError):
        Lease(ours, monotonic=clock, wait=refuse_to_wait).acquire()
    assert held_by(store) == ME
    rival.release()


def test_nothing_but_the_lease_is_seen_in_the_store(lease, store):
    with lease:
        assert lease.beat()
        assert store.list() == [LEASE]


@pytest.mark.parametrize("before", [None, DEAD, b"garbage"])
def test_of_20_threads_that_ask_at_once_exactly_one_holds_it(store, clock, before):
    if before is not None:
        store.put(
            LEASE, before if isinstance(before, bytes) else json.dumps(asdict(before)).encode()
        )
    barrier = threading.Barrier(20)

    def ask(_):
        lease = Lease(store, monotonic=clock, wait=clock.forward)
        barrier.wait()
        try:
            lease.acquire()
        except LeaseError:
            return None
        return lease

    with ThreadPoolExecutor(20) as pool:
        holders = [lease for lease in pool.map(ask, range(20)) if lease is not None]
    assert len(holders) == 1
    assert held_by(store) == ME
    holders[0].release()


def test_threads_that_take_turns_never_overlap(store, clock):
    """Each holds it 20 times; a release that races with a look must free nobody else's."""
    inside, overlaps = [], []

    def ask(me):
        held = 0
        while held < 20:
            lease = Lease(store, monotonic=clock, wait=clock.forward)
            try:
                lease.acquire()
            except LeaseError:
                continue
            inside.append(me)
            overlaps.extend(inside[1:])
            held += 1
            inside.remove(me)
            lease.release()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(4)))
    assert overlaps == []


_ASK = """\
import sys
from orchestrator.errors import LeaseError
from orchestrator.lease import Lease
from results.store import Store
lease = Lease(Store(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
try:
    lease.acquire()
except LeaseError:
    print("refused", flush=True)
else:
    print("held", flush=True)
    sys.stdin.readline()
    lease.release()
"""


def test_of_processes_that_ask_at_once_over_a_dead_holder_exactly_one_holds_it(store):
    write(store, DEAD)
    command = [sys.executable, "-W", "error", "-c", _ASK, str(store.root)]
    asking = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
        )
        for _ in range(6)
    ]
    try:
        assert {process.stdout.readline() for process in asking} == {"ready\n"}
        for process in asking:
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = sorted(process.stdout.readline().strip() for process in asking)
        assert answers == ["held"] + ["refused"] * 5
        (holder,) = (p for p in asking if p.poll() is None and p.pid == held_by(store).pid)
        holder.stdin.write("leave\n")
        holder.stdin.flush()
        assert holder.wait() == 0
        assert not store.exists(LEASE)
    finally:
        for process in asking:
            process.kill()
            process.communicate()
