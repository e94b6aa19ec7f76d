"""What can go wrong with a sweep, each told in one line and bound to one exit code.

CliffsweepError
├── InputError        what the user gave is wrong                                   exit 2
│   └── SpecError     one or more problems of a sweep file, all told together       exit 2
├── GateError         a gate stopped the sweep (too many failures)                  exit 3
├── LeaseError        another driver holds the sweep                                exit 4
├── RunnerError       the cluster did not start, or went away                       exit 1
└── Interrupted       the user or the system asked the driver to stop               exit 130

Knows nothing of how an error is printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

__all__ = [
    "CliffsweepError",
    "GateError",
    "InputError",
    "Interrupted",
    "LeaseError",
    "Problem",
    "RunnerError",
    "SpecError",
]


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
        return ": ".join(
            part for part in (f"{self.source}{place}", self.where, self.message) if part
        )


class SpecError(InputError):
    """Problems of one sweep file, told together in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Takes at least one problem."""
        ordered = sorted(problems, key=lambda p: (p.line or 0, p.column or 0))
        self.problems = tuple(dict.fromkeys(ordered))
        super().__init__("\n".join(map(str, self.problems)))


class GateError(CliffsweepError):
    """So much failed that going on would waste time."""

    exit_code = 3


class LeaseError(CliffsweepError):
    """Another driver holds the sweep."""

    exit_code = 4


class RunnerError(CliffsweepError):
    """The cluster did not start, or went away."""


class Interrupted(CliffsweepError):  # noqa: N818 - it is a request, not a fault
    """Ctrl-C or SIGTERM reached the driver."""

    exit_code = 130
