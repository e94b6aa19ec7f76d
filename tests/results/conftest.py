"""Fixtures of the store's tests: a run directory, a clock that only the test moves."""

import os

import pytest

from results.query import open_stores
from results.store import Store
from tests.results.sweeps import finish, plan


class Clock:
    """Seconds since 1970 that stand still until a test moves them."""

    def __init__(self, now: float = 1_750_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "sweep")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """Two finished trials, for tests that only read."""
    patch = pytest.MonkeyPatch()
    patch.setattr(os, "fsync", lambda _handle: None)
    store = Store(tmp_path_factory.mktemp("runs") / "s")
    plan(store, [{"trial_id": t, "config": {"share": 0.5}} for t in ("a", "b")])
    finish(store, "a", {"m": 1.0})
    finish(store, "b", {"m": 2.0})
    patch.undo()
    return store


@pytest.fixture(scope="module")
def reader(sweep):
    """An open reader of it whose every view is built."""
    with open_stores([sweep.root]) as reader:
        reader.sql("SELECT count(*) FROM metrics, metrics_all, trials, finals, events, coverage")
        yield reader


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch):
    """A power cut cannot be tested here, and each wait for the disk costs milliseconds."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
