"""Keeps each contract's changes to the process to itself."""

from collections.abc import Iterator

import pytest

from results.store import Store
from tests.bucket import new_bucket, use
from workloads.state import isolated


@pytest.fixture(autouse=True)
def _fresh_process() -> Iterator[None]:
    """Starts every test with seed 0 and one thread: two would only wait for each other."""
    with isolated(seed=0, threads=1):
        yield


@pytest.fixture(params=["folder", "s3"])
def place(request, tmp_path, monkeypatch):
    """Where a run directory may lie, on every backend."""
    if request.param == "folder":
        return tmp_path / "runs" / "s"
    address = request.getfixturevalue("s3")
    use(address, monkeypatch=monkeypatch, copies=tmp_path / "copies")
    return f"{new_bucket(address)}/s"


@pytest.fixture
def store(place):
    """A run directory there; nothing is in it yet."""
    return Store(place)
