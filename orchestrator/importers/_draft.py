"""A sweep file in the making: what an importer understood, and what it could not.

Must never know any format, nor read or write a file.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from orchestrator.errors import InputError
from orchestrator.space import assign
from orchestrator.spec import is_axis

__all__ = ["Draft", "mapping_of", "number", "sweep_name", "whole_number"]

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?", re.IGNORECASE)
_PYTHON: Final = re.compile(r"(.*/)?python(3(\.\d+)?)?")
_MUST_NOT: Final = re.compile(r"[;&|<>$`*?()]")
GRID_COUNT: Final = 5
"""Values that a grid takes of a continuous range, which has no end of them."""


@dataclass(slots=True, kw_only=True)
class Draft:
    """What is known of the sweep so far.

    Attributes:
        name: of the sweep.
        run: the command and its first arguments.
        files: what stands beside the sweep file.
        pass_by: how the script is given its parameters.
        env: names of variables to pass on.
        constants: parameters with one value, by dotted name.
        axes: dotted name of a parameter -> its list or range.
        method: ours.
        trials: most of them; None: the file does not say.
        seed: of the search, None: ours.
        stopping: settings of `early_stopping`.
        keys: other keys of the sweep file.
        about: sentences for its first comment.
        left: what has no equivalent, each with the reason.
    """

    name: str
    run: list[str] = field(default_factory=lambda: ["python", "train.py"])
    files: list[str] = field(default_factory=lambda: ["train.py"])
    pass_by: str = "arguments"
    env: list[str] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)
    axes: dict[str, Any] = field(default_factory=dict)
    method: str = "grid"
    trials: int | None = None
    seed: int | None = None
    stopping: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, Any] = field(default_factory=dict)
    about: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def leave(self, what: str, why: str) -> None:
        """Notes what has no equivalent; the same again counts once."""
        sentence = f"{what}: {why}"
        if sentence not in self.left:
            self.left.append(sentence)

    def seek(self, name: object, goal: object) -> None:
        """Takes the metric that is sought; what is neither goal is a loss."""
        found = "maximize" if goal == "maximize" else "minimize"
        self.keys["metric"] = {"name": str(name), "goal": found}

    def stop_by(self, kind: str, **settings: float | None) -> None:
        """Takes a rule that stops trials early; its times are steps of the script's lines."""
        known = {name: value for name, value in settings.items() if value is not None}
        first, last = known.get("first", 1), known.get("last")
        if last is not None and last <= first:
            del known["last"]
        self.stopping = {"kind": kind, "unit": "step", **known}
        self.leave(
            "the times of early stopping",
            "they count steps as the script's lines do; let it print one line an iteration.",
        )

    def leave_others(
        self, given: Mapping[str, Any], known: Sequence[str], *, where: str = ""
    ) -> None:
        """Notes the keys that no importer looks at; their values may be secrets and stay out."""
        for key in given:
            if key not in known:
                self.leave(f"{where}{key}", "nothing here does the same.")

    def vary(self, name: str, values: Any) -> None:  # noqa: ANN401
        """Takes an axis.

        Args:
            name: of the parameter, dotted.
            values: a list, or a range as sweep files have it.
        """
        plain = name.lstrip("-+~")
        if not is_axis(f"parameters.{plain}"):
            fixed = re.sub(r"[^A-Za-z0-9_.-]", "_", plain)
            fixed = ".".join(
                part if part[:1].isalpha() else f"_{part}" for part in fixed.split(".")
            )
            self.leave(name, f"an axis has a dotted name, so the script is given it as {fixed}.")
            plain = fixed
        if isinstance(values, list) and not values:
            raise InputError(f"{name}: an axis has at least one value, got an empty list.")
        self.axes[plain] = values

    def hold(self, name: str, value: Any) -> None:  # noqa: ANN401
        """Takes a parameter with one value."""
        self.constants[name.lstrip("-+~")] = value

    def command(self, words: Sequence[str]) -> None:
        """Takes the command that starts the script, and finds out which file that is."""
        run = _plain_shell(list(words))
        while run and (PurePosixPath(run[0]).name == "env" or "=" in run[0].partition("/")[0]):
            if "=" in run[0]:
                self.leave(run[0].partition("=")[0], "set this variable where the sweep runs.")
            run = run[1:]
        if not run:
            raise InputError("the command: words are needed, got none. Name the script there.")
        if _PYTHON.fullmatch(run[0]):
            run[0] = "python"
        self.run, self.files = run, []
        for word in run:
            path = PurePosixPath(word)
            if path.suffix in (".py", ".sh") and not path.is_absolute():
                if ".." in path.parts:
                    self.leave(word, "a script lies beside the sweep file or below; put it there.")
                self.files.append(path.parts[0])
        if "-m" in run[:-1] and not self.files:
            module = run[run.index("-m") + 1].partition(".")[0]
            self.leave(
                f"-m {module}", f"where it is not installed, add files: [{module}] and put it here."
            )
        self.files = list(dict.fromkeys(name for name in self.files if name != ".."))

    def _discrete(self) -> None:
        """Gives ranges that a grid cannot walk so many values, and says so."""
        for name, values in self.axes.items():
            if isinstance(values, Mapping) and not {"step", "count"} & set(values):
                self.axes[name] = dict(values) | {"count": GRID_COUNT}
                self.leave(
                    name, f"a grid has no continuous range; {GRID_COUNT} values of it stand."
                )

    def sweep(self) -> dict[str, Any]:
        """The keys of the sweep file, in their order."""
        if self.method == "grid":
            self._discrete()
        parameters: dict[str, Any] = {}
        for name, value in sorted(self.constants.items(), key=lambda item: item[0].count(".")):
            if self.pass_by == "arguments" or is_axis(f"parameters.{name}"):
                assign(parameters, name, value)
            else:
                parameters[name] = value
        workload: dict[str, Any] = {"kind": "command", "run": self.run}
        workload |= {"parameters": parameters} if parameters else {}
        workload |= {"pass_by": self.pass_by} if self.pass_by != "arguments" else {}
        workload |= {"env": self.env} if self.env else {}
        axes = {f"parameters.{name}": values for name, values in self.axes.items()}
        files = {"files": self.files} if self.files else {}
        grids = {"grids": [{"name": "imported", "parameters": axes}]} if axes else {}
        head = {"version": 1, "name": self.name, **files, "workload": workload}
        return {**head, **self._method(), **grids, **self.keys}

    def _method(self) -> dict[str, Any]:
        """How cells are chosen, and how many."""
        found: dict[str, Any] = {"method": self.method}
        trials = {} if self.trials is None else {"trials": self.trials}
        if self.method == "grid":
            found |= {"budget": trials} if trials else {}
        elif settings := trials | ({} if self.seed is None else {"seed": self.seed}):
            found["search"] = settings
        return found | ({"early_stopping": self.stopping} if self.stopping else {})

    def overlaps(self) -> Iterator[tuple[str, str]]:
        """Pairs of a parameter and one within it."""
        names = sorted({*self.axes, *self.constants})
        for outer in names:
            yield from ((outer, inner) for inner in names if inner.startswith(f"{outer}."))


