"""The searches: how the next trials are chosen. Each file is a kind; none knows who runs them.

A search is a pure function of what the store holds and of its own settings: asked again with the
same history it asks for the same, so a search goes on after a resume by being asked.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from pydantic import Field

from orchestrator.region import Region
from workloads.kinds import Kind

__all__ = ["Answer", "Goal", "Method", "Question", "Search", "Space"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One trial that a search asks for.

    Attributes:
        grid: the region that it lies in.
        values: axis name -> value; without the axes whose condition is not met.
        seed: the workload's; None: the file's.
    """

    grid: str
    values: Mapping[str, Any]
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One trial of the space as the store holds it.

    Attributes:
        trial_id: its id.
        grid: the region that it lies in.
        values: axis name -> value; without the axes whose condition is not met.
        seed: the workload's, None if it has none.
        status: `planned`, `running` (also while it waits for a retry), or how it ended for good:
            `completed`, `stopped`, `failed`, `cancelled`.
        failure_class: why it failed.
        step: the last one with a value; None before it ended.
        metrics: last value of each whole-model metric; empty before it ended.
        score: against its baseline, as SQL computes it; None before both ended.
        score_rule: how its score relates to its baseline; None without one, and before it ended.
        left_out: why no cliff can rest on it; filled in where the method reads the cliff.
        config: the canonical workload.
    """

    trial_id: str
    grid: str
    values: Mapping[str, Any]
    seed: int | None
    status: str
    failure_class: str | None = None
    step: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    score: float | None = None
    score_rule: str | None = None
    left_out: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether nothing more will be known of it."""
        return self.status not in ("planned", "running")


@dataclass(frozen=True, slots=True)
class Goal:
    """A metric, and whether more of it is better."""

    name: str
    maximize: bool


def _none(grid: str, values: Mapping[str, Any]) -> bool:
    """Refuses no point."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Where a search may ask.

    Attributes:
        regions: the grids of the file, at least one.
        goals: what to look for, one or two.
        seeds: of the replicates; None in it stands for the file's own.
        delta: the loss of score that counts as none.
        refused: (region, values) -> whether a point is no valid workload; always the same answer,
            so that what is passed over needs no record.
    """

    regions: tuple[Region, ...]
    goals: tuple[Goal, ...]
    seeds: tuple[int | None, ...] = (None,)
    delta: float = 0.01
    refused: Callable[[str, Mapping[str, Any]], bool] = _none

    def allows(self, grid: str, values: Mapping[str, Any]) -> bool:
        """Whether a point may be asked for: neither left out nor refused."""
        return self.region(grid).allows(values) and not self.refused(grid, values)

    def region(self, name: str) -> Region:
        """The region of a name.

        Raises:
            KeyError: there is none.
        """
        found = next((region for region in self.regions if region.name == name), None)
        if found is None:
            raise KeyError(name)
        return found


class Search(Protocol):
    """What a method's `build` gives."""

    def ask(self, history: Sequence[Answer]) -> Sequence[Question] | None:
        """Says what to train next; a pure function of the history.

        Args:
            history: every trial of the space, in the order in which they were planned.

        Returns:
            Questions, to be started in this order; none until more is known; None: it is done.
            What is asked again although the history holds it is not trained again.
        """
        ...


class Method(Kind, ABC):
    """The settings of a search: what stands under `search` in the sweep file.

    Attributes:
        foreseen: whether all questions are known before the first answer, so that they are
            planned like the cells of a grid.
        free_seeds: whether it chooses seeds itself, so that a trial of any seed is in its space.
        reads_cliff: whether it looks at the break so far: it is told which trials no cliff can
            rest on, and the interval over cells that it asked for allows for its looks.
        goals: how many metrics it takes, the fewest and the most.
    """

    foreseen: ClassVar[bool] = False
    free_seeds: ClassVar[bool] = False
    reads_cliff: ClassVar[bool] = False
    goals: ClassVar[tuple[int, int]] = (1, 1)

    trials: int = Field(
        default=64, ge=1, le=100_000, description="most trials to ask for, baselines not counted"
    )

    @abstractmethod
    def build(self, space: Space) -> Search:
        """Returns what is asked.

        Raises:
            ValueError: the space is none that this method can search; "rule, got value. way out."
        """
