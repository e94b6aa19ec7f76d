"""The sweep file as frozen values: every key but those of the workload, which its kinds own.

Must never know how cells are made of it, nor how anything runs.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from orchestrator.budget import Budget
from orchestrator.quantities import Every, Limit, Seconds
from orchestrator.resources import Resources
from orchestrator.space import axis_values
from orchestrator.stopping import Rule
from workloads.kinds import one_of, refusal

__all__ = [
    "FAILURE_CLASSES",
    "VERSION",
    "Checkpoint",
    "Grid",
    "Metric",
    "Resources",
    "Retry",
    "Sweep",
    "is_axis",
]

VERSION: Final = 1
"""The version of the sweep file's grammar that this code reads."""

FAILURE_CLASSES: Final = (
    "user_error",
    "diverged",
    "cuda_oom",
    "host_oom",
    "worker_lost",
    "node_lost",
    "preempted",
    "timeout",
    "storage",
    "cancelled",
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_AXIS = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_/@-]*){0,20}")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _plain_name(value: str) -> str:
    if not _NAME.fullmatch(value) or value.endswith("."):
        raise ValueError(
            f"a name is letters, digits, '_', '-' and '.', at most 100, got {value!r}. Rename it."
        )
    return value


Name = Annotated[str, AfterValidator(_plain_name)]


def _unbuilt(way_out: str) -> BeforeValidator:
    """Refuses any value but the one that means "off", since that part is not built."""

    def check(value: object) -> object:
        if not isinstance(value, bool) and value in (None, {}, [], "off"):
            return value
        raise ValueError(f"not built yet, got {value!r}. {way_out}")

    return BeforeValidator(check)


class Metric(_Part):
    """What counts as good."""

    name: str = Field(default="val_accuracy", min_length=1, description="a whole-model metric")
    goal: Literal["maximize", "minimize"] = "maximize"


Metrics = Annotated[
    Annotated[Metric, Tag("one")] | Annotated[list[Metric], Tag("several"), Field(min_length=1)],
    Discriminator(lambda value: "several" if isinstance(value, list) else "one"),
]


class Adaptive(_Part):
    """Further seeds for cells whose interval still crosses a decision."""

    max: int = Field(default=8, ge=3, le=64, description="most seeds of a cell")
    until: float = Field(
        default=0.95, ge=0.5, lt=1, description="probability that a decision is not wrong"
    )


class Replicates(_Part):
    """Which seeds every cell gets; they replace `workload.seed`."""

    seeds: list[int] = Field(min_length=1, description="one trial each")
    adaptive: Adaptive | None = None

    @model_validator(mode="before")
    @classmethod
    def _two_to_begin_with(cls, value: object) -> object:
        """A spread needs two values, so that is where adaptive replicates begin."""
        if isinstance(value, dict) and value.get("adaptive") and "seeds" not in value:
            return value | {"seeds": [0, 1]}
        return value

    @model_validator(mode="after")
    def _fewer_than_most(self) -> Replicates:
        if self.adaptive is not None and not 2 <= len(set(self.seeds)) < self.adaptive.max:
            raise ValueError(
                f"adaptive replicates begin with 2 seeds or more and fewer than max, got"
                f" {self.seeds} and max {self.adaptive.max}. Write seeds: [0, 1]."
            )
        return self


class Retry(_Part):
    """How often a failed trial is tried again."""

    max: int = Field(default=2, ge=0, le=100, description="retries of a trial")
    backoff: Seconds = Field(default=5.0, description="wait before the first, then doubled; ± half")
    on: dict[Literal[FAILURE_CLASSES], Annotated[int, Field(ge=0, le=100)]] = Field(  # type: ignore[valid-type]
        default_factory=dict, description="failure class -> retries, instead of max"
    )


class Checkpoint(_Part):
    """When a trial saves itself."""

    every: Every | None = Field(
        default_factory=lambda: Every(1, "epoch"), description="null: never"
    )
    keep: int = Field(
        default=1, ge=1, le=1000, description="newest kept of a trial; one more until it completed"
    )


def is_axis(name: str) -> bool:
    """Whether a dotted name can be that of an axis."""
    return len(name) <= 200 and _AXIS.fullmatch(name) is not None


def _axes(value: object) -> object:
    """Checks the names of axes; their values are read where errors can be placed."""
    if not isinstance(value, dict):
        raise ValueError(f"a mapping of names to lists, got {value!r}. Write name: [values].")
    for name in value:
        if not is_axis(name):
            raise ValueError(f"an axis is a dotted name, got {name!r}. Write activation.share.")
    return value


Axes = Annotated[dict[str, Any], BeforeValidator(_axes)]


Stopping = Annotated[Rule, one_of("orchestrator.stopping")] | None


