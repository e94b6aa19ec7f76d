"""Shows text: at once where it fits the screen, else through the user's pager.

Knows nothing of what the text says.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from contextlib import suppress
from typing import Final

__all__ = ["show"]

_PAGER: Final = "less"
_LESS: Final = "FRSX"
"""For less: leave if it fits, keep colours, chop long lines, leave the screen as it was."""


def show(text: str) -> None:
    """Writes text to standard output, through $PAGER if it is longer than the terminal."""
    rows = shutil.get_terminal_size().lines
    if not sys.stdout.isatty() or text.count("\n") < rows - 1 or not _paged(text):
        sys.stdout.write(text)
        sys.stdout.flush()


def _paged(text: str) -> bool:
    """Whether a pager showed the text."""
    try:
        command = shlex.split(os.environ.get("PAGER") or _PAGER)
        pager = subprocess.Popen(
            command, stdin=subprocess.PIPE, env={"LESS": _LESS, **os.environ}, text=True
        )
    except (OSError, ValueError, IndexError):
        return False
    assert pager.stdin is not None
    with suppress(BrokenPipeError, KeyboardInterrupt):  # Left before it had seen all.
        pager.stdin.write(text)
    with suppress(BrokenPipeError, KeyboardInterrupt):
        pager.stdin.close()
    while True:
        with suppress(KeyboardInterrupt):  # Ctrl-C is the pager's own affair, as in a search.
            pager.wait()
            return True
