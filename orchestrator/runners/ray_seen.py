"""Asks every node of a cluster, before anything runs, whether it sees the driver's run directory.

Knows nothing of what lies there, nor of trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from orchestrator.cluster import Node
from orchestrator.errors import RunnerError
from orchestrator.probe import Probe, look

__all__ = ["refuse_unseen"]

_LONGEST_S: Final = 60.0
"""For an answer; a node that gives none is left to Ray, which knows whether it lives."""
_GONE: Final = ("TaskUnschedulableError", "NodeDiedError", "LocalRayletDiedError")
"""What Ray answers for a node that died, though it was still listed a moment ago."""


def refuse_unseen(root: str, nodes: Sequence[Node]) -> None:
    """Lets each node read a file that this process wrote.

    Args:
        root: the run directory, as workers are told it.
        nodes: those alive.

    Raises:
        RunnerError: some do not see it, or see another folder of that name.
        StorageError: it cannot be written here.
    """
    with Probe(root) as probe:
        reasons = _asked(probe, nodes)
    if reasons:
        some = "; ".join(f"{name}: {reason}" for name, reason in sorted(reasons.items())[:3])
        raise RunnerError(
            f"storage: every node sees the run directory {root}, got {len(reasons)} of"
            f" {len(nodes)} that do not ({some}). Choose a folder that all of them mount under"
            " this path, or s3://bucket/prefix, with --storage."
        )


def _asked(probe: Probe, nodes: Sequence[Node]) -> dict[str, str]:
    """Node -> why it does not see the file."""
    import ray
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    remote: Any = ray.remote(num_cpus=0, max_retries=0)(look)
    asked = {}
    for node in nodes:
        there = NodeAffinitySchedulingStrategy(node.node_id, soft=False)
        place = remote.options(scheduling_strategy=there)
        asked[place.remote(probe.root, probe.name, probe.content)] = node
    answered, _ = ray.wait([*asked], num_returns=len(asked), timeout=_LONGEST_S)
    reasons = {}
    for answer in answered:
        node = asked[answer]
        try:
            reason = ray.get(answer)
        except RayError as error:
            if type(error).__name__ in _GONE:
                continue  # It will run nothing, so nobody minds what it sees.
            reason = " ".join(str(error).split())[-200:]
        if reason is not None:
            reasons[f"{node.name} ({node.node_id[:8]})"] = reason
    return reasons
