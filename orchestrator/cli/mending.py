"""The verbs that mend: retry, cancel, rm.

Must never train by themselves nor delete unasked.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer

from orchestrator.cli.options import Address, AsJson, Cpu, Data, Gpu, Inline, Name, Quiet, Storage
from orchestrator.cli.output import emit_json, note, say, size

__all__ = ["register"]

Trials = Annotated[
    list[str] | None,
    typer.Option("--trial", metavar="TRIAL", help="Beginning of a trial's id; may be repeated."),
]
Where = Annotated[
    str | None,
    typer.Option(
        "--where",
        metavar="SQL",
        help="A condition over the view trials, such as \"config.activation.kind = 'topk'\".",
    ),
]
Classes = Annotated[
    list[str] | None,
    typer.Option("--class", metavar="CLASS", help="A failure class; may be repeated."),
]


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
    app.command()(retry)
    app.command()(cancel)
    app.command()(rm)


def retry(
    name: Name,
    classes: Classes = None,
    trials: Trials = None,
    where: Where = None,
    storage: Storage = None,
    inline: Inline = False,
    address: Address = None,
    gpu: Gpu = None,
    cpu: Cpu = None,
    data: Data = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> int:
    """Run failed and cancelled trials again, all of them or some."""
    from orchestrator import actions, submitting
    from orchestrator.cli.handing import handed, takes_jobs
    from orchestrator.cli.running import options, shown
    from orchestrator.clusters import storage_of

    storage = storage or storage_of(address)
    chosen = _failed(name, classes=classes, trials=trials, where=where, storage=storage)
    if not chosen:
        if as_json:
            emit_json({"sweep": name, "trials": []})
        note(f"{name}: no failed or cancelled trial fits, so there is nothing to retry")
        return 0
    note(f"{name}: {len(chosen)} to try again: {_some(chosen)}")
    given = options(gpu=gpu, cpu=cpu, data=data, only=chosen)
    if not inline and takes_jobs(address):
        done = submitting.resume(name, address=address, storage=storage, options=given)
        return handed(done, as_json=as_json)
    runner = "inline" if inline else "ray_tune"
    go = partial(actions.resume, name, storage=storage, runner=runner, address=address)
    return shown(partial(go, options=given), quiet=quiet, as_json=as_json)


def _failed(
    name: str,
    *,
    classes: list[str] | None,
    trials: list[str] | None,
    where: str | None,
    storage: str | None,
) -> list[str]:
    from orchestrator.failures import known_class
    from orchestrator.mending import select

    return select(
        name,
        storage=storage,
        statuses=("failed", "cancelled"),
        trials=trials or (),
        classes=[known_class(word) for word in classes or ()],
        where=where,
    )


def cancel(
    name: Name,
    trials: Trials = None,
    where: Where = None,
    now: Annotated[
        bool, typer.Option("--now", help="Kill the workers; without it trials save themselves.")
    ] = False,
    storage: Storage = None,
    as_json: AsJson = False,
) -> None:
    """End a running sweep or some trials; each saves itself first."""
    from orchestrator import mending

    asked = mending.cancel(name, storage=storage, trials=trials or (), where=where, now=now)
    if as_json:
        emit_json({"sweep": name, **asdict(asked)})
        return
    if asked.whole:
        say(f"{name}: the driver starts nothing more, {len(asked.trials)} running trials end")
        note(f"Next: cliffsweep status {name}; cliffsweep resume {name} goes on")
    elif asked.trials:
        say(f"{name}: {len(asked.trials)} trials end: {_some(asked.trials)}")
        note(f"Next: cliffsweep retry {name} brings them back")
    else:
        note(f"{name}: no running or waiting trial fits, so nothing was cancelled")


def rm(
    name: Name,
    checkpoints: Annotated[
        bool, typer.Option("--checkpoints", help="Only those that no trial needs any more.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Really remove; without it only say what would go.")
    ] = False,
    storage: Storage = None,
    as_json: AsJson = False,
) -> None:
    """Remove a sweep or old checkpoints; only says what, unless --yes."""
    from orchestrator import mending

    planned = mending.removal(name, storage=storage, checkpoints=checkpoints)
    if yes:
        mending.remove(planned)
    if as_json:
        document = {"root": str(planned.root), "paths": [str(path) for path in planned.paths]}
        emit_json(document | {"files": planned.files, "bytes": planned.bytes, "removed": yes})
        return
    what = f"{planned.files} files, {size(planned.bytes)}"
    if checkpoints:
        what = f"checkpoints of {len(planned.paths)} finished trials, {what}"
    if yes:
        say(f"{name}: removed {what}")
        return
    say(f"{name}: would remove {what} from {planned.root}")
    note("Next: the same with --yes removes it for good")


def _some(ids: list[str] | tuple[str, ...]) -> str:
    more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
    return ", ".join(ids[:5]) + more
