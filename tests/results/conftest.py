"""Fixtures of the store's tests: a run directory, and a finished sweep to read."""

import math
import os

import pytest

from results.query import open_stores
from results.store import Store
from tests.results.sweeps import begin, end, finish, plan, write


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


@pytest.fixture
def filled(store):
    """Two trials that ended, one of them in two attempts, and one that runs."""
    plan(
        store,
        [
            {"trial_id": name, "metric": "accuracy", "config": {"kind": 'a "b", ü', "n": place}}
            for place, name in enumerate(("t0", "t1", "t2", "t3"))
        ],
    )
    finish(store, "t0", {"accuracy": 0.1 + 0.2, "loss": math.nan})
    begin(store, "t1")
    write(store, "t1", {1: {"loss": 3.0}, 2: {"loss": 2.0}, 3: {"loss": 99.0}})
    end(store, "t1", "failed", failure_class="crash", detail="line one\nline, two")
    begin(store, "t1", attempt=1, minute=2)
    layers = {"block.0": {"sparsity": 1 / 3}, "block.1": {"sparsity": math.inf}}
    write(
        store,
        "t1",
        {3: ({"loss": -math.inf}, layers), 4: ({"loss": 1e-300, "accuracy": 1.0}, layers)},
        attempt=1,
        resumed_from=2,
    )
    end(store, "t1", attempt=1, minute=3)
    begin(store, "t2")
    write(store, "t2", {0: {"loss": 5.0}}, closed=False)
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
