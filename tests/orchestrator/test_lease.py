"""One driver at a time, whoever died where and however many ask at once."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace

import pytest

from orchestrator.errors import LeaseError
from orchestrator.lease import DEAD_AFTER_S, LOST_AFTER_S, Lease
from orchestrator.paths import LEASE
from results.errors import StorageError
from tests.orchestrator.leases import DEAD, ELSEWHERE, ME, held_by, refuse_to_wait, write


@pytest.fixture
def lease(store, clock):
    return Lease(store, monotonic=clock, wait=refuse_to_wait)


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


def test_nothing_but_the_lease_is_seen_in_the_store(lease, store):
    with lease:
        assert lease.beat()
        assert store.list() == [LEASE]
