"""Starts a script and reads the lines that it prints: progress, or words for the log.

Must never know what a parameter or a checkpoint is.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

__all__ = ["Line", "Script"]

_LEASH = Path(__file__).with_name("_leash.py")
_BEAT_S = 0.5
"""Longest silence, after which whoever iterates is asked again."""
_LONGEST = 10_000_000
"""Bytes of one line; a longer one is no progress."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of progress."""

    step: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    layers: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    checkpoint: bool = False

    @staticmethod
    def word(value: object) -> str:
        """A value as a script reads it: text as it is, everything else as JSON."""
        return value if isinstance(value, str) else json.dumps(value)

    @classmethod
    def read(cls, text: bytes) -> Line | None:
        """Returns the progress in a line, None where it is something else."""
        if not text.lstrip().startswith(b"{"):
            return None
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return None
        step = found.pop("step", None)
        if not isinstance(step, int) or isinstance(step, bool):
            return None
        layers = found.pop("layers", None)
        named = layers.items() if isinstance(layers, Mapping) else ()
        return cls(
            step,
            _numbers(found),
            {name: _numbers(values) for name, values in named if isinstance(values, Mapping)},
            found.get("checkpoint") is True,
        )


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and name
    }


class Script:
    """A script in a process group of its own, which ends with this process."""

    def __init__(
        self,
        words: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        told: bool = False,
    ) -> None:
        """Names what to start.

        Args:
            words: command and arguments.
            folder: in which it runs.
            environment: all its variables.
            told: whether its standard input is what `tell` writes; else it is empty.
        """
        self._words, self._folder, self._environment = words, folder, environment
        self._told = told
        self._last: deque[str] = deque(maxlen=5)
        self._left = False

    def __enter__(self) -> Self:
        """Starts it."""
        orders, self._orders = os.pipe()
        self._answers, answers = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_LEASH), f"{orders}", f"{answers}", *self._words],
                cwd=self._folder,
                env=dict(self._environment),
                stdin=subprocess.PIPE if self._told else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                pass_fds=(orders, answers),
            )
        except BaseException:
            os.close(self._orders)
            os.close(self._answers)
            raise
        finally:
            os.close(orders)
            os.close(answers)
        return self

    def __exit__(self, *_: object) -> None:
        """Ends it, if it still runs: a SIGTERM, then a SIGKILL."""
        os.close(self._orders)
        os.close(self._answers)
        if self._process.stdin is not None:
            self._process.stdin.close()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.wait()

    def lines(self) -> Iterator[Line | None]:
        """Yields progress as it is printed; None where nothing comes for half a second."""
        assert self._process.stdout is not None
        source = self._process.stdout.fileno()
        rest = b""
        while True:
            ready, _, _ = select.select([source], [], [], _BEAT_S)
            if not ready:
                yield None
                continue
            data = os.read(source, 65_536)
            if not data:
                break
            *whole, rest = (rest + data).split(b"\n")
            for text in whole:
                yield from self._progress(text)
            if len(rest) > _LONGEST:
                rest = b""
        yield from self._progress(rest)

    def _progress(self, text: bytes) -> Iterator[Line]:
        line = Line.read(text)
        if line is not None:
            yield line
        elif text.strip():
            words = text.decode(errors="replace")
            self._last.append(words.strip()[-300:])
            print(words, flush=True)

    def tell(self, words: bytes) -> None:
        """Writes to its standard input; a script that ended hears nothing."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            os.write(self._process.stdin.fileno(), words)

    def leave(self) -> None:
        """Asks it once to save itself and end."""
        if not self._left:
            self._left = True
            self._order(b"T")

    @contextlib.contextmanager
    def held(self, wanted: bool) -> Iterator[None]:
        """Stops it while its files are copied, so that none of them changes meanwhile."""
        if wanted and self._order(b"S"):
            os.read(self._answers, 1)
        try:
            yield
        finally:
            if wanted:
                self._order(b"C")

    def _order(self, order: bytes) -> bool:
        """Whether the order was taken: a script that ended takes none."""
        try:
            return os.write(self._orders, order) == 1
        except BrokenPipeError:
            return False

    def status(self) -> int:
        """Waits for its end and returns its exit status."""
        return self._process.wait()

    def last_words(self) -> str:
        """The last lines that were no progress."""
        return " / ".join(self._last) or "none"
