"""The parts that Ray Tune is given: who runs an attempt, who names the next one, who hears of it.

Must never decide anything: what comes next and what an end means is the wave's.
"""

from __future__ import annotations

import base64
import contextlib
import os
import pickle
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from orchestrator.attempt import Attempt
from orchestrator.control import stops_at_rung
from orchestrator.trial import Course
from orchestrator.worker import in_worker

__all__ = [
    "Wave",
    "listener",
    "placement",
    "sealed",
    "searcher",
    "silence",
    "trainable",
    "trial_name",
]


class Wave(Protocol):
    """Who is asked and told."""

    def look(self) -> None:
        """Looks at the cluster, between two steps of Tune."""

    def kept(self) -> AbstractContextManager[None]:
        """Keeps what is raised in the block from Tune."""

    def suggest(self, name: str) -> Mapping[str, Any] | None:
        """Returns the parameters of the next trial; None: none just now; empty: no more."""

    def started(self, name: str) -> None:
        """Hears that a worker has begun with a trial."""

    def reported(self, name: str, result: Mapping[str, Any]) -> None:
        """Hears what a trial reached while it runs; it halts until this returns."""

    def ended(self, name: str, result: Mapping[str, Any] | None, cause: str) -> None:
        """Hears that a trial ended, with its last result or why its worker died."""


def _cause(trial: Any) -> str:  # noqa: ANN401
    """What Ray said of a worker's death, as Tune wrote it down on this machine."""
    with contextlib.suppress(OSError, TypeError):
        return Path(trial.error_file).read_text(errors="replace")
    return ""


def trial_name(trial: Any) -> str:  # noqa: ANN401
    """The name of a Tune trial and of its folder."""
    return str(trial.trial_id)


def sealed(attempt: Attempt) -> str:
    """An attempt as one text: Tune copies parameters and writes them as JSON again and again."""
    return base64.b64encode(pickle.dumps(attempt)).decode()


def _opened(config: Mapping[str, Any]) -> Attempt:
    """What `sealed` closed, on its way from this driver to its worker."""
    attempt = pickle.loads(base64.b64decode(config["attempt"]))
    assert isinstance(attempt, Attempt)
    return attempt


def placement(config: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """The places that Tune asks Ray for, for one attempt."""
    from ray import tune

    return tune.PlacementGroupFactory([_opened(config).resources.bundle()])


def trainable() -> type:
    """The class whose instances are Tune's workers."""
    from ray import tune

    class Cell(tune.Trainable):
        """Runs one attempt: to its end in one step, or from rung to rung."""

        course: Course | None = None

        def __init__(self, *given: Any, **named: Any) -> None:  # noqa: ANN401
            # Tune would move its worker into a folder of its own, which it then removes.
            os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"
            super().__init__(*given, **named)

        def step(self) -> dict[str, Any]:
            try:
                if self.course is None:
                    self.course = in_worker(_opened(self.config))
                    return {"done": False, "rung": next(self.course)}
                stops = stops_at_rung(_opened(self.config))
                return {"done": False, "rung": self.course.send(stops)}
            except StopIteration as ended:
                return {"done": True, "outcome": ended.value}

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.course = None
            return True

    return Cell


def searcher(wave: Wave) -> Any:  # noqa: ANN401
    """What Tune asks for the next trial."""
    from ray.tune.search import Searcher

    class Queue(Searcher):
        """Hands Tune the next attempt whenever a place is free."""

        def suggest(self, trial_id: str) -> Any:  # noqa: ANN401
            with wave.kept():
                found = wave.suggest(trial_id)
            return Searcher.FINISHED if found == {} else found

        def on_trial_complete(
            self, trial_id: str, result: object = None, error: bool = False
        ) -> None:
            """Hears nothing that the listener does not hear."""

        def save(self, checkpoint_path: str) -> None:
            """Keeps nothing: the store does."""

        def restore(self, checkpoint_path: str) -> None:
            """Has nothing to restore."""

    return Queue(metric="done", mode="max")


def listener(wave: Wave) -> Any:  # noqa: ANN401
    """What Tune tells of its trials."""
    from ray import tune

    class Listener(tune.Callback):
        """Passes on when trials start and how they end, and when Tune begins a step."""

        def on_step_begin(self, iteration: int, trials: list[Any], **info: object) -> None:
            wave.look()

        def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:  # noqa: ANN401
            with wave.kept():
                wave.started(trial.trial_id)

        def on_trial_result(
            self,
            iteration: int,
            trials: list[Any],
            trial: Any,  # noqa: ANN401
            result: dict[str, Any],
            **info: object,
        ) -> None:
            with wave.kept():
                wave.reported(trial.trial_id, result)

        def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:  # noqa: ANN401
            with wave.kept():
                wave.ended(trial.trial_id, trial.last_result, "")

        def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:  # noqa: ANN401
            with wave.kept():
                wave.ended(trial.trial_id, None, _cause(trial))

    return Listener()


def silence() -> Any:  # noqa: ANN401
    """What Tune shows its progress with: nothing; in a notebook its own would clear ours away."""
    from ray.tune.progress_reporter import ProgressReporter

    class Silence(ProgressReporter):
        """Is never due."""

        def should_report(self, trials: list[Any], done: bool = False) -> bool:
            return False

        def report(self, trials: list[Any], done: bool, *sys_info: str) -> None:
            """Reports nothing."""

    return Silence()
