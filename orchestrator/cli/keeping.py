"""The verb that puts a store in order: compact.

Must never change what a store says.
"""

from __future__ import annotations

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
