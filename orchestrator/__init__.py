"""Plans sweeps, runs their trials, and answers for how they stand.

The verbs of the command line are functions here: `run`, `plan`, `resume`, `status`, `sql` …
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_VERBS = {
    **dict.fromkeys(("plan", "resume", "run", "validate"), "actions"),
    **dict.fromkeys(("ls", "show", "sql", "status"), "reading"),
    "cancel": "mending",
    "claims": "claiming",
    "compact": "keeping",
    "compare": "comparing",
    "export": "comparing",
    "foresee": "foreseeing",
    "import_sweep": "importing",
    "report": "reporting",
    "submit": "submitting",
    "verify_report": "reporting",
    "why": "reasons",
}
"""Verb -> the module that holds it."""

__all__ = sorted(_VERBS)  # noqa: PLE0605 - names of functions that are imported when asked for


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name in _VERBS:
        return getattr(import_module(f"orchestrator.{_VERBS[name]}"), name)
    raise AttributeError(f"module 'orchestrator' has no attribute {name!r}")
