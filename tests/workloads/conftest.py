"""Keeps each test's changes to the process to itself."""

from collections.abc import Iterator

import pytest

from workloads import kinds
from workloads.state import isolated


@pytest.fixture(autouse=True)
def _fresh_process() -> Iterator[None]:
    """Starts every test with seed 0 and one thread."""
    with isolated(seed=0, threads=1):
        yield


@pytest.fixture
def own_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgets the folders that a test adds."""
    import workloads.activations
    import workloads.programs

    monkeypatch.setattr(kinds, "_folders", list(kinds._folders))
    for package in (workloads.activations, workloads.programs):
        monkeypatch.setattr(package, "__path__", list(package.__path__))
