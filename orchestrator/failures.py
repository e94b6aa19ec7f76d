"""Names the class of a failure from its real cause, and says how often each class is retried.

Must never know what was being trained, nor how a trial is started.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Mapping

from orchestrator.errors import InputError
from orchestrator.spec import FAILURE_CLASSES, Retry
from results.errors import StorageError
from workloads.kinds import nearest

__all__ = [
    "Cancelled",
    "Diverged",
    "Stopped",
    "TimedOut",
    "classify",
    "describe",
    "end_status",
    "is_checkpoint_error",
    "known_class",
    "nonfinite",
    "retries",
]

_NEVER_BY_DEFAULT = frozenset({"diverged", "cancelled", "timeout"})
_ALWAYS = frozenset({"preempted", "node_lost"})
_TAIL = 12
"""Lines of a traceback that are kept."""
_LONGEST = 20_000
"""Characters of a detail that are kept."""
_OUT_OF_MEMORY = {
    "DefaultCPUAllocator: can't allocate memory": "host_oom",
    "CUDA error: out of memory": "cuda_oom",
    "CUBLAS_STATUS_ALLOC_FAILED": "cuda_oom",
}
"""How torch says it where it has no class of its own for it."""


class Diverged(Exception):
    """A loss is NaN or infinite."""


class TimedOut(Exception):
    """The trial took longer than `trial_timeout`."""


class Stopped(Exception):
    """Whoever runs the trial asked it to leave."""


class Cancelled(Exception):
    """The user asked for the end of this attempt."""


def classify(error: BaseException) -> str:
    """Returns the failure class of what a program raised."""
    names = {base.__name__ for base in type(error).__mro__}
    if isinstance(error, Diverged):
        return "diverged"
    if isinstance(error, TimedOut):
        return "timeout"
    if isinstance(error, Cancelled):
        return "cancelled"
    if isinstance(error, Stopped | KeyboardInterrupt):
        return "preempted"
    if isinstance(error, StorageError) or is_checkpoint_error(error):
        return "storage"
    if isinstance(error, MemoryError):
        return "host_oom"
    if "OutOfMemoryError" in names:
        return "cuda_oom"
    if "RankLostError" in names:
        return "worker_lost"
    if isinstance(error, RuntimeError):
        text = _message(error)
        return next((name for sign, name in _OUT_OF_MEMORY.items() if sign in text), "user_error")
    return "user_error"


def known_class(word: str) -> str:
    """A failure class that a user named.

    Raises:
        InputError: there is none of that name.
    """
    if word in FAILURE_CLASSES:
        return word
    raise InputError(
        f"class: a failure class is one of {', '.join(FAILURE_CLASSES)}, got {word!r}."
        f"{nearest(word, FAILURE_CLASSES)}"
    )


def end_status(failure_class: str) -> str:
    """The status of an attempt that ended without completing."""
    return "cancelled" if failure_class == "cancelled" else "failed"


def is_checkpoint_error(error: BaseException) -> bool:
    """Whether a program refused the checkpoint it was given; torch stays unimported."""
    return any(base.__name__ == "CheckpointError" for base in type(error).__mro__)


def describe(error: BaseException) -> str:
    """Returns the message, and for a user's error the end of its traceback below it."""
    message = _message(error)
    if isinstance(error, Diverged | TimedOut | Stopped | Cancelled | StorageError):
        return _storable(message)
    head = f"{type(error).__name__}: {message}" if message else type(error).__name__
    lines = "".join(traceback.format_exception(error)).rstrip().splitlines()
    return _storable("\n".join([head, *lines[-_TAIL:]]))


def _message(error: BaseException) -> str:
    """What an error says, even where its own class fails to."""
    try:
        return str(error)
    except Exception:
        return "its message cannot be shown"


def _storable(text: str) -> str:
    """Text of bounded length, of whole characters."""
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]}\n…\n{text[-_LONGEST // 2 :]}"
    return text.encode("utf-8", "backslashreplace").decode()


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
