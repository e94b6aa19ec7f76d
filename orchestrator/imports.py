"""Imports what is slow, faster.

Must never know what is imported or why.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator

__all__ = ["heavy_imports"]


@contextlib.contextmanager
def heavy_imports(module: str) -> Iterator[None]:
    """Lets the garbage collector rest while a block imports, and skip afterwards what came.

    Modules live as long as the process. Torch and Tune bring 400 000 objects, over which the
    collector would walk again and again while they arrive, and once more when the interpreter
    ends: 0.8 s of 3.0 s and 0.7 s here.

    Args:
        module: full name of what the block imports; where it is loaded already nothing is done,
            so that garbage of an earlier trial is never kept.
    """
    if module in sys.modules:
        yield
        return
    worked = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if worked:
            gc.enable()
