"""Infers from what Ray says why a worker is gone.

Must never need Ray: it reads names and words of an error that it is given.
"""

from __future__ import annotations

from orchestrator.attempt import Attempt, Outcome
from orchestrator.control import cancelled
from orchestrator.failures import end_status

__all__ = ["death"]


def death(attempt: Attempt, error: Exception | None) -> Outcome:
    """The outcome of an attempt whose worker did not live to tell; its end is not recorded yet."""
    if cancelled(attempt):
        return _gone(attempt, "cancelled", "killed, as the user asked.")
    names = {base.__name__ for base in type(error).__mro__} if error is not None else set()
    text = " ".join(str(error).split())
    if "OutOfMemoryError" in names or "OutOfMemoryError" in text:
        failure_class = "host_oom"
    elif "NodeDiedError" in names or "node it was running on" in text or "node died" in text:
        failure_class = "node_lost"
    else:
        failure_class = "worker_lost"
    return _gone(attempt, failure_class, f"the worker process ended: {text[:600]}")


def _gone(attempt: Attempt, failure_class: str, detail: str) -> Outcome:
    return Outcome(
        trial_id=attempt.trial_id,
        number=attempt.number,
        status=end_status(failure_class),
        failure_class=failure_class,
        detail=detail,
        recorded=False,
    )
