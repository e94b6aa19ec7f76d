"""The processes that `control.py` starts; each prints JSON, a line an observation."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

CORES = 2
TUNED = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_SYNCER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "100000000",
    "TUNE_MAX_PENDING_TRIALS_PG": str(CORES),
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}


def tell(**figures: float) -> None:
    """Prints one observation."""
    print(json.dumps(figures), flush=True)


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Quiet:
    """Hears what happens in a run and says nothing."""

    def changed(self, difference: object) -> None: ...

    def planned(self, plan: object, left: int) -> None: ...

    def started(self, tally: object, attempt: object) -> None: ...

    def ended(self, tally: object, outcome: object, verdict: str) -> None: ...

    def warned(self, sentence: str) -> None: ...


class Waves(Quiet):
    """Tells at the first start of each wave, when the one before it is over, how large we are."""

    def __init__(self, wave: int, half: int) -> None:
        self.wave, self.half = wave, half
        self.started_so_far, self.begun = 0, time.perf_counter()

    def started(self, tally: object, attempt: object) -> None:
        if self.started_so_far and self.started_so_far % self.wave == 0:
            self.tell()
        if self.started_so_far == self.half:
            tell(half=self.half)
        self.started_so_far += 1

    def tell(self) -> None:
        """Prints how large the driver is."""
        took = time.perf_counter() - self.begun
        tell(started=self.started_so_far, rss=resident(), s=took)


def run(path: str, storage: str, kinds: str, wave: str, half: str) -> None:
    """A whole sweep, in waves of that many trials; says when half of them were started."""
    from orchestrator import actions
    from orchestrator.runners import ray_tune

    ray_tune.WAVE_TRIALS = int(wave)
    listener = Waves(int(wave), int(half))
    summary = actions.run(path, storage=storage, kinds=[kinds], listener=listener)
    listener.tell()
    if summary.exit_code:
        raise SystemExit(f"{summary.counts}")


def status(name: str, storage: str, every_s: str, driver: str) -> None:
    """How long `status` takes once its modules are there, as long as the driver lives."""
    from orchestrator import actions
    from orchestrator.errors import InputError

    with contextlib.suppress(InputError):
        actions.status(name, storage=storage)
    while Path(f"/proc/{driver}").exists():
        time.sleep(float(every_s))
        with contextlib.suppress(InputError):
            begun = time.perf_counter()
            found = actions.status(name, storage=storage)
            tell(s=time.perf_counter() - begun, total=found.total)


class Decided(BaseException):
    """All that was to be seen has been seen."""


class UntilPlanned(Quiet):
    """Ends the process when it is known what is left."""

    def planned(self, plan: object, left: int) -> None:
        tell(left=left)
        raise Decided


def resume(name: str, storage: str) -> None:
    """A resume up to the point where it would start trials."""
    from orchestrator import actions

    with contextlib.suppress(Decided):
        actions.resume(name, storage=storage, listener=UntilPlanned())


def tune(count: str) -> None:
    """Plain Ray Tune, tuned: workers reused, loggers and snapshots off."""
    os.environ.update(TUNED)
    import tempfile

    from ray import tune as ray_tune

    from orchestrator.cluster import connect

    class Trivial(ray_tune.Trainable):
        def step(self) -> dict[str, Any]:
            return {"total": self.config["value"], "done": True}

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            return True

    with connect(cpus=CORES), tempfile.TemporaryDirectory() as folder:
        before, begun = resident(), time.perf_counter()
        values = [float(value) for value in range(int(count))]
        never = ray_tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False)
        found = ray_tune.Tuner(
            Trivial,
            param_space={"value": ray_tune.grid_search(values)},
            tune_config=ray_tune.TuneConfig(reuse_actors=True),
            run_config=ray_tune.RunConfig(storage_path=folder, verbose=0, checkpoint_config=never),
        ).fit()
        wall_s = time.perf_counter() - begun
        if found.errors:
            raise SystemExit(f"{found.errors[0]}")
        tell(trials=len(found), wall_s=wall_s, growth=(resident() - before) / int(count))


if __name__ == "__main__":
    {"sweep": run, "status": status, "resume": resume, "tune": tune}[sys.argv[1]](*sys.argv[2:])
