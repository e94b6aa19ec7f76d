"""What submit, and resume and retry from afar, have in common: who does it, and what is printed.

Must never wait for the sweep.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from orchestrator.cli.output import emit_json, note, say

if TYPE_CHECKING:
    from orchestrator.submitting import Submitted

__all__ = ["handed", "takes_jobs"]


def takes_jobs(address: str | None) -> bool:
    """Whether what is asked for is done by a job of the cluster instead of a driver here."""
    from orchestrator.clusters import find

    cluster = find(address)
    return cluster is not None and cluster.takes_jobs


def handed(done: Submitted, *, as_json: bool) -> int:
    """Prints the sweep's name, and beside it what the cluster said."""
    for sentence in done.notes:
        note(sentence)
    if as_json:
        emit_json(asdict(done))
        return 0
    if done.attached:
        note(f"{done.job} is at work on it already")
    elif done.total is not None:
        note(f"{done.total} cells, {done.left} to run, by {done.job}")
    say(done.sweep)
    note(f"Next: cliffsweep watch {done.sweep} --storage {done.storage}")
    return 0
