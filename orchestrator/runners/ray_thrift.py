"""Spares Tune what it would do again for every trial, or for every worker.

Knows nothing of trials. Tune asks the cluster's head five times a trial whether it knows the class
of its workers, and unpickles it, though the driver itself has registered it: 7 of the 36 ms that a
trial cost it. And it asks for workers with an environment of their own, for the sake of one
variable of another library; such workers begin as new processes by way of an agent, and with the
variables go the driver's AWS keys, which Ray logs and shows to whoever lists actors. Each machine
finds its own keys. It writes its own state of all trials when a wave begins and ends, for a restore
that nobody asks for, and keeps a list of every object that it could not write: 2 ms and 1.4 KB a
trial. And it gives a worker that is free to a trial whose own worker is about to start, which it
ends, only to ask for another one for the next trial: where trials are shorter than a worker's
start, the workers that were missing never came (11 of 16 at trials of a second). Where a later
version no longer has these names of Tune's (seen with Ray 2.60) nothing is changed, and tests say
whether that is right.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from results.columns import release_unused

__all__ = [
    "give_memory_back",
    "patient_starts",
    "plain_actors",
    "remembered_trainables",
    "unsaved_state",
]

PATIENCE_S: Final = 60.0
"""Seconds that a worker may take to start before one that is free takes its trial."""


def plain_actors() -> None:
    """Makes Tune's workers ordinary actors, in the environment that their machine gives them."""
    import ray

    with contextlib.suppress(ImportError, AttributeError):
        from ray.tune.execution import class_cache

        def get(cache: Any, trainable: type) -> Any:  # noqa: ANN401
            if trainable not in cache._cache:
                cache._cache[trainable] = ray.remote(trainable)
            return cache._cache[trainable]

        type.__setattr__(class_cache._ActorClassCache, "get", get)


@functools.cache
def patient_starts() -> None:
    """Lets workers start whose process is under way; one that is free waits for the next trial.

    It takes the place of one that has been starting for a minute, as Tune has it from the first
    moment on.
    """
    with contextlib.suppress(ImportError, AttributeError):
        from ray.tune.execution.tune_controller import TuneController

        reuse = TuneController._maybe_reuse_cached_actor

        def reuse_unless_starting(tune: Any, trial: Any) -> bool:  # noqa: ANN401
            with contextlib.suppress(AttributeError):
                own = tune._trial_to_actor.get(trial)
                starting = own is not None and tune._actor_manager.is_actor_started(own)
                if starting and trial not in tune._resetting_trials:
                    now = time.monotonic()
                    if now - vars(own).setdefault("starting_since", now) < PATIENCE_S:
                        return False
            return bool(reuse(tune, trial))

        type.__setattr__(TuneController, "_maybe_reuse_cached_actor", reuse_unless_starting)


def unsaved_state() -> None:
    """Has Tune write an empty state of its own: what is needed of a wave is in the store."""
    with contextlib.suppress(ImportError, AttributeError):
        from ray.tune.execution.tune_controller import TuneController

        def save_to_dir(tune: Any) -> None:  # noqa: ANN401
            file = Path(tune.experiment_state_path)  # That there is one is looked at.
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text('{"trial_data": []}')

        type.__setattr__(TuneController, "save_to_dir", save_to_dir)


def give_memory_back() -> None:
    """Returns to the system what a wave has freed, where Arrow and the C library keep it."""
    gc.collect()
    release_unused()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


@contextlib.contextmanager
def remembered_trainables() -> Iterator[None]:
    """In the block Tune asks the head once for each class of workers, and remembers it."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError, AttributeError):
            from ray.tune import registry

            stack.enter_context(_remembering(registry._global_registry))
        yield


@contextlib.contextmanager
def _remembering(registry: Any) -> Iterator[None]:  # noqa: ANN401
    """What a registry said in the block holds until its end; nothing is registered meanwhile."""
    get, contains = registry.get, registry.contains
    known: dict[tuple[str, str], Any] = {}

    def remembered(category: str, key: str) -> Any:  # noqa: ANN401
        if (category, key) not in known:
            known[category, key] = get(category, key)
        return known[category, key]

    def holds(category: str, key: str) -> bool:
        return (category, key) in known or bool(contains(category, key))

    vars(registry).update(get=remembered, contains=holds)
    try:
        yield
    finally:
        for name in ("get", "contains"):
            vars(registry).pop(name, None)
