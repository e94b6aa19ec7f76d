"""The verb that puts a store in order: compact.

Must never change what a store says.
"""

from __future__ import annotations

from dataclasses import asdict

import typer

from orchestrator.cli.options import AsJson, Name, Storage
from orchestrator.cli.output import emit_json, note, say, size

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(compact)


def compact(name: Name, storage: Storage = None, as_json: AsJson = False) -> None:
    """Fold finished trials into one file: same answers, sooner.

    A sweep does so by itself when it ends and while more than 500 finished trials lie loose.
    Safe while it runs. What was replaced is deleted a minute later, by the next run or compact.
    """
    from orchestrator.keeping import compact as fold

    done = fold(name, storage=storage)
    for sentence in done.warnings:
        note(sentence)
    if as_json:
        emit_json(asdict(done))
    elif done.name is None:
        say(f"{name}: nothing to fold, every finished trial is in a compacted file")
    else:
        say(
            f"{name}: folded {done.trials} finished {'trial' if done.trials == 1 else 'trials'}; "
            f"{done.rows:,} rows, {done.files_before} → {done.files_after} files, "
            f"{size(done.bytes_before)} → {size(done.bytes_after)}"
        )
