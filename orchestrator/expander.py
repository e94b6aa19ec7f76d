"""Turns points of a sweep file into cells: each a valid workload with its id and its baseline.

Must never know which points are asked for, nor how anything runs.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Final

from pydantic import ValidationError

from orchestrator.conditions import Conditions
from orchestrator.errors import Problem
from orchestrator.space import Assignment, Axis, assign, axis_values, cells_of
from orchestrator.spec import Grid, Resources
from orchestrator.spec_load import LoadedSweep, sentence
from workloads.config import Program, validate
from workloads.kinds import Kind, canonical, load, names
from workloads.shared import copied, text_of

__all__ = ["BASELINES", "Cell", "Draft", "Expander", "trial_id"]

BASELINES: Final = "baseline"
"""The grid of the baselines that a search plans beside what it asks for."""

MAX_PROBLEMS: Final = 50
"""Problems after which the search for more ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One point of a grid.

    Attributes:
        trial_id: 12 hexadecimal digits, the hash of `config`.
        grid: name of the first grid that asks for it.
        config: the canonical workload, every default filled in.
        baseline_id: the cell that its score is relative to, None without a baseline.
        score_rule: how it is compared with the baseline, None without one.
        metric: what its score reads.
        resources: what it asks of a machine.
    """

    trial_id: str
    grid: str
    config: Mapping[str, Any]
    baseline_id: str | None = None
    score_rule: str | None = None
    metric: str
    resources: Resources

    @property
    def seed(self) -> int | None:
        """The workload's seed, None if it has none."""
        seed = self.config.get("seed")
        return seed if isinstance(seed, int) else None


def trial_id(config: Mapping[str, Any]) -> str:
    """Hashes a canonical workload: 12 hexadecimal digits of blake2b over its sorted JSON."""
    return blake2b(text_of(config).encode(), digest_size=6).hexdigest()


@dataclass(frozen=True, slots=True)
class Draft:
    """A cell that is valid, before its baseline is known."""

    cell: Cell
    program: Program
    values: dict[str, Any]


