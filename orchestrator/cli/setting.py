"""The verbs about the installation: kinds, doctor.

Must never touch a sweep.
"""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.options import AsJson, Kinds, Storage
from orchestrator.cli.output import emit_json, print_table, say

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
    app.command()(kinds)
    app.command()(doctor)


def kinds(
    family: Annotated[
        str | None,
        typer.Argument(
            metavar="FAMILY",
            help="programs, tasks, models, activations, norms, optimizers, schedules, search, …",
        ),
    ] = None,
    kind: Annotated[
        str | None, typer.Argument(metavar="KIND", help="One of its kinds: shows its keys.")
    ] = None,
    folders: Kinds = None,
    as_json: AsJson = False,
) -> None:
    """List what a workload can be made of; each kind is one file."""
    from orchestrator import installation

    if family is not None and kind is not None:
        fields = installation.kind_fields(family, kind, folders=folders or ())
        if as_json:
            emit_json({"family": family, "kind": kind, "fields": fields})
            return
        names = ["key", "type", "default", "meaning"]
        print_table(names, [[field[name] for name in names] for field in fields])
        return
    found = installation.list_kinds(family, folders=folders or ())
    if as_json:
        emit_json({"kinds": found})
        return
    names = ["family", "kind", "what it is"]
    print_table(names, [(one["family"], one["kind"], one["what"]) for one in found])


def doctor(storage: Storage = None, as_json: AsJson = False) -> int:
    """Look at Python, packages, cores, memory, GPUs, Ray and storage."""
    from orchestrator import installation

    checks = installation.examine(storage)
    healthy = all(check["ok"] for check in checks)
    if as_json:
        emit_json({"ok": healthy, "checks": checks})
    else:
        rows = [("ok" if c["ok"] else "BAD", c["what"], c["found"]) for c in checks]
        print_table(["", "what", "found"], rows)
        say("all is well" if healthy else "something is wrong: see the lines that begin with BAD")
    return 0 if healthy else 1
