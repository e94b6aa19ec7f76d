"""How long a row waits until another process sees it.

One process writes a step now and then through a writer with its defaults; this one asks again and
again for the largest step, each time over a store that it opens anew.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

TRIAL = "t0"


def write(root: Path, *, rows: int) -> None:
    """Writes a step at random moments and says when, in a line each."""
    from results.store import Store
    from results.writer import Writer

    draw = random.Random(1)
    with Writer(Store(root), sweep=root.name, trial_id=TRIAL, attempt=0) as writer:
        for step in range(rows):
            time.sleep(draw.uniform(0.1, 0.6))
            writer.write(step, {"loss": 1.0})
            print(json.dumps([step, time.time()]), flush=True)
        time.sleep(2.5)  # Not `close` makes the last ones visible, but the writer's own flush.


def measure(folder: Path, *, rows: int) -> dict[str, float]:
    """Seconds from `write` until a reader in another process has the row.

    Args:
        folder: an empty one.
        rows: how many to wait for.
    """
    from results.query import open_stores

    root = folder / "fresh"
    main = Path(__file__).with_name("store.py")
    values = json.dumps({"do": "write", "root": str(root), "rows": rows})
    command = [sys.executable, str(main), "--inner", values]
    writing = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    seen: dict[int, float] = {}
    asking: list[float] = []
    deadline = time.monotonic() + 30 + rows
    while len(seen) < rows and time.monotonic() < deadline:
        begun = time.perf_counter()
        with open_stores([root]) as reader:
            (last,) = reader.sql("SELECT max(step) AS last FROM metrics").to_pylist()
        now = time.time()
        asking.append(time.perf_counter() - begun)
        for step in range(len(seen), (-1 if last["last"] is None else last["last"]) + 1):
            seen[step] = now
    output, _ = writing.communicate(timeout=30)
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("[")]
    waits = [seen[step] - moment for step, moment in lines if step in seen]
    return {
        "rows": len(waits),
        "median_s": median(waits),
        "most_s": max(waits),
        "one_look_s": median(asking),
    }


def report(found: dict[str, float]) -> None:
    """Prints the figures."""
    print("\nFreshness: from `write` to a row in the answer of another process")
    print(
        f"  {found['rows']} rows: median {found['median_s']:.2f} s, most {found['most_s']:.2f} s; "
        f"opening the store and asking takes {1000 * found['one_look_s']:.0f} ms of it"
    )
