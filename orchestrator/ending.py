"""Writes the ends of attempts whose workers could not, and settles what stands of an end.

Must never decide what runs next.
"""

from __future__ import annotations

from dataclasses import replace

from orchestrator.attempt import Outcome
from orchestrator.failures import end_status
from results.ledger import Event, Ledger

__all__ = ["Ends"]


class Ends:
    """The ends of one sweep's attempts."""

    def __init__(self, ledger: Ledger, *, sweep: str) -> None:
        """Takes the record."""
        self._ledger = ledger
        self._sweep = sweep

    def close_orphans(self) -> None:
        """Ends attempts that have no end: their driver is gone, since another has the lease."""
        for event in self._ledger.latest().values():
            if event.status == "running":
                self._record(
                    event.trial_id,
                    event.attempt,
                    failure_class="preempted",
                    detail="the driver went away; the trial goes on from its last checkpoint.",
                )

    def settled(self, outcome: Outcome) -> Outcome:
        """What the store holds of an attempt's end, once and for all.

        A worker taken for dead may have completed a moment ago or be about to, and one whose
        storage answered with an error may have stored its end all the same: the first end that is
        there stands, or a retry would complete the trial a second time.
        """
        if outcome.recorded or self._record(
            outcome.trial_id,
            outcome.number,
            failure_class=outcome.failure_class or "worker_lost",
            detail=outcome.detail or "",
        ):
            return outcome
        event = self._ledger.end(outcome.trial_id, outcome.number)
        if event is None:
            return outcome
        return replace(
            outcome,
            status=event.status,
            failure_class=event.failure_class,
            detail=event.detail,
            recorded=True,
        )

    def _record(self, trial_id: str, number: int, *, failure_class: str, detail: str) -> bool:
        """Writes the end of an attempt whose worker could not; False where one is there."""
        return self._ledger.record(
            Event(
                sweep=self._sweep,
                trial_id=trial_id,
                attempt=number,
                status=end_status(failure_class),
                failure_class=failure_class,
                detail=detail,
            )
        )
