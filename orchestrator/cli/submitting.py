"""The verb that hands a sweep to a cluster: submit.

Must never wait for the sweep: once its driver works there this process is no longer needed.
"""

from __future__ import annotations

import typer

from orchestrator.cli.options import (
    AsJson,
    Cpu,
    Data,
    Gpu,
    JobAddress,
    Kinds,
    Only,
    Overrides,
    Steal,
    Storage,
    SweepFile,
)

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(submit)


def submit(
    sweep: SweepFile,
    address: JobAddress = None,
    storage: Storage = None,
    kinds: Kinds = None,
    overrides: Overrides = None,
    gpu: Gpu = None,
    cpu: Cpu = None,
    data: Data = None,
    only: Only = None,
    steal: Steal = False,
    as_json: AsJson = False,
) -> int:
    """Hand a sweep to a cluster, whose job outlives this command.

    Prints the sweep's name. The same file again attaches to the job at work.
    """
    from orchestrator import submitting
    from orchestrator.cli.handing import handed
    from orchestrator.cli.running import options

    done = submitting.submit(
        sweep,
        address=address,
        storage=storage,
        kinds=kinds or (),
        overrides=overrides or (),
        options=options(gpu=gpu, cpu=cpu, data=data, only=only, steal=steal),
    )
    return handed(done, as_json=as_json)
