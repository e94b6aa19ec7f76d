"""Plans sweeps, runs their trials, and answers for how they stand.

The verbs of the command line are functions here: `run`, `plan`, `resume`, `status`, `sql` …
"""

from __future__ import annotations

from typing import Any

_VERBS = ("ls", "plan", "resume", "run", "show", "sql", "status", "validate")

__all__ = list(_VERBS)


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name in _VERBS:
        from orchestrator import actions

        return getattr(actions, name)
    raise AttributeError(f"module 'orchestrator' has no attribute {name!r}")
