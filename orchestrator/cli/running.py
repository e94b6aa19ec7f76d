"""The verbs that train: run, resume.

Must never know how: they listen, and turn signals into a stop.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

import typer

from orchestrator.cli.options import (
    Address,
    AsJson,
    Cpu,
    Data,
    Gpu,
    Inline,
    Kinds,
    Name,
    Only,
    Overrides,
    Quiet,
    Steal,
    Storage,
    SweepFile,
)
from orchestrator.cli.output import duration, emit_json, note, say
from orchestrator.errors import Interrupted, StoppedError

if TYPE_CHECKING:
    from orchestrator.driver import Options, Summary
    from orchestrator.queue import TrialQueue
    from orchestrator.summary import Judged

__all__ = ["options", "register", "shown", "stop_on_signals"]


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
    app.command()(run)
    app.command()(resume)


def run(
    context: typer.Context,
    sweep: SweepFile,
    overrides: Overrides = None,
    storage: Storage = None,
    kinds: Kinds = None,
    inline: Inline = False,
    address: Address = None,
    gpu: Gpu = None,
    cpu: Cpu = None,
    data: Data = None,
    only: Only = None,
    steal: Steal = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> int:
    """Run what a sweep file asks for and the store does not hold yet."""
    from orchestrator import actions

    on_error = _debugger(context, inline=inline)
    given = options(gpu=gpu, cpu=cpu, data=data, only=only, steal=steal, on_error=on_error)

    go = partial(
        actions.run,
        sweep,
        storage=storage,
        kinds=kinds or (),
        overrides=overrides or (),
        runner="inline" if inline else "ray_tune",
        address=address,
        options=given,
    )
    return shown(go, quiet=quiet or on_error is not None, as_json=as_json)


def resume(
    context: typer.Context,
    name: Name,
    storage: Storage = None,
    inline: Inline = False,
    address: Address = None,
    gpu: Gpu = None,
    cpu: Cpu = None,
    data: Data = None,
    only: Only = None,
    steal: Steal = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> int:
    """Run exactly what is unfinished, from the last checkpoints."""
    from orchestrator import actions, submitting
    from orchestrator.cli.handing import handed, takes_jobs

    on_error = _debugger(context, inline=inline)
    given = options(gpu=gpu, cpu=cpu, data=data, only=only, steal=steal, on_error=on_error)
    if not inline and takes_jobs(address):
        place = {"address": address, "storage": storage}
        return handed(submitting.resume(name, **place, options=given), as_json=as_json)

    runner = "inline" if inline else "ray_tune"
    go = partial(actions.resume, name, storage=storage, runner=runner, address=address)
    return shown(partial(go, options=given), quiet=quiet or on_error is not None, as_json=as_json)


def _debugger(context: typer.Context, *, inline: bool) -> Callable[[BaseException], None] | None:
    """What a failed trial is shown to with --debug --inline; None without both."""
    return _post_mortem if inline and (context.obj or {}).get("debug") else None


def _post_mortem(error: BaseException) -> None:
    """Shows the traceback, and where somebody can type opens a debugger where it was raised."""
    import pdb
    import traceback

    note("".join(traceback.format_exception(error)).rstrip())
    if sys.stdin.isatty() and sys.stdout.isatty():
        note("The trial's end is recorded. `q` leaves the debugger; nothing is tried again.")
        pdb.post_mortem(error.__traceback__)
    else:
        note("--debug: a debugger needs a terminal, got none, so this is the traceback alone.")


def options(
    *,
    gpu: float | None,
    cpu: float | None,
    data: str | None,
    only: list[str] | None,
    steal: bool = False,
    on_error: Callable[[BaseException], None] | None = None,
) -> Options:
    """What the command line adds to the sweep file."""
    from orchestrator.driver import Options

    return Options(
        gpu=gpu,
        cpu=cpu,
        data_dir=data,
        only=tuple(only or ()),
        steal=steal,
        on_error=on_error,
    )


def shown(go: Callable[..., Summary], *, quiet: bool, as_json: bool) -> int:
    """Runs with progress, prints the summary, and says what to do next.

    Args:
        go: the verb, still without `listener` and `on_queue`.
        quiet: show nothing but what fails.
        as_json: print the summary as one document.
    """
    from orchestrator.cli.progress import progress

    try:
        with progress(quiet=quiet) as listener:
            summary = go(listener=listener, on_queue=stop_on_signals)
    except StoppedError as stopped:
        verb = "resume" if isinstance(stopped, Interrupted) else "status"
        note(f"Next: cliffsweep {verb} {stopped.sweep}")
        if as_json:
            told = {"sweep": stopped.sweep, "stopped": str(stopped)}
            emit_json(told | {"exit_code": stopped.exit_code})
        raise
    if as_json:
        emit_json(asdict(summary) | {"exit_code": summary.exit_code})
    else:
        _print(summary)
    return summary.exit_code


def _print(summary: Summary) -> None:
    counts = ", ".join(f"{n} {status}" for status, n in sorted(summary.counts.items()))
    if summary.trained == 0 and summary.exit_code == 0:
        what = f"all {summary.total} cells are done"
        if summary.asked < summary.total:
            what = f"the {summary.asked} asked for of {summary.total} cells are done"
        say(f"{summary.sweep}: nothing to train, {what} ({counts})")
    else:
        retried = f", {summary.retried} retried" if summary.retried else ""
        say(f"{summary.sweep}: {counts} of {summary.total}{retried}, in {duration(summary.wall_s)}")
    if summary.forecast is not None:
        _judge(summary.forecast)
    if summary.exit_code:
        note(f"Next: cliffsweep status {summary.sweep}; cliffsweep resume {summary.sweep}")


def _judge(forecast: Judged) -> None:
    """Says how right the forecast was."""
    whole = ""
    if forecast.took_s:
        error = forecast.wall_s / forecast.took_s - 1
        whole = f"{duration(forecast.wall_s)} forecast, {error:+.0%}; "
    note(
        f"  {whole}its error for a cell: {forecast.median_error:.0%} in the median,"
        f" {forecast.worst_error:.0%} at the 90th percentile of {forecast.cells}"
    )


def stop_on_signals(queue: TrialQueue) -> None:
    """Lets the first Ctrl-C or SIGTERM end the run gently, and the second one at once."""

    def handle(number: int, frame: FrameType | None) -> None:
        if queue.stopping:
            raise KeyboardInterrupt
        note("stopping: running trials save themselves; once more ends them at once")
        queue.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
