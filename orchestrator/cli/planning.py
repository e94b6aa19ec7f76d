"""The verbs before a run: init, validate, plan.

Must never start anything.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.apart import Apart
from orchestrator.cli.options import (
    Address,
    AsJson,
    Cpu,
    Data,
    Gpu,
    Inline,
    Kinds,
    Overrides,
    Storage,
    SweepFile,
)
from orchestrator.cli.output import duration, emit_json, note, print_table, say, size
from orchestrator.cli.running import options
from orchestrator.collector import collector_rests, set_aside
from orchestrator.errors import InputError

if TYPE_CHECKING:
    from orchestrator.expand import Cell
    from orchestrator.forecasting import Forecast
    from orchestrator.planning import Plan
    from results.ledger import TrialRow

__all__ = ["register"]

AtATime = Annotated[
    int | None,
    typer.Option(
        "--at-a-time", metavar="N", min=1, help="Trials at a time that the forecast counts with."
    ),
]

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
        str,
        typer.Argument(
            metavar="NAME", help="A name of your own, or that of a shipped sweep to copy."
        ),
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


def validate(
    sweep: SweepFile, overrides: Overrides = None, kinds: Kinds = None, as_json: AsJson = False
) -> None:
    """Check a sweep file; every problem is told with its line."""
    from orchestrator import actions

    loaded, cells = actions.validate(sweep, kinds=kinds or (), overrides=overrides or ())
    if as_json:
        emit_json({"sweep": loaded.sweep.name, "valid": True, "cells": cells})
    elif cells is None:
        say(f"{sweep}: well formed; cells not checked, since it names kinds of its own")
        note(f"Add --kinds {loaded.sweep.kinds[0]} to import them; they are code.")
    else:
        searches = loaded.sweep.method != "grid"
        say(f"{sweep}: valid, {f'up to {cells} trials' if searches else f'{cells} cells'}")


def plan(
    sweep: SweepFile,
    overrides: Overrides = None,
    storage: Storage = None,
    kinds: Kinds = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Run four cells for a short while, for the forecast.")
    ] = False,
    at_a_time: AtATime = None,
    inline: Inline = False,
    address: Address = None,
    gpu: Gpu = None,
    cpu: Cpu = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show a sweep file's cells, and forecast what is left.

    A cell is new, kept (stored already) or removed (stored, and no longer asked for).
    """
    from orchestrator import actions
    from orchestrator.foreseeing import foresee

    given = options(gpu=gpu, cpu=cpu, data=data, only=None)
    with collector_rests():
        found, loaded = actions.plan(
            sweep, storage=storage, kinds=kinds or (), overrides=overrides or ()
        )
        ahead = foresee(
            found,
            loaded,
            storage=storage,
            kinds=kinds or (),
            runner="inline" if inline else "ray_tune",
            address=address,
            options=given,
            at_a_time=at_a_time,
            probe=probe,
        )
        _show(found, ahead, as_json=as_json)
        set_aside()  # The process ends.


def _show(found: Plan, ahead: Forecast | None, *, as_json: bool) -> None:
    for sentence in found.passed_over:
        note(sentence)
    if as_json:
        _emit(found, ahead)
    else:
        _print(found)
        _foretell(ahead, left=found.count("new") + found.to_come)


def _print(found: Plan) -> None:
    """Prints a table of the cells, each with what sets it apart within its grid."""
    grids: dict[str, list[Mapping[str, Any]]] = {}
    for cell, _ in _cells(found):
        grids.setdefault(cell.grid, []).append(cell.config)
    apart = {grid: Apart(configs) for grid, configs in grids.items()}
    print_table(
        ["trial", "grid", "state", "what sets it apart"],
        [
            (cell.trial_id, cell.grid, state, apart[cell.grid].of(cell.config))
            for cell, state in _cells(found)
        ],
    )
    new, kept, removed = found.count("new"), found.count("kept"), len(found.removed)
    note(f"{found.sweep}: {found.total} cells; {new} new, {kept} kept, {removed} removed")
    if found.to_come:
        note(f"The search asks for up to {found.to_come} more, as it learns.")


def _cells(found: Plan) -> Iterator[tuple[Cell | TrialRow, str]]:
    """Each cell of a plan and its state, those no longer wanted at the end."""
    yield from ((planned.cell, planned.state) for planned in found.cells)
    yield from ((row, "removed") for row in found.removed)


def _foretell(ahead: Forecast | None, *, left: int) -> None:
    """Says what is left will take, with the bounds of 90 %."""
    if ahead is None:
        if left:
            note("No forecast: no cell like these has finished. --probe runs four for a moment.")
        return
    bounds = f"{duration(ahead.low_s)} to {duration(ahead.high_s)}"
    source = "probes" if ahead.probed else "finished cells"
    note(
        f"Forecast for {ahead.cells} cells, {ahead.at_a_time} at a time, from {ahead.known}"
        f" {source}: {duration(ahead.wall_s)} ({bounds} in 9 cases of 10)"
    )
    gpus = f", {ahead.gpu_hours:.3g} GPU-hours" if ahead.gpu_hours else ""
    held = "" if ahead.memory is None else f", {size(ahead.memory)} of memory in its workers"
    note(f"  {ahead.cpu_hours:.3g} CPU-hours{gpus}{held}")


def _emit(found: Plan, ahead: Forecast | None) -> None:
    """Prints a plan as one JSON document, a line a cell: all of it at once may be 100 MB."""
    say(f'{{"sweep": {json.dumps(found.sweep)}, "total": {found.total}, "cells": [')
    behind = ""
    for cell, state in _cells(found):
        row = {"trial_id": cell.trial_id, "grid": cell.grid, "config": cell.config, "state": state}
        sys.stdout.write(f"{behind}{json.dumps(row, allow_nan=False)}")
        behind = ",\n"
    told = None if ahead is None else ahead.as_dict()
    say(f'\n], "forecast": {json.dumps(told, allow_nan=False)}}}')
