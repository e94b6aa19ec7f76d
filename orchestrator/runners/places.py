"""Decides which attempts go to the cluster, and which wait because no node of it could run them.

Must never know Ray: it is given a look at the nodes. A node counts with all it has, since what is
taken now is free later; so an attempt waits here only for nodes that have yet to come.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from typing import Final

from orchestrator.attempt import Attempt
from orchestrator.cluster import LOOK_EVERY_S, Node
from orchestrator.errors import RunnerError
from orchestrator.resources import Resources, shortage
from orchestrator.runners import Source

__all__ = ["Line", "Places"]

AHEAD: Final = 16
"""Attempts that a cluster which may grow is shown before it can run them: its autoscaler starts
nodes for what is pending. A cap that the user named says how many are wanted instead."""
MOST_AHEAD: Final = 1000
AT_ONCE: Final = 50
"""Most attempts that are made at once in search of one that fits; each asks the store."""


class Places:
    """The nodes as they come and go, and since when a demand has fitted none of them."""

    def __init__(
        self,
        look: Callable[[], Sequence[Node]],
        *,
        wait_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Looks for the first time.

        Args:
            look: the nodes that live.
            wait_s: longest wait for a node that fits, seconds; 0 for a cluster that cannot grow.
            monotonic: seconds that never jump.
        """
        self._look = look
        self._monotonic = monotonic
        self._wait_s = wait_s
        self._since: dict[Resources, float] = {}
        self._see()

    def _see(self) -> None:
        self._nodes = [node.resources for node in self._look()]
        self._fits: dict[Resources, bool] = {}
        self._next = self._monotonic() + LOOK_EVERY_S

    @property
    def slots(self) -> int:
        """Attempts of one core each that fit now."""
        return max(1, int(sum(node.get("CPU", 0) for node in self._nodes)))

    def ahead(self, most: int | None) -> int:
        """Attempts that should be pending, so that no core waits for the driver.

        Args:
            most: attempts that may run or be pending at a time; None: as many as fit.
        """
        # With one pending trial, Tune's default for searchers, workers would start in a row.
        if self._wait_s == 0:
            return self.slots
        return max(self.slots, min(most or AHEAD, MOST_AHEAD))

    def fits(self, asked: Resources) -> bool:
        """Whether a node could run it were it empty."""
        if asked not in self._fits:
            self._fits[asked] = shortage(self._nodes, asked) is None
        return self._fits[asked]

    def refuse(self, demands: Collection[Resources]) -> None:
        """Refuses demands that no node can meet, where none will come.

        Raises:
            RunnerError: there is one.
        """
        if self._wait_s == 0:
            self._raise(demands)

    def look(self, waiting: Collection[Resources]) -> list[str]:
        """Looks again, every 2 s at most, and notes since when each demand fits nowhere.

        Args:
            waiting: the demands of what waits.

        Returns:
            A sentence for each demand that is new among those.
        """
        now = self._monotonic()
        if now >= self._next:
            self._see()
        stuck = dict.fromkeys(asked for asked in waiting if not self.fits(asked))
        self._since = {asked: self._since.get(asked, -1.0) for asked in stuck}
        new = [asked for asked, since in self._since.items() if since < 0]
        self._since |= dict.fromkeys(new, now)
        return [
            f"resources: no node can run a trial that asks for {shortage(self._nodes, asked)};"
            f" waiting up to {self._wait_s:g} s for one (node_wait)."
            for asked in new
        ]

    def give_up(self) -> None:
        """Ends the wait where it took too long; call it when nothing else can run.

        Raises:
            RunnerError: every demand that waits has waited longest.
        """
        now = self._monotonic()
        if self._since and all(now - since > self._wait_s for since in self._since.values()):
            self._raise(self._since)

    def _raise(self, demands: Collection[Resources]) -> None:
        short = [found for asked in demands if (found := shortage(self._nodes, asked)) is not None]
        if short:
            waited = f" for {self._wait_s:g} s (node_wait)" if self._wait_s else ""
            raise RunnerError(
                f"resources: a trial fits on one node, got a demand of {'; and of '.join(short)}"
                f"{waited}. Add such a node, or ask for less with --cpu and --gpu; then resume."
            )


class Line:
    """Attempts on their way to the cluster; those that fit no node step aside for the others."""

    def __init__(self, source: Source, places: Places, *, most: int | None = None) -> None:
        """Begins with nobody aside.

        Args:
            source: where attempts come from.
            places: the nodes.
            most: attempts that may run or be pending at a time; None: as many as fit.
        """
        self._source = source
        self._places = places
        self._most = most
        self._aside: dict[Resources, deque[Attempt]] = {}
        self._empty = False

    def next(self, *, running: int, pending: Sequence[Resources]) -> Attempt | None:
        """The attempt that the cluster should be shown next; None: none just now.

        Args:
            running: attempts that run.
            pending: demands of those that the cluster was shown and that do not run yet.
        """
        most = self._cap()
        room = None if most is None else most - running - len(pending)
        if room is not None and room <= 0:
            return None
        shown = Counter(asked for asked in pending if not self._places.fits(asked))
        placeable = len(pending) - shown.total()
        if placeable < self._places.ahead(most):
            found = self._fitting()
            if found is not None:
                return found
        # Under a cap what nobody can run yet must not take the place of what somebody can.
        alone = self._empty and running + placeable == 0
        if room == 1 and not alone:
            return None
        return (
            self._stuck(shown) if shown.total() < (AHEAD if room is None or alone else 1) else None
        )

    def _cap(self) -> int | None:
        """Attempts that may run or be pending at a time; None: as many as fit."""
        if not self._source.learns:
            return self._most
        # The next question of a search should know as many answers as can be.
        return min(self._most or self._places.slots, self._places.slots)

    def _fitting(self) -> Attempt | None:
        for asked, line in self._aside.items():
            if line and self._places.fits(asked):
                return line.popleft()
        for _ in range(AT_ONCE):
            attempt = self._source.take()
            self._empty = attempt is None
            if attempt is None or self._places.fits(attempt.resources):
                return attempt
            self.put_aside(attempt)
        return None

    def _stuck(self, shown: Counter[Resources]) -> Attempt | None:
        """One that fits nowhere, of the demand that the cluster sees least of."""
        waiting = [asked for asked, line in self._aside.items() if line]
        if not waiting:
            return None
        return self._aside[min(waiting, key=shown.__getitem__)].popleft()

    def put_aside(self, attempt: Attempt) -> None:
        """Lets an attempt wait that did not start."""
        self._aside.setdefault(attempt.resources, deque()).append(attempt)

    def only_stuck(self, *, running: int, pending: Sequence[Resources]) -> bool:
        """Whether nothing runs and what the cluster was shown fits nowhere."""
        return running == 0 and bool(pending) and not any(map(self._places.fits, pending))

    def look(self, *, running: int, pending: Sequence[Resources]) -> None:
        """Looks at the nodes; warns of what has to wait for one.

        Raises:
            RunnerError: nothing else can run, and the wait was long enough.
        """
        aside = [asked for asked, line in self._aside.items() if line]
        for sentence in self._places.look([*pending, *aside]):
            self._source.warn(sentence)
        if self._empty and self.only_stuck(running=running, pending=pending):
            self._places.give_up()
