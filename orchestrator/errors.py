"""What can go wrong with a sweep, each told in one line and bound to one exit code.

CliffsweepError
├── InputError        what the user gave is wrong                                   exit 2
│   └── SpecError     one or more problems of a sweep file, all told together       exit 2
├── StoppedError      a run ended before its work was done
│   ├── GateError     a gate stopped the sweep (too many failures)                  exit 3
│   └── Interrupted   the user or the system asked the driver to stop               exit 130
├── LeaseError        another driver holds the sweep                                exit 4
└── RunnerError       the cluster did not start, or went away                       exit 1

Knows nothing of how an error is printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

__all__ = [
    "CliffsweepError",
    "GateError",
    "InputError",
    "Interrupted",
    "LeaseError",
    "Problem",
    "RunnerError",
    "SpecError",
    "StoppedError",
]

MAX_SHOWN: Final = 50
"""Most problems of one file that are told in full."""
_LONGEST_MESSAGE: Final = 700
_LONGEST_NAME: Final = 160


class CliffsweepError(Exception):
    """Base of every error that the orchestrator raises on purpose."""

    exit_code: ClassVar[int] = 1


class InputError(CliffsweepError):
    """What the user gave is wrong; nothing was started."""

    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with a file.

    Attributes:
        source: the file.
        line: from 1; None where there is no place.
        column: from 1.
        where: dotted name of the key, such as `grids[0].parameters.activation.share`.
        message: `rule, got value. way out.`
    """

    source: str
    line: int | None = None
    column: int | None = None
    where: str = ""
    message: str

    def __str__(self) -> str:
        place = f":{self.line}:{self.column}" if self.line is not None else ""
        where = _one_line(self.where, longest=_LONGEST_NAME)
        message = _one_line(self.message, longest=_LONGEST_MESSAGE)
        return ": ".join(part for part in (f"{self.source}{place}", where, message) if part)


def _one_line(text: str, *, longest: int) -> str:
    """Cuts the middle out of what is too long, and blanks what would break the line.

    A message quotes what the user wrote, which may be a quarter of a megabyte.
    """
    if len(text) > longest:
        text = f"{text[: longest * 2 // 3]} … {text[-longest // 3 :]}"
    return "".join(letter if letter.isprintable() else " " for letter in text)


class SpecError(InputError):
    """Problems of one sweep file, told together in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Takes at least one problem."""
        ordered = sorted(problems, key=lambda p: (p.line or 0, p.column or 0))
        self.problems = tuple(dict.fromkeys(ordered))
        lines = [str(problem) for problem in self.problems[:MAX_SHOWN]]
        if len(self.problems) > MAX_SHOWN:
            lines.append(f"… and {len(self.problems) - MAX_SHOWN} more. Mend these first.")
        super().__init__("\n".join(lines))


class StoppedError(CliffsweepError):
    """A run ended before its work was done.

    Attributes:
        sweep: its name.
    """

    def __init__(self, message: str, *, sweep: str) -> None:
        """Takes the sentence and the sweep's name."""
        super().__init__(message)
        self.sweep = sweep


class GateError(StoppedError):
    """So much failed that going on would waste time."""

    exit_code = 3


class LeaseError(CliffsweepError):
    """Another driver holds the sweep."""

    exit_code = 4


class RunnerError(CliffsweepError):
    """The cluster did not start, or went away."""


class Interrupted(StoppedError):
    """Ctrl-C or SIGTERM reached the driver."""

    exit_code = 130
