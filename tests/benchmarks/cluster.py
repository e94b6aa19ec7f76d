"""What a cluster costs: from `submit` to a row, trials a second over several raylets, a bucket.

    python tests/benchmarks/cluster.py [--quick] [--part submit|throughput|storage ...]
                                       [--raylets N --slots N] [--json FILE]

Raylets run on this machine, on the loopback address. Trials sleep for one second and do nothing, so
that a slot ideally ends one a second; counted is a steady time in which every worker is warm. What
falls short is the driver, the scheduler, and what each trial stores; all of it shares the cores of
this machine with the workers. The other parts are `cluster_submit.py` and `cluster_storage.py`. It
prints and asserts nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import cluster_storage
import cluster_submit

from tests.e2e.raylets import raylets

PARTS = ("submit", "throughput", "storage")
KINDS = Path(__file__).parents[1] / "kinds"
CASES = ((1, 4), (2, 8), (3, 8), (1, 16), (2, 16), (3, 16), (3, 32))
"""(raylets, slots on all of them)."""
QUICK = ((3, 8),)
STEADY_S, QUICK_STEADY_S = 15.0, 6.0
SWEEP = """\
version: 1
name: sleepers
workload: {{kind: sleeping, seconds: 1, steps: 1}}
grids:
  - {{name: seeds, parameters: {{seed: {{min: 0, max: {most}, step: 1}}}}}}
checkpoint: {{every: null}}
"""


class Watch:
    """Hears when trials end, and stops the sweep once it was steady for long enough.

    Attributes:
        ends: when each trial ended that ended in the steady time, seconds.
        cpu_s: what this process computed in that time, seconds of a core.
    """

    def __init__(self, slots: int, steady_s: float) -> None:
        self._slots = slots
        self._steady_s = steady_s
        self._running: set[str] = set()
        self._cold: set[str] | None = None
        self._begun: float | None = None
        self._over = False
        self._cpu_begun = 0.0
        self.cpu_s = 0.0
        self._queue: Any = None
        self.ends: list[float] = []

    def hold(self, queue: Any) -> None:
        """Takes what stops the sweep."""
        self._queue = queue

    def started(self, tally: Any, attempt: Any) -> None:
        """Notes what runs when every slot is taken for the first time."""
        self._running.add(attempt.trial_id)
        if self._cold is None and tally.running >= self._slots:
            self._cold = set(self._running)

    def ended(self, tally: object, outcome: Any, verdict: str) -> None:
        """Counts, once each worker has ended its first trial, for which it imported everything."""
        now = time.monotonic()
        self._running.discard(outcome.trial_id)
        if self._cold is None or self._over:
            return
        self._cold.discard(outcome.trial_id)
        if self._begun is None and not self._cold:
            self._begun, self._cpu_begun = now, time.process_time()
        elif self._begun is not None:
            self.ends.append(now)
            self.cpu_s = time.process_time() - self._cpu_begun
            if now - self._begun >= self._steady_s:
                self._over = True  # Those that run now end before their second is over.
                self._queue.stop()

    @property
    def rate(self) -> float:
        """Trials a second while it was steady.

        Slots that began together end together: counted are whole rounds, or a bunch more or less
        would be a tenth of it.
        """
        assert self._begun is not None
        whole = len(self.ends) - len(self.ends) % self._slots
        return whole / (self.ends[whole - 1] - self._begun)

    def changed(self, difference: object) -> None: ...
    def planned(self, plan: object, left: int) -> None: ...
    def warned(self, sentence: str) -> None: ...


def shares(slots: int, nodes: int) -> list[int]:
    """Slots of each node, as equal as can be."""
    return [slots // nodes + (number < slots % nodes) for number in range(nodes)]


def measure(nodes: int, slots: int, *, steady_s: float) -> dict[str, Any]:
    """Runs sleeping trials on so many raylets with so many slots in all."""
    from orchestrator import actions
    from orchestrator.errors import Interrupted

    watch = Watch(slots, steady_s)
    with tempfile.TemporaryDirectory() as name, raylets(num_cpus=0) as cluster:
        for share in shares(slots, nodes):
            cluster.add(num_cpus=share)
        file = Path(name) / "sleepers.yaml"
        file.write_text(SWEEP.format(most=slots * int(steady_s + 60)))
        # Stopping it is how it ends.
        with contextlib.suppress(Interrupted):
            actions.run(
                file,
                storage=name,
                kinds=[str(KINDS)],
                address=cluster.address,
                listener=watch,
                on_queue=watch.hold,
            )
    return {
        "raylets": nodes,
        "slots": slots,
        "rate": watch.rate,
        "of_ideal": watch.rate / slots,
        "driver_cpu_ms": 1000 * watch.cpu_s / len(watch.ends),
        "trials": len(watch.ends),
    }


def throughput(cases: tuple[tuple[int, int], ...], *, steady_s: float) -> list[dict[str, Any]]:
    """Measures and prints one case after another."""
    # This process and all clusters, since Ray reads a token once.
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
    found = []
    print(f"trials of one second, {os.cpu_count()} cores; bar: 0.9 of ideal up to 16 slots")
    for nodes, slots in cases:
        row = measure(nodes, slots, steady_s=steady_s)
        found.append(row)
        print(
            f"  {nodes} raylet{'s' if nodes > 1 else ' '} {slots:3} slots"
            f"  {row['rate']:6.2f} trials a second  {row['of_ideal']:.2f} of ideal"
            f"  driver {row['driver_cpu_ms']:.0f} ms of a core a trial",
            flush=True,
        )
    return found


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="least of each, within a minute")
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--raylets", type=int, help="one case only, with --slots")
    parser.add_argument("--slots", type=int)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    cases = QUICK if given.quick else CASES
    if given.raylets is not None:
        cases = ((given.raylets, given.slots or 2 * given.raylets),)
    found: dict[str, Any] = {}
    for part in given.part or PARTS:
        if part == "submit":
            found[part] = cluster_submit.measured(1 if given.quick else 5)
            cluster_submit.show(found[part])
        elif part == "storage":
            found[part] = cluster_storage.measured(quick=given.quick)
            cluster_storage.show(found[part])
        else:
            found[part] = throughput(cases, steady_s=QUICK_STEADY_S if given.quick else STEADY_S)
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
