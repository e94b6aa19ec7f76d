"""Reads a sweep file and tells all that is wrong with it at once, each with its line.

Must never start anything, and imports the user's kinds only where it is told to.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel, ValidationError

from orchestrator.errors import InputError, Problem, SpecError
from orchestrator.spec import Grid, Sweep
from orchestrator.spec_yaml import Document, Path, read_yaml

__all__ = ["LoadedSweep", "load_bytes", "load_sweep", "sentence"]

_RULES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
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
        sweep: the values.
        document: the same with places.
        data: the bytes of the file.
        folder: where the file stands; its relative paths start there.
    """

    sweep: Sweep
    document: Document
    data: bytes
    folder: FilePath


def load_sweep(path: str | FilePath) -> LoadedSweep:
    """Reads a file.

    Raises:
        InputError: the file is missing or cannot be read.
        SpecError: everything wrong with it, cells aside.
    """
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
    return load_bytes(data, source=str(path), folder=file.parent)


def load_bytes(data: bytes, *, source: str, folder: FilePath) -> LoadedSweep:
    """Reads the bytes of a sweep file.

    Raises:
        SpecError: everything wrong with it, cells aside.
    """
    document = read_yaml(data, source=source)
    if not isinstance(document.values, dict):
        found = "an empty file" if document.values is None else f"{_short(document.values)}"
        message = f"a sweep file is a mapping of keys, got {found}. Begin with version: 1."
        raise SpecError([Problem(source=source, line=1, column=1, message=message)])
    try:
        sweep = Sweep.model_validate(document.values)
    except ValidationError as error:
        raise SpecError(problems_of(error, document)) from None
    return LoadedSweep(sweep, document, data, folder)


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
        last = position == len(loc) - 1
        if isinstance(here, Mapping) and part in here:
            here = here[part]
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
        elif not (last and isinstance(here, Mapping) and isinstance(part, str)):
            continue
        elif part == "[key]" or "[" in part or "-" in part:
            continue
        path.append(part)
    return tuple(path)


def _model_at(path: Path) -> type[BaseModel] | None:
    """The model whose keys stand at a path of the sweep file."""
    model: Any = Sweep
    for part in path:
        if part == "grids" and model is Sweep:
            model = Grid
        elif isinstance(part, str) and model is not None and part in model.model_fields:
            annotation = model.model_fields[part].annotation
            options = [annotation, *getattr(annotation, "__args__", ())]
            model = next(
                (a for a in options if isinstance(a, type) and issubclass(a, BaseModel)), None
            )
        elif isinstance(part, str):
            model = None
    return model


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
