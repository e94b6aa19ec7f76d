"""Counts training in updates: how many there are, and at which something is due.

Must never know what is done when it is due.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from pydantic import PlainValidator

__all__ = ["Every", "Pace"]

_EVERY = re.compile(r"(\d+(?:\.\d+)?) ?(step|epoch)s?")


def _every(value: object) -> int | str:
    """Reads an interval and spells it one way: a number of steps, or "N epochs"."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    match = _EVERY.fullmatch(value.strip()) if isinstance(value, str) else None
    number = Decimal(match[1]).normalize() if match else Decimal(0)
    if match and number > 0:
        if match[2] == "epoch":
            return f"{number:f} epoch{'' if number == 1 else 's'}"
        if number == number.to_integral_value():
            return int(number)
    raise ValueError(f"'N epochs' or steps above 0, got {value!r}. Write 1 epoch, or 100.")


Every = Annotated[int | str, PlainValidator(_every)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The length of one training.

    Attributes:
        steps_per_epoch: Updates in one pass over the training set.
        epochs: Passes, or None where `steps` is given.
        steps: Updates, or None.
        evaluate_every: Interval between evaluations.
        log_every: Steps between log rows, or None.
    """

    steps_per_epoch: int
    epochs: float | None
    steps: int | None
    evaluate_every: int | str
    log_every: int | None

    @property
    def total(self) -> int:
        """All updates, at least 1."""
        if self.steps is not None:
            return self.steps
        return max(1, round((self.epochs or 1.0) * self.steps_per_epoch))

    def epoch(self, step: int) -> float:
        """Returns the passes done at a step."""
        return step / self.steps_per_epoch

    @property
    def evaluations(self) -> int:
        """How often is evaluated: before the first update, at each interval, and at the end."""
        whole, rest = divmod(self.total, self._interval)
        return 1 + whole + (rest > 0)

    def evaluates(self, step: int) -> bool:
        """Returns whether an evaluation is due; always at the last step."""
        return step % self._interval == 0 or step == self.total

    @property
    def _interval(self) -> int:
        """Steps between two evaluations."""
        if isinstance(self.evaluate_every, int):
            return self.evaluate_every
        epochs = float(self.evaluate_every.split()[0])
        return max(1, round(epochs * self.steps_per_epoch))

    def logs(self, step: int) -> bool:
        """Returns whether a log row is due."""
        return self.log_every is not None and step % self.log_every == 0
