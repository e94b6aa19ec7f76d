"""Runs attempts as Ray Tune trials: one trial an attempt, workers that live on between them.

Must never be the record of anything: Tune keeps nothing that is needed after a wave, and no
metric passes through it. What Tune does by default and is switched off here (result files, its
own retries, checkpoints of its state) costs a second a trial and cannot resume.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Final

from orchestrator.attempt import Attempt, Outcome
from orchestrator.cluster import Attachment, connect, nodes
from orchestrator.control import stop_at_rung
from orchestrator.errors import RunnerError
from orchestrator.resources import unasked
from orchestrator.rungs import Rung
from orchestrator.runners import Source
from orchestrator.runners.places import Line, Places
from orchestrator.runners.ray_ahead import Ahead, import_tune
from orchestrator.runners.ray_deaths import death
from orchestrator.runners.ray_parts import (
    listener,
    placement,
    sealed,
    searcher,
    silence,
    trainable,
    trial_name,
)
from orchestrator.runners.ray_seen import refuse_unseen
from orchestrator.runners.ray_survival import count_no_loggers, survive_memory_kills
from orchestrator.runners.ray_thrift import (
    give_memory_back,
    patient_starts,
    plain_actors,
    remembered_trainables,
    unsaved_state,
)
from orchestrator.runners.scratch import scratch
from orchestrator.spec import Resources

__all__ = ["Runner"]

_ENVIRONMENT: Final = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_SYNCER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_AUTO_INIT": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "100000000",
    # How many are pending is for us to say.
    "TUNE_MAX_PENDING_TRIALS_PG": "100000000",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_TRAIN_V2_ENABLED": "0",
}
WAVE_TRIALS: Final = 1000
"""Fewest trials of one `fit`: Tune keeps about 50 KB of each in the driver until it ends."""
WAVE_PER_SLOT: Final = 20


class Runner:
    """Attempts on a Ray cluster, several at a time."""

    def __init__(
        self,
        *,
        address: str | None = None,
        max_concurrent: int | None = None,
        resources: tuple[Resources, ...] = (),
        node_wait_s: float = 0.0,
        cpus: int | None = None,
        ahead: Ahead | None = None,
        root: str | None = None,
    ) -> None:
        """Names the place; nothing is started yet.

        Args:
            address: of a running cluster; None starts one on this machine.
            max_concurrent: most attempts at a time; None: as many as fit.
            resources: every demand that will occur, to find out early what fits nowhere.
            node_wait_s: longest wait for a node that fits, on a running cluster; one that starts
                here does not grow.
            cpus: cores that a cluster started here offers.
            ahead: the cluster, where it is on its way already.
            root: the run directory, which every node of a running cluster must see; None: nobody
                is asked.
        """
        self._root = root if address is not None else None
        self._ahead = ahead
        self._address = address
        self._max_concurrent = max_concurrent
        self._resources = resources
        self._node_wait_s = node_wait_s if address is not None else 0.0
        self._cpus = cpus

    def run(self, source: Source) -> None:
        """Runs attempts until the source is finished or stopping.

        Raises:
            RunnerError: no cluster, a demand that fits no node, or Tune itself failed.
        """
        importing = threading.Thread(target=import_tune, daemon=True)
        importing.start()  # It takes most of a second, which passes while Ray starts.
        with self._ahead or connect(self._address, cpus=self._cpus):
            importing.join()
            if self._root is not None:
                refuse_unseen(self._root, nodes())
            places = Places(nodes, wait_s=self._node_wait_s)
            places.refuse(self._resources)
            if hint := unasked([node.resources for node in nodes()], self._resources):
                source.warn(hint)
            os.environ.update(_ENVIRONMENT)
            line = Line(source, places, most=self._max_concurrent)
            while not (source.finished or source.stopping):
                _Wave(source, line, max(WAVE_TRIALS, WAVE_PER_SLOT * places.slots)).fit()
                give_memory_back()


class _WaveOver(Exception):
    """Nothing more starts, and what Tune still waits for fits no node."""


class _Wave:
    """One `fit`: as many attempts as keep the driver's memory flat."""

    def __init__(self, source: Source, line: Line, size: int) -> None:
        self._source = source
        self._line = line
        self._left = size
        self._pending: dict[str, Attempt] = {}
        self._running: dict[str, Attempt] = {}
        self._attachment = Attachment()
        self._raised: Exception | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune copies its parts into its folder, which nobody reads and which goes."""
        return {}

    def fit(self) -> None:
        """Lets Tune run until the wave is full or nothing is left."""
        from ray.tune.error import TuneError

        survive_memory_kills()
        count_no_loggers()
        plain_actors()
        patient_starts()
        unsaved_state()
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
        with scratch() as folder, remembered_trainables():
            try:
                self._tuner(folder).fit()
            except _WaveOver:
                for attempt in self._pending.values():
                    self._line.put_aside(attempt)
            except TuneError as error:
                # Of what our own parts raise Tune tells no more than a traceback's text.
                reason = " ".join(str(error).split())[-300:]
                raise self._raised or RunnerError(
                    f"ray tune: it runs a wave to its end, got: {reason}."
                ) from error
            if self._raised is not None:
                raise self._raised

    def _tuner(self, folder: str) -> Any:  # noqa: ANN401
        from ray import tune

        return tune.Tuner(
            tune.with_resources(trainable(), placement),
            tune_config=tune.TuneConfig(
                search_alg=searcher(self),
                num_samples=-1,
                reuse_actors=True,
                trial_name_creator=trial_name,
                trial_dirname_creator=trial_name,
            ),
            run_config=tune.RunConfig(
                name="wave",
                storage_path=folder,
                verbose=0,
                callbacks=[listener(self)],
                progress_reporter=silence(),
                failure_config=tune.FailureConfig(max_failures=0),
                checkpoint_config=tune.CheckpointConfig(
                    checkpoint_frequency=0, checkpoint_at_end=False
                ),
            ),
        )

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Keeps what is raised in the block: Tune hides it, or goes on as if a trial had failed."""
        try:
            yield
        except Exception as error:
            self._raised = error
            raise

    def suggest(self, name: str) -> Mapping[str, Any] | None:
        """Returns the parameters of the next Tune trial; None: none just now.

        An empty mapping means that the wave is over.
        """
        if self._over:
            return {}
        attempt = self._line.next(running=len(self._running), pending=self._demands)
        if attempt is None:
            return None
        self._left -= 1
        self._pending[name] = attempt
        return {"attempt": sealed(attempt)}

    @property
    def _over(self) -> bool:
        """Whether no more attempts begin in this wave."""
        over = self._left <= 0 or self._raised is not None
        return over or self._source.stopping or self._source.finished

    @property
    def _demands(self) -> list[Resources]:
        return [attempt.resources for attempt in self._pending.values()]

    def look(self) -> None:
        """Looks at the cluster, between two steps of Tune.

        Raises:
            RunnerError: it is gone, or nodes that are needed do not come.
            _WaveOver: Tune would wait for such nodes though the wave is over.
        """
        self._attachment.check()
        running, pending = len(self._running), self._demands
        if self._over and self._line.only_stuck(running=running, pending=pending):
            raise _WaveOver
        self._line.look(running=running, pending=pending)

    def started(self, name: str) -> None:
        """Hears from Tune that a worker has begun with a trial; until then it was pending."""
        attempt = self._pending.pop(name, None)
        if attempt is not None:
            self._running[name] = attempt
            self._source.started(attempt)

    def reported(self, name: str, result: Mapping[str, Any]) -> None:
        """Hears what a trial reached at a rung; what it should do is stored before it asks."""
        attempt, rung = self._running.get(name), result.get("rung")
        if attempt is not None and isinstance(rung, Rung) and self._source.reported(attempt, rung):
            stop_at_rung(attempt)

    def ended(self, name: str, result: Mapping[str, Any] | None, cause: str) -> None:
        """Hears from Tune that a trial ended, with its last result or why its worker died."""
        attempt = self._running.pop(name, None) or self._pending.pop(name, None)
        if attempt is None:
            return
        outcome = (result or {}).get("outcome")
        self._source.done(outcome if isinstance(outcome, Outcome) else death(attempt, cause))
