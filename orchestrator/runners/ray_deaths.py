"""Infers from what Ray says why a worker is gone.

Must never need Ray: it reads the sentences that it is given, and what the worker still recorded.
"""

from __future__ import annotations

import contextlib
import re
from typing import Final

from orchestrator.attempt import Attempt, Outcome
from orchestrator.control import cancelled
from orchestrator.failures import end_status
from results.errors import ResultsError
from results.ledger import Ledger
from results.store import Store

__all__ = ["death"]

_HEADING = re.compile(r"^Failure # .*$", re.MULTILINE)
_SIGNS: Final = {
    "OutOfMemoryError": "host_oom",
    "running low on memory": "host_oom",
    "NodeDiedError": "node_lost",
    "node it was running on": "node_lost",
    "its node has died": "node_lost",
    "node died": "node_lost",
    "node has crashed": "node_lost",
    # Of a worker that died alone its node tells at once; here nobody on that node answers.
    "actor is temporarily unavailable": "node_lost",
}
"""Words of Ray's sentences -> failure class, the first that is found."""


def death(attempt: Attempt, cause: str) -> Outcome:
    """The outcome of an attempt whose worker did not live to tell.

    What the store holds of its end comes first: the worker may have died between recording it and
    telling it. An attempt that completed so must not be tried again.

    Args:
        attempt: what ran.
        cause: what Ray said of the worker's death; empty where it said nothing.
    """
    with contextlib.suppress(ResultsError):
        recorded = Ledger(Store(attempt.root), sweep=attempt.sweep).end(
            attempt.trial_id, attempt.number
        )
        if recorded is not None:
            return Outcome(
                trial_id=attempt.trial_id,
                number=attempt.number,
                status=recorded.status,
                failure_class=recorded.failure_class,
                detail=recorded.detail,
            )
    if cancelled(attempt):
        return _gone(attempt, "cancelled", "killed, as the user asked.")
    text = " ".join(_HEADING.sub("", cause).split())
    found = next((name for sign, name in _SIGNS.items() if sign in text), "worker_lost")
    return _gone(attempt, found, f"the worker process ended: {text[:600] or 'nobody knows why'}")


def _gone(attempt: Attempt, failure_class: str, detail: str) -> Outcome:
    return Outcome(
        trial_id=attempt.trial_id,
        number=attempt.number,
        status=end_status(failure_class),
        failure_class=failure_class,
        detail=detail,
        recorded=False,
    )