def _plain_shell(words: list[str]) -> list[str]:
    """The words of `sh -c "…"` where that is one plain command."""
    shell = PurePosixPath(words[0]).name in ("sh", "bash") if words else False
    if shell and len(words) >= 3 and words[1] in ("-c", "-ec", "-lc"):
        if _MUST_NOT.search(words[2]):
            return words
        try:
            return shlex.split(words[2]) + words[3:]
        except ValueError:
            return words
    return words


def mapping_of(value: object, where: str) -> dict[str, Any]:
    """The mapping at a key, an empty one where nothing stands.

    Raises:
        InputError: something else stands there.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InputError(f"{where}: a mapping is needed, got {value!r}. Mend the file.")
    return dict(value)


def number(value: object, where: str) -> int | float:
    """A number, also where it stands in quotes or as `1e-3`, which YAML 1.1 took for text.

    Raises:
        InputError: it is none.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        text = value.strip()
        return int(text) if text.lstrip("+-").isdigit() else float(text)
    raise InputError(f"{where}: a number is needed, got {value!r}. Mend the file.")


def whole_number(value: object, where: str) -> int:
    """A number as `number` reads it, without what stands behind its point."""
    return int(number(value, where))


def sweep_name(wanted: object, *, stem: str) -> str:
    """A name that a run directory can have, made of the wanted one or of the file's."""
    for text in (wanted, stem, "imported"):
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", str(text or "")).strip("_.-")[:100].strip("_.-")
        if plain:
            return plain
    raise AssertionError("the last of them is a name")
