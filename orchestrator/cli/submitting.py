"""The verb that hands a sweep to a cluster: submit.

Must never wait for the sweep: once its driver works there this process is no longer needed.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from orchestrator.cli.options import (
    AsJson,
    Cpu,
    Data,
    Gpu,
    JobAddress,
    Kinds,
    Only,
    Steal,
    Storage,
    SweepFile,
)
from orchestrator.cli.output import emit_json, note, say

if TYPE_CHECKING:
    from orchestrator.submitting import Submitted

__all__ = ["handed", "register", "takes_jobs"]


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(submit)


def submit(
    sweep: SweepFile,
    address: JobAddress = None,
    storage: Storage = None,
    kinds: Kinds = None,
    gpu: Gpu = None,
    cpu: Cpu = None,
    data: Data = None,
    only: Only = None,
    steal: Steal = False,
    as_json: AsJson = False,
) -> int:
    """Hand a sweep to a cluster, whose job outlives this command; print its name."""
    from orchestrator import submitting
    from orchestrator.options import Options

    done = submitting.submit(
        sweep,
        address=address,
        storage=storage,
        kinds=kinds or (),
        options=Options(gpu=gpu, cpu=cpu, data_dir=data, only=tuple(only or ()), steal=steal),
    )
    return handed(done, as_json=as_json)


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
