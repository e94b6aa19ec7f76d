"""What a workload is to those outside: its configuration, and the progress that it yields.

Must never know how progress is stored, who iterates, or any particular program.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from workloads.kinds import Kind, one_of, refusal

if TYPE_CHECKING:
    from workloads.state import State

__all__ = ["Length", "Program", "Progress", "ScoreRule", "Training", "validate"]

ScoreRule = Literal["accuracy_ratio", "exp_loss", "difference"]
_PROGRAMS = one_of("workloads.programs")


@dataclass(frozen=True, slots=True)
class Progress:
    """Everything known at one step.

    Attributes:
        step: Optimizer updates done; 0 is before any, −1 before that: nothing is known yet.
        metrics: Whole-model values by name, builtin floats; empty at most steps.
        layers: Values by layer and name, builtin floats.
    """

    step: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    layers: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Length:
    """How much there is to do in one training.

    Attributes:
        steps: Optimizer updates, at least 1.
        evaluations: Times that it is evaluated, 0 or more.
    """

    steps: int
    evaluations: int


class Training(Protocol):
    """What a program's `build()` gives."""

    def train(self, state: State) -> Iterator[Progress]:
        """Yields a Progress after every step; whoever iterates may stop or save between two."""
        ...


class Program(Kind, ABC):
    """The configuration of a program; all of it together is the workload."""

    @property
    def score_rule(self) -> ScoreRule | None:
        """How a cell is compared with its baseline; None: the program does not say."""
        return None

    @property
    def score_metric(self) -> str | None:
        """The metric which that rule reads."""
        return None

    @property
    def default_norm(self) -> Kind | None:
        """The norm that the baseline of this workload has; None: there is no such thing."""
        return None

    @property
    def length(self) -> Length | None:
        """How much there is to do; None: only the training itself finds out."""
        return None

    def shortened(self, steps: int) -> Program | None:
        """Returns the same training with so few updates, evaluated as often as it is at least:
        before, halfway and at the end. None: it cannot be.

        Args:
            steps: At least 2.
        """
        return None

    def check(self, data_dir: Path | None = None, *, files: Sequence[Path] = ()) -> None:
        """Raises before anything starts where something that training needs is missing.

        Args:
            data_dir: Folder of the full data sets.
            files: What the sweep file lists under `files`.
        """

    def fits_devices(self, count: int) -> None:
        """Raises ValueError where one training cannot use that many devices, 2 or more."""
        raise ValueError(f"{self.kind} trains on one device, got {count}. Write gpu: 1.")

    @abstractmethod
    def build(self) -> Training:
        """Returns the object whose `train(state)` yields progress."""


def validate(values: Mapping[str, Any]) -> Program:
    """Turns the `workload:` mapping into its program's Config; `kind` defaults to supervised.

    Raises:
        pydantic.ValidationError: All problems together, each with the path of the user's key.
    """
    if not isinstance(values, Mapping):
        raise refusal((), f"a workload is a mapping, got {values!r}. Write its keys.", values)
    program = _PROGRAMS.validate({"kind": "supervised", **values})
    if not isinstance(program, Program):
        raise refusal(
            ("kind",),
            f"a program's Config derives from Program, got {type(program)!r}."
            " Import it from workloads.config.",
            program.kind,
        )
    return program
