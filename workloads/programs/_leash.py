"""Runs a command that ends when whoever started it ends, even by SIGKILL.

    python _leash.py ORDERS ANSWERS COMMAND ...

ORDERS and ANSWERS are descriptors of pipes. Bytes that come are orders: `T` asks the command to
end, `S` stops it and is answered by a byte, `C` lets it go on. The end of the orders ends it.
Must never know what the command does. It imports nothing of ours, so that it starts at once.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys

_GRACE_S = 5.0
"""From the end of the orders to the command's SIGKILL."""


def main(orders: int, answers: int, command: list[str]) -> int:
    """Starts the command in a group of its own and waits for its end.

    Args:
        orders: read end of a pipe whose other end the starter holds open while it lives.
        answers: write end of another.
        command: the program and its arguments.

    Returns:
        The exit status of the command; 128 and the signal's number where a signal ended it.
    """
    for descriptor in (orders, answers):
        os.set_inheritable(descriptor, False)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    # That comes as an order. Handlers are not inherited, as ignoring would be.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    child = subprocess.Popen(command, start_new_session=True)
    while child.poll() is None:
        ready, _, _ = select.select([orders, woken], [], [])
        if woken in ready:
            os.read(woken, 64)
        if orders in ready:
            _obey(child, os.read(orders, 64), answers)
    _signal(child, signal.SIGKILL)  # What it started and left behind.
    return 128 - child.returncode if child.returncode < 0 else child.returncode


def _obey(child: subprocess.Popen[bytes], given: bytes, answers: int) -> None:
    if not given:
        _end(child)
    for order in given:
        if order == ord("T"):
            _signal(child, signal.SIGTERM)
        elif order == ord("S"):
            _signal(child, signal.SIGSTOP)
            os.write(answers, b".")
        elif order == ord("C"):
            _signal(child, signal.SIGCONT)


def _end(child: subprocess.Popen[bytes]) -> None:
    _signal(child, signal.SIGCONT)
    _signal(child, signal.SIGTERM)
    try:
        child.wait(timeout=_GRACE_S)
    except subprocess.TimeoutExpired:
        _signal(child, signal.SIGKILL)
        child.wait()


def _signal(child: subprocess.Popen[bytes], number: int) -> None:
    """Signals the command and all that it started."""
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