class Grid(_Part):
    """A named product of values."""

    name: Name
    set: Axes = Field(default_factory=dict, description="name -> value, for all cells of the grid")
    parameters: Axes = Field(default_factory=dict, description="name -> list or range")
    zip: list[list[str]] = Field(default_factory=list, description="names that advance together")
    when: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="axis -> {name: value}, under which it exists"
    )
    exclude: list[dict[str, Any]] = Field(default_factory=list, description="cells to leave out")
    resources: Resources | None = Field(default=None, description="instead of the sweep's")
    early_stopping: Stopping = Field(default=None, description="instead of the sweep's")

    @model_validator(mode="after")
    def _names_are_axes(self) -> Grid:
        zipped = [name for group in self.zip for name in group]
        for key, named in (("zip", zipped), ("when", list(self.when))):
            for name in named:
                if name not in self.parameters:
                    known = ", ".join(self.parameters) or "none"
                    message = f"it names axes of the grid, got {name!r}. Axes: {known}."
                    raise refusal((key,), message, name)
        if len(zipped) != len(set(zipped)):
            message = f"an axis is zipped once, got {self.zip!r}. Remove the repetition."
            raise refusal(("zip",), message, self.zip)
        for group in self.zip:
            self._same_length(group)
        return self

    def _same_length(self, group: list[str]) -> None:
        try:
            lengths = {name: len(axis_values(self.parameters[name])[0]) for name in group}
        except ValueError:
            return  # Told with its own place when the axis is read.
        if len(set(lengths.values())) > 1:
            message = f"zipped axes are equally long, got {lengths}. Make them equal."
            raise refusal(("zip",), message, group)


def _beside(value: object) -> object:
    if isinstance(value, str):
        path = PurePosixPath(value)
        if value and not path.is_absolute() and ".." not in path.parts and path.parts:
            return value
    raise ValueError(
        f"paths below the folder of the sweep file, got {value!r}. Put it there, or name a data"
        " folder with --data."
    )


def _this_version(value: object) -> object:
    if value != VERSION or isinstance(value, bool):
        raise ValueError(f"version is {VERSION}, got {value!r}. Write version: {VERSION}.")
    return value


def _concurrency(value: object) -> object:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value == "auto" or (whole and 1 <= value <= 100_000):  # type: ignore[operator]
        return value
    raise ValueError(f"auto or a number from 1 to 100000, got {value!r}. Write auto.")


class Sweep(_Part):
    """A whole sweep file. The workload is checked by the kinds that own its keys, cell by cell."""

    version: Annotated[int, BeforeValidator(_this_version)] = Field(description="of this grammar")
    name: Name
    kinds: list[str] = Field(default_factory=list, description="folders with your own kinds")
    files: list[Annotated[str, BeforeValidator(_beside)]] = Field(
        default_factory=list,
        description="files and folders beside the sweep file that your own script needs",
    )
    workload: dict[str, Any] = Field(description="the base that the grids change")
    method: str = Field(default="grid", description="how cells are chosen")
    search: dict[str, Any] = Field(default_factory=dict, description="the method's settings")
    grids: list[Grid] | None = Field(default=None, min_length=1, description="union of products")
    replicates: Replicates | None = None
    baseline: Axes | None = Field(default=None, description="what score is relative to")
    metric: Metrics = Field(default_factory=Metric)
    order: Literal["as_written", "shuffled", "balanced"] = "balanced"
    resources: Resources = Field(default_factory=Resources)
    max_concurrent_trials: Annotated[int | str, BeforeValidator(_concurrency)] = "auto"
    node_wait: Seconds = Field(
        default=300.0, description="longest wait for a node that a trial fits on, with --address"
    )
    early_stopping: Stopping = Field(default=None, description="which rule ends trials early")
    retry: Retry = Field(default_factory=Retry)
    trial_timeout: Seconds | None = None
    grace: Seconds = Field(default=30.0, description="from the request to leave to the kill")
    max_failed_trials: Limit = Field(default_factory=lambda: Limit(percent=10.0))
    max_consecutive_failures: int = Field(default=10, ge=1)
    checkpoint: Checkpoint = Field(default_factory=Checkpoint)
    budget: Budget = Field(default_factory=Budget)
    delta: float = Field(default=0.01, ge=0, lt=1, description="loss of score that counts as none")
    pack: Annotated[str, _unbuilt("Write pack: off.")] = "off"
    storage: str = Field(default="runs", min_length=1, description="where run directories stand")
    tags: list[str] = Field(default_factory=list)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What counts as good, the most important first."""
        return tuple(self.metric) if isinstance(self.metric, list) else (self.metric,)

    @model_validator(mode="after")
    def _grid_names_differ(self) -> Sweep:
        seen: set[str] = set()
        for number, grid in enumerate(self.grids or ()):
            if grid.name in seen:
                message = f"grids have names of their own, got {grid.name!r} again. Rename one."
                raise refusal(("grids", number, "name"), message, grid.name)
            seen.add(grid.name)
        return self
