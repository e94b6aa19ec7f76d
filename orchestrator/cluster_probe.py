"""Looks at every node of a cluster from inside: what is installed, whether it sees the storage.

    python -P -m orchestrator.cluster_probe

`cluster check` runs it as a job. Must never touch a sweep: what it writes it removes.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sys
from pathlib import Path
from typing import Any

from orchestrator.cluster import connect
from orchestrator.errors import CliffsweepError
from orchestrator.provenance import host, package_versions
from results.errors import ResultsError
from results.store import Store

__all__ = ["FOLDER", "look", "main", "write_mark"]

FOLDER = ".cliffsweep-check"
"""Below the storage root; holds the marks of checks that are under way."""
ANSWER_S = 60.0
"""Seconds in which each node has to answer."""


def write_mark(storage: str) -> str:
    """Writes a file with a name of its own below a storage root, and returns that name.

    Raises:
        StorageError: it cannot be written.
    """
    name = f"mark-{secrets.token_hex(6)}"
    Store(f"{storage}/{FOLDER}").put(name, b"")
    return name


def look(storage: str, mark: str) -> dict[str, Any]:
    """What one node has and sees; runs there."""
    try:
        sees = Store(f"{storage}/{FOLDER}").exists(mark)
    except ResultsError:
        sees = False
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    return {"host": host(), "versions": package_versions(), "sees_storage": sees, "nice": nice}


def main() -> int:
    """Asks all nodes and prints one line for the client."""
    from orchestrator.submitting import ANSWER

    asked = json.loads(Path("parcel.json").read_text())
    try:
        said: dict[str, Any] = {"nodes": _nodes(asked["storage"])}
    except (CliffsweepError, ResultsError) as error:
        said = {"refused": str(error), "exit_code": 1}
    sys.stdout.write(f"{ANSWER}{json.dumps(said)}\n")
    return 0 if "nodes" in said else 1


def _nodes(storage: str | None) -> list[dict[str, Any]]:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    mark = write_mark(storage) if storage is not None else ""
    try:
        with connect("auto"):
            task = ray.remote(num_cpus=0, max_retries=0)(look)
            alive = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
            asked = [
                task.options(
                    scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                ).remote(storage or "", mark)
                for node in alive
            ]
            return [
                {"node": node["NodeManagerAddress"], **_told(reference)}
                for node, reference in zip(alive, asked, strict=True)
            ]
    finally:
        if storage is not None:
            _remove(storage, mark)


def _remove(storage: str, mark: str) -> None:
    Store(f"{storage}/{FOLDER}").delete(mark)
    with contextlib.suppress(OSError):  # In a bucket there are no folders; others may check too.
        Path(storage, FOLDER).rmdir()


def _told(reference: Any) -> dict[str, Any]:  # noqa: ANN401
    """What a node answered; why it did not, where it did not."""
    import ray

    try:
        answer: dict[str, Any] = ray.get(reference, timeout=ANSWER_S)
    except ray.exceptions.RayError as error:
        return {"problem": " ".join(str(error).split())[-200:]}
    return answer


if __name__ == "__main__":
    sys.exit(main())
