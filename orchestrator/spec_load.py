"""Reads a sweep file and tells all that is wrong with it at once, each with its line.

Must never start anything, and imports the user's kinds only where it is told to.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel, ValidationError

from orchestrator.errors import InputError, Problem, SpecError
from orchestrator.spec import VERSION, Grid, Sweep
from orchestrator.spec_override import override, write_yaml
from orchestrator.spec_yaml import Document, Path, read_yaml

__all__ = ["LoadedSweep", "load_bytes", "load_sweep", "sentence"]

_RULES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "string_too_short": "text that is not empty",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "finite_number": "a finite number",
    "none_required": "nothing",
}


@dataclass(frozen=True, slots=True)
class LoadedSweep:
    """A sweep file that is well formed; its cells are not checked yet.

    Attributes:
        sweep: the values; without those that have problems, where there are any.
        document: the same with places.
        data: the bytes of the file, overrides among them.
        folder: where the file stands; its relative paths start there.
        problems: what is wrong with the file. It was not raised at once because the cells can
            be checked all the same, so that all is told together: `expand` raises it with theirs.
        broken_grids: numbers of the grids that `sweep` holds only in name.
    """

    sweep: Sweep
    document: Document
    data: bytes
    folder: FilePath
    problems: tuple[Problem, ...] = ()
    broken_grids: frozenset[int] = frozenset()


def load_sweep(
    path: str | FilePath | Mapping[str, Any], *, overrides: Sequence[str] = ()
) -> LoadedSweep:
    """Reads a file.

    Args:
        path: the file, or the keys of one, whose relative paths then start here.
        overrides: words such as `activation.share=0.5,0.9` that change its axes.

    Raises:
        InputError: the file is missing or cannot be read.
        SpecError: what is wrong with it where its cells cannot be checked; see `load_bytes`.
    """
    if isinstance(path, Mapping):
        data = write_yaml(dict(path))
        return load_bytes(data, source="the spec", folder=FilePath(), overrides=overrides)
    file = FilePath(path)
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        raise InputError(
            f"{path}: a sweep file is needed, got nothing of that name."
            " `cliffsweep init` writes one."
        ) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(
            f"{path}: a sweep file is needed, got '{reason}'. Check the path."
        ) from None
    return load_bytes(data, source=str(path), folder=file.parent, overrides=overrides)


def load_bytes(
    data: bytes, *, source: str, folder: FilePath, overrides: Sequence[str] = ()
) -> LoadedSweep:
    """Reads the bytes of a sweep file.

    Returns:
        The sweep, with its `problems` where `expand` can still find those of its cells: that is
        where workload and grids are readable, and no code of the user's would have to be imported.

    Raises:
        SpecError: everything wrong with it otherwise.
    """
    problems: list[Problem] = []
    document = read_yaml(data, source=source, problems=problems)
    if not isinstance(document.values, dict):
        if problems:
            raise SpecError(problems)
        found = "an empty file" if document.values is None else f"{_short(document.values)}"
        message = f"a sweep file is a mapping of keys, got {found}. Begin with version: 1."
        raise SpecError([Problem(source=source, line=1, column=1, message=message)])
    if overrides:
        document, data = override(document, data, overrides)
    broken: frozenset[int] = frozenset()
    sweep: Sweep | None
    try:
        sweep = Sweep.model_validate(document.values)
    except ValidationError as error:
        told = {(problem.line, problem.column) for problem in problems}
        found_now = problems_of(error, document)
        problems += [p for p in found_now if (p.line, p.column) not in told]
        sweep, broken = _what_is_sound(document.values, error)
    if sweep is None or (problems and sweep.kinds):
        raise SpecError(problems)
    return LoadedSweep(sweep, document, data, folder, tuple(problems), broken)


def _what_is_sound(
    values: Mapping[str, Any], error: ValidationError
) -> tuple[Sweep | None, frozenset[int]]:
    """Leaves out the keys that have problems, if the cells can be checked without them.

    Returns:
        The sweep with stand-ins for them, or None; and the numbers of the grids among them.
    """
    places = [detail["loc"] for detail in error.errors(include_url=False)]
    grids = {loc[1] for loc in places if loc[:1] == ("grids",) and len(loc) > 1}
    wrong = {loc[0] if loc else "" for loc in places}
    if wrong & {"", "workload"} or ("grids" in wrong and ("grids",) in places):
        return None, frozenset()
    sound = {key: value for key, value in values.items() if key == "grids" or key not in wrong}
    sound |= {"version": VERSION, "name": sound.get("name", "sweep")}
    if grids:
        sound["grids"] = [
            {"name": f"grid-{number}"} if number in grids else grid
            for number, grid in enumerate(values["grids"])
        ]
    try:
        return Sweep.model_validate(sound), frozenset(map(int, grids))
    except ValidationError:
        return None, frozenset()


def problems_of(error: ValidationError, document: Document) -> list[Problem]:
    """Translates what pydantic found into problems with places."""
    found = []
    for detail in error.errors(include_url=False):
        path = _real_path(detail["loc"], document.values)
        unknown = detail["type"] in ("extra_forbidden", "unknown_key")
        message = sentence(detail, _model_at(path[:-1]))
        found.append(document.problem(path, message, at_key=unknown))
    return found


def _real_path(loc: tuple[str | int, ...], values: object) -> Path:
    """Drops the parts that name a branch of a union or a dictionary's key, not a place."""
    path: list[str | int] = []
    here = values
    for position, part in enumerate(loc):
        inside = isinstance(here, list) and isinstance(part, int) and part < len(here)
        if inside or (isinstance(here, Mapping) and part in here):
            here = here[part]  # type: ignore[index]
            path.append(part)
        elif position == len(loc) - 1 and isinstance(here, Mapping) and _is_key(part):
            path.append(part)  # A missing key.
    return tuple(path)


