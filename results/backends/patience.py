"""Tries again what a distant storage did not answer, and says for how long.

Knows nothing of which storage it is; time is clocks that it is given.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["Patience", "Unanswered"]

T = TypeVar("T")


class Unanswered(Exception):
    """A request without an answer that means anything: try again. What it did is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to go on.

    Attributes:
        total_s: seconds after which nothing is tried again.
        first_s: the first wait, doubled after each, each spread between half and one and a half.
        longest_s: the longest wait.
        request_s: seconds that one request may take.
        connect_s: seconds until a connection must stand.
        monotonic: seconds that never jump.
        wait: passes a number of seconds.
        jitter: a number from 0 to 1, so that many workers do not come back together.
    """

    total_s: float = 60.0
    first_s: float = 0.1
    longest_s: float = 5.0
    request_s: float = 20.0
    connect_s: float = 5.0
    monotonic: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.Random().random

    def __call__(self, request: Callable[[bool], T]) -> T:
        """Asks until there is an answer.

        Args:
            request: is told whether an earlier go may have done its work unheard.

        Raises:
            Unanswered: the last go's, once `total_s` is over.
        """
        until = self.monotonic() + self.total_s
        pause, again = self.first_s, False
        while True:
            try:
                return request(again)
            except Unanswered:
                left = until - self.monotonic()
                if left <= 0:
                    raise
            self.wait(min(pause * (0.5 + self.jitter()), left))
            pause, again = min(2 * pause, self.longest_s), True
