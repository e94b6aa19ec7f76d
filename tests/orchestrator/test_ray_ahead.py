"""A cluster that is on its way: who waits gets it or its error, and it is ended exactly once."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest

from orchestrator.cluster import Node
from orchestrator.errors import RunnerError
from orchestrator.runners.ray_ahead import Ahead

NODES = [Node(name="here", node_id="1", resources={"CPU": 2, "memory": 1})]


class Cluster:
    """Comes up when it may, and says what was done with it."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.log: list[str] = []

    @contextlib.contextmanager
    def connect(self) -> Iterator[list[Node]]:
        """Is up while the block lasts."""
        assert self.may.wait(10)
        self.log.append("up")
        try:
            yield NODES
        finally:
            self.log.append("down")


def test_whoever_needs_it_gets_its_nodes_and_ends_it() -> None:
    cluster = Cluster()
    ahead = Ahead(cluster.connect)
    assert cluster.log == []  # This thread goes on meanwhile.
    cluster.may.set()
    with ahead as nodes:
        assert nodes == NODES
        assert cluster.log == ["up"]
    assert cluster.log == ["up", "down"]
    ahead.close()
    assert cluster.log == ["up", "down"]


def test_what_nobody_needed_is_ended_all_the_same() -> None:
    cluster = Cluster()
    ahead = Ahead(cluster.connect)
    cluster.may.set()
    ahead.close()
    assert cluster.log == ["up", "down"]


def test_what_hindered_it_is_raised_where_it_is_needed() -> None:
    @contextlib.contextmanager
    def refuse() -> Iterator[list[Node]]:
        raise RunnerError("ray: a cluster on this machine is needed, got: no memory.")
        yield []

    ahead = Ahead(refuse)
    ahead.wait()
    with pytest.raises(RunnerError, match="no memory"), ahead:
        pass
    ahead.close()
