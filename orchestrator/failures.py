"""Names the class of a failure from its real cause, and says how often each class is retried.

Must never know what was being trained, nor how a trial is started.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Mapping

from orchestrator.spec import Retry
from results.errors import StorageError

__all__ = ["Diverged", "Stopped", "TimedOut", "classify", "describe", "nonfinite", "retries"]

_NEVER_BY_DEFAULT = frozenset({"diverged", "cancelled", "timeout"})
_ALWAYS = frozenset({"preempted", "node_lost"})
_TAIL = 12
"""Lines of a traceback that are kept."""


class Diverged(Exception):  # noqa: N818 - read as what happened
    """A loss is NaN or infinite."""


class TimedOut(Exception):  # noqa: N818
    """The trial took longer than `trial_timeout`."""


class Stopped(Exception):  # noqa: N818
    """Whoever runs the trial asked it to leave."""


def classify(error: BaseException) -> str:
    """Returns the failure class of what a program raised."""
    names = {base.__name__ for base in type(error).__mro__}
    if isinstance(error, Diverged):
        return "diverged"
    if isinstance(error, TimedOut):
        return "timeout"
    if isinstance(error, Stopped | KeyboardInterrupt):
        return "preempted"
    if isinstance(error, StorageError):
        return "storage"
    if "OutOfMemoryError" in names and not isinstance(error, MemoryError):
        return "cuda_oom"
    if isinstance(error, MemoryError):
        return "host_oom"
    return "user_error"


def describe(error: BaseException) -> str:
    """Returns the message, and for a user's error the end of its traceback below it."""
    head = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, Diverged | TimedOut | Stopped | StorageError):
        return str(error)
    lines = "".join(traceback.format_exception(error)).rstrip().splitlines()
    return "\n".join([head, *lines[-_TAIL:]])


def nonfinite(metrics: Mapping[str, float]) -> str | None:
    """Returns the name of the first loss that is NaN or infinite."""
    return next(
        (n for n, v in metrics.items() if n.endswith("loss") and not math.isfinite(v)), None
    )


def retries(failure_class: str, retry: Retry) -> float:
    """Returns how often a class is retried within one run.

    What the machines did (a preemption, a lost node) is retried without end and counts against
    nobody's budget. What would only happen again (a divergence, a timeout, a cancel) is retried
    only where the sweep file names it.
    """
    if failure_class in retry.on:
        return retry.on[failure_class]
    if failure_class in _ALWAYS:
        return math.inf
    return 0 if failure_class in _NEVER_BY_DEFAULT else retry.max
