"""The command `cliffsweep`: its verbs, and how errors become one line and an exit code.

Must never import what is slow: a verb does that itself when it is called.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from orchestrator.cli import (
    asking,
    claiming,
    clusters,
    comparing,
    fitting,
    importing,
    keeping,
    looking,
    mending,
    planning,
    reporting,
    running,
    setting,
    submitting,
    watching,
)
from orchestrator.cli.output import note

__all__ = ["app", "main"]

app = typer.Typer(
    name="cliffsweep",
    help="Sweeps on Ray, stored as Parquet, answered in SQL.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 finished with failed trials, 2 wrong input, 3 a gate stopped it, "
    "4 another driver holds the sweep, 130 interrupted.",
)
for verbs in (
    planning,
    running,
    submitting,
    mending,
    looking,
    watching,
    asking,
    fitting,
    reporting,
    claiming,
    comparing,
    importing,
    keeping,
    setting,
    clusters,
):
    verbs.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(f"cliffsweep {version('cliffsweep')}\n")
        raise typer.Exit


@app.callback()
def everywhere(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which this is.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; works anywhere.")
    ] = False,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            metavar="NAME",
            envvar="CLIFFSWEEP_CLUSTER",
            help="The configured cluster whose sweeps the verb is about.",
        ),
    ] = None,
) -> None:
    """Sweeps on Ray, stored as Parquet, answered in SQL."""
    if cluster:
        os.environ["CLIFFSWEEP_CLUSTER"] = cluster


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and leaves with its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    sys.exit(_run([word for word in given if word != "--debug"], debug=debug))


def _run(arguments: list[str], *, debug: bool) -> int:
    try:
        result: Any = app(arguments, standalone_mode=False, obj={"debug": debug})
    except typer.Exit as left:
        return left.exit_code
    except TyperException as refused:
        return _usage(refused)
    except (typer.Abort, KeyboardInterrupt):
        note("interrupted")
        return 130
    except BrokenPipeError:
        return _closed_pipe()
    except Exception as error:
        if debug:
            raise
        return _told(error)
    return result if isinstance(result, int) else 0


def _usage(refused: Any) -> int:  # noqa: ANN401
    context = getattr(refused, "ctx", None)
    where = context.command_path if context is not None else "cliffsweep"
    message = refused.format_message()
    if message.startswith("Usage:"):
        note(message)
    elif message:
        said = message.rstrip(".")
        if said.startswith("No such command") and context is not None and "?" not in said:
            said += f". Known: {', '.join(context.command.list_commands(context))}"
        note(f"{where}: {said}{'' if said.endswith('?') else '.'} See `{where} --help`.")
    return 2


def _told(error: Exception) -> int:
    """Prints an error as its one line (or one a problem) and returns its exit code."""
    from orchestrator.errors import CliffsweepError
    from results.errors import ResultsError

    if isinstance(error, CliffsweepError):
        note(str(error))
        return error.exit_code
    if isinstance(error, ResultsError):
        note(str(error))
        return 2
    name = type(error).__name__
    note(f"cliffsweep: this should not happen, got {name}: {error}. Report what --debug shows.")
    return 1


def _closed_pipe() -> int:
    """Leaves quietly when `| head` has read enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
