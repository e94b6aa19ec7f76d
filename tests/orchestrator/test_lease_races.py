"""A lease that several ask for at once: rivals between two looks, and threads."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import pytest

from orchestrator.errors import LeaseError
from orchestrator.lease import Lease
from orchestrator.paths import LEASE
from results.store import Store
from tests.orchestrator.leases import DEAD, ME, held_by, refuse_to_wait, write


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
