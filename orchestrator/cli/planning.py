"""The verbs before a run: init, validate, plan.

Must never start anything.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.options import AsJson, Kinds, Storage, SweepFile
from orchestrator.cli.output import emit_json, note, print_table, say
from orchestrator.errors import InputError

if TYPE_CHECKING:
    from orchestrator.planning import Plan

__all__ = ["register"]

_TEMPLATE = """\
# What it asks, what it costs, how to run it: cliffsweep run {name}.yaml
version: 1
name: {name}
workload:                                  # the base; `cliffsweep kinds` lists what there is
  task: fashion_mnist
  model: {{kind: mlp, hidden: [256, 256]}}
  train: {{epochs: 3, batch_size: 64, optimizer: {{kind: adamw, learning_rate: 2.0e-3}}}}
grids:                                     # each a product of its lists; equal cells are one
  - name: mlp.activations
    parameters: {{activation: [relu, gelu, {{kind: topk, base: gelu, share: 0.9}}]}}
baseline: {{activation: relu}}               # what `score` is relative to
"""


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
    app.command()(init)
    app.command()(validate)
    app.command()(plan)


def init(
    name: Annotated[
        str, typer.Argument(help="A name of your own, or that of a shipped sweep to copy.")
    ] = "my_sweep",
    force: Annotated[bool, typer.Option("--force", help="Write over an existing file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a commented ten-line sweep, or a copy of a shipped one."""
    from orchestrator.paths import run_directory, shipped_sweeps

    shipped = shipped_sweeps()
    run_directory(Path(), name)
    target = Path(f"{name}.yaml")
    if target.exists() and not force:
        raise InputError(f"{target}: a new file is needed, got one that exists. Add --force.")
    text = shipped[name].read_text() if name in shipped else _TEMPLATE.format(name=name)
    try:
        target.write_text(text)
    except OSError as error:
        raise InputError(f"{target}: cannot be written, got '{error.strerror}'.") from None
    if as_json:
        emit_json({"file": str(target), "shipped": name in shipped})
        return
    say(f"wrote {target}")
    note(f"Next: cliffsweep plan {target}; cliffsweep run {target}")
    if name not in shipped:
        note(f"Shipped sweeps to copy: {', '.join(shipped)}")


def validate(sweep: SweepFile, kinds: Kinds = None, as_json: AsJson = False) -> None:
    """Check a sweep file; every problem is told with its line."""
    from orchestrator import actions

    loaded, cells = actions.validate(sweep, kinds=kinds or ())
    if as_json:
        emit_json({"sweep": loaded.sweep.name, "valid": True, "cells": cells})
    elif cells is None:
        say(f"{sweep}: well formed; cells not checked, since it names kinds of its own")
        note(f"Add --kinds {loaded.sweep.kinds[0]} to import them; they are code.")
    else:
        say(f"{sweep}: valid, {cells} cells")


def plan(
    sweep: SweepFile, storage: Storage = None, kinds: Kinds = None, as_json: AsJson = False
) -> None:
    """Show the cells of a sweep file: new, kept (stored already) or removed."""
    from orchestrator import actions

    found, _ = actions.plan(sweep, storage=storage, kinds=kinds or ())
    rows = _cells(found)
    if as_json:
        emit_json({"sweep": found.sweep, "total": found.total, "cells": rows})
        return
    varying = {
        grid: _varying([row["config"] for row in rows if row["grid"] == grid])
        for grid in {row["grid"] for row in rows}
    }
    table = [
        (row["trial_id"], row["grid"], row["state"], _own(row["config"], varying[row["grid"]]))
        for row in rows
    ]
    print_table(["trial", "grid", "state", "what sets it apart"], table)
    new, kept, removed = (sum(r["state"] == s for r in rows) for s in ("new", "kept", "removed"))
    note(f"{found.sweep}: {found.total} cells; {new} new, {kept} kept, {removed} removed")


def _cells(found: Plan) -> list[dict[str, Any]]:
    wanted = [
        {
            "trial_id": planned.cell.trial_id,
            "grid": planned.cell.grid,
            "config": dict(planned.cell.config),
            "state": planned.state,
        }
        for planned in found.cells
    ]
    removed = [
        {
            "trial_id": row.trial_id,
            "grid": row.grid,
            "config": dict(row.config),
            "state": "removed",
        }
        for row in found.removed
    ]
    return wanted + removed


def _flat(config: Any, prefix: str = "") -> dict[str, Any]:  # noqa: ANN401
    if not isinstance(config, dict):
        return {prefix: config}
    found: dict[str, Any] = {}
    for key, value in config.items():
        found |= _flat(value, f"{prefix}.{key}" if prefix else key)
    return found


def _varying(configs: list[dict[str, Any]]) -> set[str]:
    """Names that not all cells have, or whose values are not the same in all of them."""
    flat = [_flat(config) for config in configs]
    names = {name for one in flat for name in one}
    return {name for name in names if len({repr(one.get(name)) for one in flat}) > 1}


def _own(config: dict[str, Any], varying: set[str]) -> str:
    """What sets a cell apart within its grid, and its activation."""
    flat = _flat(config)
    return " ".join(
        f"{name}={value}"
        for name, value in flat.items()
        if value is not None and (name in varying or name == "activation.kind")
    )
