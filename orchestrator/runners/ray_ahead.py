"""Lets a local Ray come up while the driver still reads what it will run.

Must never know what that is. Ray's start and the import of torch take seconds each, one mostly
waiting for processes and the other computing, so they pass side by side.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType

from orchestrator.cluster import Node, connect
from orchestrator.imports import heavy_imports

__all__ = ["Ahead", "import_tune"]


def import_tune() -> None:
    """Imports Tune, which takes most of a second."""
    with heavy_imports("ray.tune"):
        import ray.tune  # noqa: F401


class Ahead:
    """A cluster that is on its way.

    Entered once by whoever needs it: that waits until it is there, and leaving ends it. Who turns
    out not to need it calls `close` instead. One thread starts the cluster and ends it, since
    Ray's processes end with the thread that started them.
    """

    def __init__(self, begin: Callable[[], AbstractContextManager[list[Node]]] = connect) -> None:
        """Begins at once, in another thread."""
        self._begin = begin
        self._nodes: list[Node] = []
        self._error: BaseException | None = None
        self._decided = threading.Event()
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._stay, name="ray ahead", daemon=True)
        self._thread.start()

    def _stay(self) -> None:
        try:
            with self._begin() as self._nodes:
                self._decided.set()
                self._leave.wait()
        except BaseException as error:  # It belongs to whoever waits.
            self._error = error
        finally:
            self._decided.set()

    def wait(self) -> None:
        """Returns when it is there, or not coming.

        Until then files that this process makes are for its user alone: Ray's token is made under
        a mask, which holds for all threads.
        """
        import_tune()
        self._decided.wait()

    def __enter__(self) -> list[Node]:
        """Waits for the cluster and returns its nodes.

        Raises:
            RunnerError: it did not start.
        """
        self.wait()
        if self._error is not None:
            raise self._error
        return self._nodes

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the cluster.

        Raises:
            BaseException: what hindered its end.
        """
        self.close()
        if error is None and self._error is not None:
            raise self._error

    def close(self) -> None:
        """Ends the cluster, where it is not gone already."""
        self._leave.set()
        self._thread.join()
