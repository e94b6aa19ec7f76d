"""Following a sweep: until its driver is gone, and until an attempt has ended."""

import pytest

from orchestrator import watching
from orchestrator.errors import InputError
from orchestrator.lease import Lease
from results.store import Store
from tests.orchestrator.sweeps import trivial


@pytest.fixture
def sweep(workplace):
    workplace.run(trivial(values=[1.0, 2.0]))
    return workplace


def test_a_sweep_without_a_driver_is_shown_once(sweep):
    (found,) = watching.standings("t", storage=str(sweep.storage))
    assert (found.total, found.counts, found.driver) == (2, {"completed": 2}, None)


def test_it_is_shown_again_until_the_driver_ends(sweep):
    lease = Lease(Store(sweep.root))
    lease.acquire()
    waits = []

    def wait(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            lease.release()

    found = list(watching.standings("t", storage=str(sweep.storage), wait=wait))
    assert [f.driver is None for f in found] == [False, False, False, True]


@pytest.fixture
def trial(sweep):
    (trial_id, *_) = sweep.attempts
    store = Store(sweep.root)
    for name, text in (("a0.000001", "b"), ("a0.000000", "a"), ("a2.000000", "c")):
        store.put(f"logs/{trial_id}/{name}.txt", text.encode())
    return trial_id


def test_output_comes_in_order(sweep, trial):
    found = watching.output("t", trial[:8], storage=str(sweep.storage))
    assert list(found) == [(0, b"a"), (0, b"b"), (2, b"c")]


def test_one_attempt_alone(sweep, trial):
    found = watching.output("t", trial, storage=str(sweep.storage), attempt=0)
    assert list(found) == [(0, b"a"), (0, b"b")]


def test_an_attempt_that_never_was(sweep, trial):
    with pytest.raises(InputError, match="an attempt from 0 to 0 is needed, got 3"):
        list(watching.output("t", trial, storage=str(sweep.storage), attempt=3))


def test_following_ends_with_the_attempt_and_misses_nothing(sweep, trial):
    """New pieces come while it waits; the last one together with the end."""
    store, waits = Store(sweep.root), []
    events = sweep.root / "events"
    (end,) = events.glob(f"{trial}.a0.end.parquet")
    kept = end.read_bytes()
    end.unlink()

    def wait(seconds):
        waits.append(seconds)
        store.put(f"logs/{trial}/a0.00001{len(waits)}.txt", b"new")
        if len(waits) == 2:
            end.write_bytes(kept)

    found = watching.output("t", trial, storage=str(sweep.storage), follow=True, wait=wait)
    assert [data for _, data in found] == [b"a", b"b", b"c", b"new", b"new"]
    assert len(waits) == 2
