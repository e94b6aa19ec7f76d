"""A process leaves its cluster alive, whatever its other threads do meanwhile."""

from __future__ import annotations

import subprocess
import sys

LEAVES = """
import gc, threading, time

from orchestrator.cluster import connect

class Cycle: ...

def make_cycles():
    while refs:
        cycle = Cycle()
        cycle.itself, cycle.ref = cycle, refs.pop()
        time.sleep(0.0001)

with connect(cpus=1):
    import ray
    refs = [ray.put(number) for number in range(10_000)]
    gc.set_threshold(50, 2, 2)
    threading.Thread(target=make_cycles, daemon=True).start()
assert refs, "the thread was done before Ray was"
print("left")
"""


def test_a_collection_in_another_thread_does_not_end_it() -> None:
    """Ray ends a process in which one of its objects goes while it shuts down."""
    ended = subprocess.run([sys.executable, "-c", LEAVES], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "left\n"), ended.stderr
