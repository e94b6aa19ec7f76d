"""Looks again and again, in a thread, while a block of code runs that cannot look itself.

Must never know what is looked for.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

__all__ = ["looking"]


@contextlib.contextmanager
def looking(look: Callable[[], bool], *, every_s: float, name: str) -> Iterator[None]:
    """Calls something as long as the block lasts, or until there is no more to look for.

    Args:
        look: is called, and says whether that was the last time.
        every_s: seconds between two calls, and before the first.
        name: of the thread.
    """
    over = threading.Event()

    def often() -> None:
        while not over.wait(every_s) and not look():
            pass

    thread = threading.Thread(target=often, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
