"""The verb that takes sweeps over from other tools: import.

Must never run what they describe.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import AsJson
from orchestrator.cli.output import emit_json, note
from orchestrator.errors import InputError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("import")(import_)


def import_(
    format_name: Annotated[
        str, typer.Argument(metavar="FORMAT", help="wandb, hydra, katib or determined.")
    ],
    file: Annotated[str, typer.Argument(metavar="FILE", help="The tool's own definition.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write there; standard output else."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over an existing file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Turn another tool's sweep into a sweep file.

    Comments say what has no equivalent.
    """
    from orchestrator.importing import import_sweep

    found = import_sweep(format_name, file)
    if output is not None:
        if output.exists() and not force:
            raise InputError(f"{output}: a new file is needed, got one that exists. Add --force.")
        try:
            output.write_text(found.text, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{output}: cannot be written, got '{error.strerror}'.") from None
    if as_json:
        told = {"sweep": found.name, "left": list(found.left)}
        emit_json(told | ({"text": found.text} if output is None else {"file": str(output)}))
    elif output is None:
        sys.stdout.write(found.text)
    else:
        note(f"wrote {output}; {len(found.left)} notes stand in its comments")
        note(f"Next: cliffsweep validate {output}")
