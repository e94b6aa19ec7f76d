"""Keeps each contract's changes to the process to itself."""

from collections.abc import Iterator

import pytest

from workloads.state import isolated


@pytest.fixture(autouse=True)
def _fresh_process() -> Iterator[None]:
    """Starts every test with seed 0 and one thread: two would only wait for each other."""
    with isolated(seed=0, threads=1):
        yield
