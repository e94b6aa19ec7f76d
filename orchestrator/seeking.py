"""What a search may ask for: the space of a sweep file, and the cells of single points in it.

Must never know what was answered, nor how anything runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from orchestrator.errors import Problem, SpecError
from orchestrator.expander import Cell, Draft, Expander
from orchestrator.region import Choice, Dimension, Range, Region, region_of
from orchestrator.search import Goal, Method, Question, Search, Space
from orchestrator.space import Assignment
from orchestrator.spec import Grid, Resources
from orchestrator.spec_load import LoadedSweep
from workloads.shared import shared_parts

__all__ = ["Sought"]

_MOST_OPTIONS: Final = 1000
"""Options of one dimension that are tried before anything starts."""


class Sought:
    """The space of a sweep whose method searches, checked as far as it can be before a start."""

    def __init__(self, loaded: LoadedSweep, expander: Expander, method: Method) -> None:
        """Reads the space; what is wrong with it is raised by `foreseen` and `search`."""
        self.method = method
        self._expander = expander
        self._sweep = loaded.sweep
        self._broken = loaded.broken_grids
        self._tried: list[Cell] = []
        self._passed_over: list[Problem] = []
        self._told: set[tuple[str, str]] = set()
        self.space = self._space()

    def search(self) -> Search:
        """What is asked for the next trials.

        Raises:
            SpecError: everything wrong with the file, the space and the points tried in it.
        """
        for region, number in zip(self.space.regions, self._numbers(), strict=False):
            self._try_points(region, number)
        self._check_goals()
        if not self._expander.problems:
            try:
                return self.method.build(self.space)
            except ValueError as error:
                self._expander.blame(("search",), str(error), at_key=True)
        self._expander.find_baseline_problems()
        raise SpecError(list(self._expander.problems))

    def foreseen(self) -> list[Cell]:
        """The cells that are asked for whatever comes of them, each behind its baseline.

        Raises:
            SpecError: everything wrong with the file, the space and the points tried in it.
        """
        search = self.search()
        found: dict[str, Cell] = {}
        if self.method.foreseen:
            for question in search.ask([]) or ():
                for cell in self.cells(question):
                    found.setdefault(cell.trial_id, cell)
        return list(found.values())

    def samples(self) -> list[Cell]:
        """The cells of the points that are tried before anything starts.

        Raises:
            SpecError: everything wrong with the file, the space and these points.
        """
        self.search()
        return self._tried

    def passed_over(self) -> list[str]:
        """What was wrong with points that the search drew since the last call; it passed them over.

        Values differ from point to point, so each place of the file and each rule is told once.
        """
        found = {(problem.where, _rule(problem)): str(problem) for problem in self._passed_over}
        self._passed_over.clear()
        new = [sentence for key, sentence in found.items() if key not in self._told]
        self._told |= set(found)
        return [f"{sentence} Such points are passed over." for sentence in new]

    def cells(self, question: Question) -> list[Cell]:
        """The cell that a question asks for, behind the baseline that it is measured against.

        Raises:
            SpecError: it asks for no valid workload.
        """
        region = self.space.region(question.grid)
        number = self.space.regions.index(region)
        with shared_parts():
            draft = self._draft(region, number, question.values, seed=question.seed)
            if draft is None:
                raise SpecError(list(self._expander.problems))
            cell = self._expander.with_baseline(draft)
            self._expander.find_baseline_problems()
        if self._expander.problems:
            raise SpecError(list(self._expander.problems))
        baseline = self._expander.baselines.get(cell.baseline_id or "")
        return [cell] if baseline in (None, cell) else [*filter(None, [baseline]), cell]

    def question(self, trial_id: str, config: Mapping[str, Any]) -> Question | None:
        """The question that asks for a stored trial; None where it is no point of the space."""
        seed = config.get("seed")
        given = seed if isinstance(seed, int) and not isinstance(seed, bool) else None
        known = self.space.seeds
        with shared_parts():
            for number, region in enumerate(self.space.regions):
                for values in region.readings(config):
                    for tried in [given] if self.method.free_seeds else known:
                        if (tried is not None and tried != given) or not region.allows(values):
                            continue
                        draft = self._quiet(region, number, values, seed=tried)
                        if draft is not None and draft.cell.trial_id == trial_id:
                            return Question(grid=region.name, values=values, seed=tried)
        return None

    @property
    def demands(self) -> list[Resources]:
        """What its trials and their baselines ask of a machine."""
        own = [grid.resources for grid in self._grids() if grid.resources is not None]
        return [self._sweep.resources, *own]

    def _space(self) -> Space:
        regions = []
        for number, grid in enumerate(self._grids()):
            if number in self._broken:
                continue
            where = ("grids", number)
            try:
                regions.append(region_of(grid, workload=self._sweep.workload))
            except KeyError as error:
                name, message = error.args
                self._expander.blame((*where, "parameters", name), message)
            except ValueError as error:
                self._expander.blame((*where, "set"), str(error))
        seeds = self._sweep.replicates.seeds if self._sweep.replicates else [None]
        goals = tuple(Goal(m.name, m.goal == "maximize") for m in self._sweep.metrics)
        return Space(
            regions=tuple(regions),
            goals=goals,
            seeds=tuple(seeds),
            delta=self._sweep.delta,
            refused=self._refuses,
        )

    def _refuses(self, grid: str, values: Mapping[str, Any]) -> bool:
        """Whether a point is no valid workload, which its single values do not tell."""
        region = self.space.region(grid)
        number = self._numbers()[self.space.regions.index(region)]
        before = dict(self._expander.problems)
        with shared_parts():
            draft = self._draft(region, number, values, seed=self.space.seeds[0])
        self._passed_over += [found for found in self._expander.problems if found not in before]
        self._expander.problems = before
        return draft is None

    def _grids(self) -> list[Grid]:
        return self._sweep.grids or [Grid(name=self._sweep.name)]

    def _numbers(self) -> list[int]:
        return [n for n in range(len(self._grids())) if n not in self._broken]

    def _check_goals(self) -> None:
        fewest, most = self.method.goals
        count = len(self.space.goals)
        if not fewest <= count <= most:
            wanted = f"{fewest}" if fewest == most else f"{fewest} to {most}"
            message = (
                f"the method {self.method.kind} looks at {wanted} metrics, got {count}."
                " Change metric, or the method."
            )
            self._expander.blame(("metric",), message)

    def _try_points(self, region: Region, number: int) -> None:
        """Checks the cells along each dimension, the others at their first values."""
        tried: set[str] = set()
        start = _first(region, {})
        pending = [start]
        while pending:
            point = pending.pop(0)
            for dimension in region.dimensions:
                if dimension.label in tried or not region.exists(dimension, point):
                    continue
                tried.add(dimension.label)
                for values in _along(dimension):
                    found = _first(region, {**point, **values}, keep=dimension)
                    self._check(region, number, found)
                    pending.append(found)
        if not tried:
            self._check(region, number, start)

    def _check(self, region: Region, number: int, values: Mapping[str, Any]) -> None:
        if region.allows(values):
            draft = self._draft(region, number, values, seed=self.space.seeds[0])
            if draft is not None:
                self._tried.append(self._expander.with_baseline(draft))

    def _draft(
        self, region: Region, number: int, values: Mapping[str, Any], *, seed: int | None
    ) -> Draft | None:
        workload = region.workload(values)
        if seed is not None:
            workload["seed"] = seed
        grid = self._grids()[number]
        given = None if self._sweep.grids is None else number
        return self._expander.draft(grid, given, workload, _assignments(region, grid, values))

    def _quiet(
        self, region: Region, number: int, values: Mapping[str, Any], *, seed: int | None
    ) -> Draft | None:
        """A draft of values read from a store: where there is none, nobody is to blame."""
        before = dict(self._expander.problems)
        draft = self._draft(region, number, values, seed=seed)
        self._expander.problems = before
        return draft


def _rule(problem: Problem) -> str:
    """A message up to the value that it quotes."""
    return problem.message.partition(", got")[0]


def _first(
    region: Region, given: Mapping[str, Any], *, keep: Dimension | None = None
) -> dict[str, Any]:
    """A point with the values given as far as they exist, and the first ones of the rest."""
    values: dict[str, Any] = {}
    for dimension in region.dimensions:
        if dimension is keep or region.exists(dimension, values):
            there = all(name in given for name in dimension.names)
            first = next(_along(dimension))
            values |= {name: given[name] for name in dimension.names} if there else first
    return region.kept(values)


def _along(dimension: Dimension) -> Iterator[dict[str, Any]]:
    """Values of one dimension that tell whether all are valid: each option, or ends and middle."""
    if isinstance(dimension, Range):
        middle = (dimension.low + dimension.high) / 2
        for value in (dimension.low, dimension.high, dimension.rounded(middle)):
            yield {dimension.name: value}
        return
    step = -(-len(dimension.options) // _MOST_OPTIONS)
    for option in dimension.options[::step]:
        yield dict(zip(dimension.names, option, strict=True))


def _assignments(region: Region, grid: Grid, values: Mapping[str, Any]) -> tuple[Assignment, ...]:
    """What gave the workload its values, to blame the place in the file."""
    found = [Assignment(name, value) for name, value in grid.set.items()]
    for dimension in region.dimensions:
        for place, name in enumerate(dimension.names):
            if name not in values:
                continue
            index, written = 0, False
            if isinstance(dimension, Choice) and isinstance(grid.parameters[name], list):
                options = [option[place] for option in dimension.options]
                index, written = options.index(values[name]), True
            found.append(Assignment(name, values[name], index, written))
    return tuple(found)
