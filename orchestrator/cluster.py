"""Starts a local Ray on the loopback address, or joins the one at an address.

Must never know what runs on it. Tokens stay in Ray's own file, which only the user may read.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.collector import collector_rests
from orchestrator.errors import RunnerError

__all__ = ["Attachment", "Node", "connect", "local_cpus", "nodes"]

_QUIET: Final = {
    # Without it `ray.init` listens on every interface of the machine.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    # Ray's 15 lets its own idle processes, and anything else, take the cores from the training.
    "RAY_worker_niceness": "0",
    # Ray's spare workers are of no use to Tune's actors, which bring an environment of their own.
    "RAY_prestart_worker_first_driver": "0",
    # Ray's 30 s are not enough for its start on two cores that others keep busy.
    "RAY_raylet_start_wait_time_s": "120",
}
LOOPBACK: Final = "127.0.0.1"
LOOK_EVERY_S: Final = 2.0
"""Between two questions for the own node; one is a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One machine of the cluster and what it offers in all.

    Attributes:
        name: its host name.
        node_id: its number in Ray.
        resources: all that it offers, in Ray's names.
    """

    name: str
    node_id: str
    resources: Mapping[str, float]

    @property
    def cpus(self) -> float:
        """Cores."""
        return self.resources.get("CPU", 0.0)

    @property
    def gpus(self) -> float:
        """Devices."""
        return self.resources.get("GPU", 0.0)

    @property
    def memory(self) -> float:
        """Bytes."""
        return self.resources.get("memory", 0.0)


def local_cpus() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def connect(address: str | None = None, *, cpus: int | None = None) -> Iterator[list[Node]]:
    """Is inside a cluster for as long as the block lasts, and leaves nothing running behind it.

    A cluster that this process is in already is used and left as it is.

    Args:
        address: of a running cluster; None starts one here.
        cpus: cores that a cluster started here offers; None: those that this process may use.

    Raises:
        RunnerError: the cluster did not start or does not answer.
    """
    os.environ.update({key: value for key, value in _QUIET.items() if key not in os.environ})
    import ray

    if ray.is_initialized():
        yield nodes()
        return
    _read_again()
    _join(address, cpus=cpus)
    try:
        yield nodes()
    finally:
        # An object of Ray's that another thread's collection takes away just then ends the process.
        with collector_rests():
            ray.shutdown()


def _read_again() -> None:
    """Tells Ray what it reads when it is imported: a notebook may have done so before."""
    with contextlib.suppress(ImportError, AttributeError):
        from ray._private import ray_constants

        constants: Any = ray_constants
        name = constants.ENABLE_RAY_CLUSTERS_ENV_VAR
        constants.ENABLE_RAY_CLUSTER = constants.env_bool(name, True)


def _join(address: str | None, *, cpus: int | None) -> None:
    """Starts Ray on this machine, or joins the one at an address."""
    import ray

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        options |= {
            "address": "local",  # Whatever RAY_ADDRESS says, or runs on this machine already.
            "num_cpus": cpus or local_cpus(),
            "include_dashboard": False,
            "_node_ip_address": LOOPBACK,
        }
    else:
        options["address"] = address
    # Ray writes its token readable for everybody unless the mask forbids it.
    mask = os.umask(0o077)
    try:
        ray.init(**options)
    except Exception as error:  # What Ray raises at a start that takes too long has no class.
        where = address or "this machine"
        reason = " ".join(str(error).split())[:300]
        if type(error.__cause__).__name__ == "AuthenticationError":
            reason = "a refusal, since the token shown (RAY_AUTH_TOKEN_PATH) is not the cluster's"
        raise RunnerError(
            f"ray: a cluster on {where} is needed, got: {reason}."
            " `cliffsweep doctor` looks closer; --inline does without Ray."
        ) from error
    finally:
        os.umask(mask)
    if address is None:
        _end_autoscaler()


def _end_autoscaler() -> None:
    """Ends the process that would add machines: nobody asks it here, and it leaves in a second."""
    with contextlib.suppress(ImportError, AttributeError):
        from ray._private import worker

        started: Any = worker._global_node
        for process in [info.process for info in started.all_processes.get("monitor", ())]:
            process.kill()
            process.wait()


def nodes() -> list[Node]:
    """The nodes that live now; inside a cluster only."""
    import ray

    return _nodes(ray.nodes())  # type: ignore[no-untyped-call]


def _nodes(found: list[Mapping[str, Any]]) -> list[Node]:
    return [
        Node(
            name=str(node.get("NodeManagerHostname")),
            node_id=str(node["NodeID"]),
            resources=dict(node["Resources"]),
        )
        for node in found
        if node.get("Alive")
    ]


def _own_node_lives() -> bool:
    import ray

    own = ray.get_runtime_context().get_node_id()
    nodes: list[Mapping[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return any(node["NodeID"] == own and node["Alive"] for node in nodes)


class Attachment:
    """The node through which this process is in its cluster.

    Where that node dies the process lives on, but the cluster takes it for dead: whatever it asks
    for from then on never starts, and what it was given is not given back when it ends.
    """

    def __init__(
        self,
        *,
        lives: Callable[[], bool] = _own_node_lives,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Takes the question for the own node and a clock that never jumps, in seconds."""
        self._lives = lives
        self._monotonic = monotonic
        self._next = monotonic() + LOOK_EVERY_S

    def check(self) -> None:
        """Asks for the node, every 2 s at most.

        Raises:
            RunnerError: it is gone.
        """
        if self._monotonic() < self._next:
            return
        if not self._lives():
            raise RunnerError(
                "ray: the node through which this driver is in the cluster lives, got its death."
                " Resume: finished cells stay, the others go on from their checkpoints."
            )
        self._next = self._monotonic() + LOOK_EVERY_S
