"""Fixtures of the store's tests: a run directory, a clock that only the test moves."""

import os

import pytest

from results.store import Store


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


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch):
    """A power cut cannot be tested here, and each wait for the disk costs milliseconds."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
