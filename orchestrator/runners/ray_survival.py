"""Mends two habits of Tune: it ends at a memory kill, and counts loggers by importing them.

Knows nothing of trials. Tune takes a `RayActorError` for one worker's death and goes on, but ends
its whole run at the `OutOfMemoryError` that Ray raises instead where memory was short (seen with
Ray 2.60). And before its first trial it imports MLflow, W&B, Comet and Aim where they are
installed, to tell Ray's usage statistics whether one of them logs; statistics are off, and MLflow
alone takes 1.9 s. Where a later version no longer has these names of Tune's nothing is changed, and
tests say whether that is right.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

__all__ = ["count_no_loggers", "survive_memory_kills"]


def count_no_loggers() -> None:
    """Spares Tune the import of every logger that it knows; statistics are off."""
    with contextlib.suppress(ImportError, AttributeError):
        from ray.air._internal import usage

        if callable(usage.tag_callbacks):
            vars(usage)["tag_callbacks"] = lambda callbacks: False


def survive_memory_kills() -> None:
    """Makes Tune take a worker that was killed for memory as any other dead worker."""
    from ray.exceptions import OutOfMemoryError, RayActorError

    with contextlib.suppress(ImportError, AttributeError):
        from ray.air.execution._internal.event_manager import RayEventManager
        from ray.tune.experiment import trial

        # A dead worker's first answer is also asked for when its end is reported.
        vars(trial)["RayActorError"] = (RayActorError, OutOfMemoryError)
        track: Any = RayEventManager.track_future
        if getattr(track, "survives", False):
            return

        def track_future(
            manager: Any,  # noqa: ANN401
            future: Any,  # noqa: ANN401
            on_result: Callable[..., Any] | None = None,
            on_error: Callable[[Exception], Any] | None = None,
        ) -> None:
            def told(error: Exception) -> None:
                if on_error is None:
                    raise error
                if isinstance(error, OutOfMemoryError):
                    error = RayActorError(error_msg=f"OutOfMemoryError: {error}")
                on_error(error)

            track(manager, future, on_result=on_result, on_error=told)

        vars(track_future)["survives"] = True
        type.__setattr__(RayEventManager, "track_future", track_future)
