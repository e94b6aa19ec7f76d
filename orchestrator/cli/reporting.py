"""The verb that writes a page: report.

Must never change what a store says.
"""

from __future__ import annotations

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