class Expander:
    """Walks the grids of one file, collecting drafts and problems."""

    def __init__(self, loaded: LoadedSweep) -> None:
        self.problems: dict[Problem, None] = dict.fromkeys(loaded.problems)
        self._loaded = loaded
        self._sweep = loaded.sweep
        self._baseline_ids: dict[bytes, str | None] = {}
        self._baseline_problems: dict[Problem, None] = {}
        self.baselines: dict[str, Cell] = {}
        """Baselines by id, as trials of their own; a grid has them among its cells."""

    def blame(self, path: tuple[str | int, ...], message: str, *, at_key: bool = False) -> None:
        """Notes a problem; the same one from many cells counts once."""
        self.problems[self._loaded.document.problem(path, message, at_key=at_key)] = None

    def drafts(self) -> Iterator[Draft]:
        """Yields the valid cells grid by grid."""
        grids = self._sweep.grids
        if grids is None:
            yield from self._of_grid(Grid(name=self._sweep.name), None)
            return
        for number, grid in enumerate(grids):
            if number not in self._loaded.broken_grids:
                yield from self._of_grid(grid, number)

    def method(self) -> Kind | None:
        """How the points are chosen, with its settings; None where that is wrong."""
        known = names("orchestrator.search")
        if self._sweep.method not in known:
            message = f"a search that is built, got {self._sweep.method!r}."
            self.blame(("method",), f"{message} Known searches: {', '.join(known)}.")
            return None
        try:
            return load("orchestrator.search", self._sweep.method).model_validate(
                self._sweep.search
            )
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                self.blame(("search", *detail["loc"]), sentence(detail), at_key=True)
            return None

    def _of_grid(self, grid: Grid, number: int | None) -> Iterator[Draft]:
        axes = self._axes_of(grid, number)
        if axes is None:
            return
        cells = cells_of(
            axes,
            zipped=grid.zip,
            fixed=grid.set,
            when=grid.when,
            base=self._sweep.workload,
        )
        conditions = Conditions(exclude=grid.exclude, when=grid.when)
        seeds = self._sweep.replicates.seeds if self._sweep.replicates else [None]
        try:
            for values, used in cells:
                conditions.saw(used)
                for seed in seeds:
                    seeded = values if seed is None else values | {"seed": seed}
                    if conditions.leave_out(seeded):
                        continue
                    draft = self.draft(grid, number, seeded, used)
                    if draft is not None:
                        yield draft
                    if len(self.problems) >= MAX_PROBLEMS:
                        return
        except ValueError as error:
            self.blame(() if number is None else ("grids", number), str(error))
            return
        # Words of the command line may take away what the file's conditions are about.
        if not self._loaded.document.given:
            base = self._sweep.workload | grid.set
            varied = [*axes, *([Axis("seed", seeds)] if self._sweep.replicates else [])]
            for path, message in conditions.unmet(base=base, axes=varied):
                self.blame(("grids", number or 0, *path), message)

    def _axes_of(self, grid: Grid, number: int | None) -> list[Axis] | None:
        axes = []
        for name, given in grid.parameters.items():
            try:
                values, written = axis_values(given)
                axes.append(Axis(name, values, written))
            except ValueError as error:
                self.blame(("grids", number or 0, "parameters", name), str(error))
        return axes if len(axes) == len(grid.parameters) else None

    def draft(
        self,
        grid: Grid,
        number: int | None,
        values: dict[str, Any],
        used: Sequence[Assignment],
    ) -> Draft | None:
        try:
            program = validate(values)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                unknown = detail["type"] in ("extra_forbidden", "unknown_key")
                path = self._path_of(detail["loc"], number, used, seed=values.get("seed"))
                self.blame(path, sentence(detail), at_key=unknown)
            return None
        except Exception as error:  # A file of the user's own, which may raise whatever it likes.
            self.blame(self._path_of(("kind",), number, used), _broken_kind(error))
            return None
        config = canonical(program)
        cell = Cell(
            trial_id=trial_id(config),
            grid=grid.name,
            config=config,
            metric=self._sweep.metrics[0].name,
            resources=grid.resources or self._sweep.resources,
        )
        return Draft(cell, program, values)

    def _path_of(
        self,
        loc: tuple[str | int, ...],
        number: int | None,
        used: Sequence[Assignment],
        *,
        seed: object = None,
    ) -> tuple[str | int, ...]:
        """Finds what in the file gave the workload its value at `loc`."""
        best: tuple[str | int, ...] = ("workload", *loc)
        depth = -1
        for choice in used:
            parts = tuple(choice.name.split("."))
            shared = min(len(parts), len(loc))
            if parts[:shared] != tuple(map(str, loc[:shared])) or shared <= depth:
                continue
            depth = shared
            head: tuple[str | int, ...] = ("grids", number or 0)
            head += ("set",) if choice.index is None else ("parameters",)
            index = (choice.index,) if choice.index is not None and choice.written else ()
            best = (*head, choice.name, *index, *loc[len(parts) :])
        if loc == ("seed",) and self._sweep.replicates:
            return ("replicates", "seeds", [*self._sweep.replicates.seeds, seed].index(seed))
        return best

    def with_baseline(self, draft: Draft) -> Cell:
        """The cell with the id of its baseline, whether that is a cell or not."""
        baseline = self._sweep.baseline
        if baseline is None:
            return draft.cell
        values = copied(draft.values) | baseline_norm(draft.program)
        for name, value in baseline.items():
            try:
                assign(values, name, value)
            except ValueError as error:
                self._blame_baseline(name, str(error), at_key=True)
                return draft.cell
        key = blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=16).digest()
        if key not in self._baseline_ids:
            self._baseline_ids[key] = self._baseline_id(values)
        found = self._baseline_ids[key]
        if found is None:
            return draft.cell
        rule, metric = draft.program.score_rule, draft.program.score_metric
        return replace(
            draft.cell,
            baseline_id=found,
            score_rule=rule or "difference",
            metric=metric or draft.cell.metric,
        )

    def _baseline_id(self, values: dict[str, Any]) -> str | None:
        try:
            program = validate(values)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                self._blame_baseline(".".join(map(str, detail["loc"])), sentence(detail))
            return None
        config = canonical(program)
        found = trial_id(config)
        replicates = self._sweep.replicates
        adaptive = replicates is not None and replicates.adaptive is not None
        if self._sweep.method != "grid" or adaptive:
            self.baselines[found] = Cell(
                trial_id=found,
                grid=BASELINES,
                config=config,
                baseline_id=found,
                score_rule=program.score_rule or "difference",
                metric=program.score_metric or self._sweep.metrics[0].name,
                resources=self._sweep.resources,
            )
        return found

    def _blame_baseline(self, name: str, message: str, *, at_key: bool = False) -> None:
        problem = self._loaded.document.problem(("baseline", name), message, at_key=at_key)
        self._baseline_problems[problem] = None

    def find_baseline_problems(self) -> None:
        """Blames baselines that cannot be."""
        self.problems |= self._baseline_problems

    def find_baselines(self, cells: Mapping[str, Cell]) -> None:
        """Blames baselines that cannot be, and those that are no cell."""
        self.find_baseline_problems()
        for cell in cells.values():
            if cell.baseline_id is not None and cell.baseline_id not in cells:
                message = (
                    "each cell's baseline is a cell of the sweep, got none with"
                    f" {self._sweep.baseline} for grid {cell.grid}."
                    " Add it to a grid, or leave baseline out."
                )
                self.blame(("baseline",), message, at_key=True)


def baseline_norm(program: Program) -> dict[str, Any]:
    """The norm that a baseline has: the model's own."""
    return {} if program.default_norm is None else {"norm": canonical(program.default_norm)}


def _broken_kind(error: Exception) -> str:
    """Says what is wrong with a kind's file, and in which line of it."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    told = f"{type(error).__name__}: {error}"
    return f"a kind's file can be imported and read, got {told}{place}. Mend the file."
