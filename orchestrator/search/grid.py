"""Asks for every cell of the sweep's grids; it has no settings.

Knows nothing of results: all its questions are known before the first answer.
"""

from __future__ import annotations

from workloads.kinds import Kind

__all__ = ["Config"]


class Config(Kind):
    """The method `grid`."""