def _is_key(part: str | int) -> bool:
    return isinstance(part, str) and part.isidentifier()


def _model_at(path: Path) -> type[BaseModel] | None:
    """The model whose keys stand at a path of the sweep file."""
    model: type[BaseModel] | None = Sweep
    for part in path:
        if part == "grids" and model is Sweep:
            model = Grid
        elif isinstance(part, str):
            model = None if model is None else _model_of(model, part)
    return model


def _model_of(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    """The model of one key, None where its value is not a mapping of known keys."""
    if key not in model.model_fields:
        return None
    options = [model.model_fields[key].annotation]
    for option in options:  # Those of a union and of what is annotated follow it.
        options += getattr(option, "__args__", ())
    models = (a for a in options if isinstance(a, type) and issubclass(a, BaseModel))
    return next(models, None)


def sentence(detail: Mapping[str, Any], model: type[BaseModel] | None = None) -> str:
    """Writes one pydantic error as `rule, got value. way out.`"""
    kind, value = detail["type"], detail.get("input")
    context = detail.get("ctx") or {}
    if kind == "extra_forbidden":
        return _unknown_key(str(detail["loc"][-1]), model)
    if kind == "missing":
        return f"this key is needed, got none. Add {detail['loc'][-1]}."
    if kind == "value_error":
        return str(context.get("error", detail["msg"]))
    if kind in _RULES:
        return f"{_RULES[kind]} is needed, got {_short(value)}. Change the value."
    if kind == "literal_error":
        return f"one of {context['expected']} is needed, got {_short(value)}. Choose one."
    if kind == "too_short":
        return f"at least {context['min_length']} is needed, got {_short(value)}. Add one."
    if kind.startswith(("greater_than", "less_than", "multiple_of")):
        rule = detail["msg"].removeprefix("Input should be ")
        return f"{rule} is needed, got {_short(value)}. Change the value."
    if kind in ("unknown_key", "refused"):
        return str(detail["msg"])
    rule = detail["msg"].removeprefix("Input should be ")
    return f"{rule}, got {_short(value)}. Change the value."


def _unknown_key(name: str, model: type[BaseModel] | None) -> str:
    known = list(model.model_fields) if model is not None else []
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"only known keys, got {name!r}. Did you mean {close[0]!r}?"
    return f"only known keys, got {name!r}. Known keys: {', '.join(known)}."


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
