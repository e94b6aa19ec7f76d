"""Spares Tune two things that it would do again for every trial, or for every worker.

Knows nothing of trials. Tune asks the cluster's head five times a trial whether it knows the class
of its workers, and unpickles it, though the driver itself has registered it: 7 of the 36 ms that a
trial cost it. And it asks for workers with an environment of their own, for the sake of one
variable of another library; such workers begin as new processes by way of an agent, and with the
variables go the driver's AWS keys, which Ray logs and shows to whoever lists actors. Each machine
finds its own keys. Where a later version no longer has these names of Tune's (seen with Ray 2.60)
nothing is changed, and tests say whether that is right.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

__all__ = ["plain_actors", "remembered_trainables"]


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
