"""Changes a sweep file's axes by words such as `activation.share=0.5,0.9`, as Hydra's users type.

Must never know which parameters there are: what a word makes of the sweep is checked with it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from orchestrator.errors import InputError, SpecError
from orchestrator.space import assign, lookup
from orchestrator.spec import is_axis
from orchestrator.spec_yaml import Document, Path, read_yaml
from orchestrator.words import Values, read_values

__all__ = ["override", "write_yaml"]

_WORD: Final = re.compile(r"\+{0,2}(?P<name>[^=\s]+)=(?P<values>.*)", re.DOTALL)


def override(document: Document, data: bytes, words: Sequence[str]) -> tuple[Document, bytes]:
    """Changes a sweep file.

    A name becomes an axis, or a fixed value where it is given one, of every grid that has it: as an
    axis, under `set`, or in the workload. Where no grid has it, all get it. `seed` replaces the
    replicates' seeds where there are any.

    Args:
        document: the file.
        data: its bytes.
        words: `NAME=VALUES` each; a later one of the same name wins.

    Returns:
        The changed file, in which problems with a word are blamed on it, and its bytes; comments
        stay where they can.

    Raises:
        InputError: a word is not of that form.
    """
    values = deepcopy(document.values)
    commented = _commented(data)
    given: dict[Path, str] = {}
    for word in words:
        name, found = _read(word)
        for path in _apply(values, name, found):
            given[path] = f"-P {word}"
        if commented is not None:
            list(_apply(commented, name, found))
    return replace(document, values=values, given=given), _written(values, commented)


def _read(word: str) -> tuple[str, Values]:
    """Splits a word; a leading `+`, which Hydra needs for a new name, is not needed here."""
    found = _WORD.fullmatch(word)
    if found is None or not is_axis(found["name"]):
        raise InputError(
            f"-P {word}: it reads NAME=VALUES with a dotted name, got {word!r}."
            " For instance: -P activation.share=0.5,0.9"
        )
    try:
        return found["name"], read_values(found["values"])
    except ValueError as error:
        raise InputError(f"-P {word}: {error}") from None


def _axis(found: Values) -> list[Any] | dict[str, Any]:
    """A list, or a continuous range."""
    if found.interval is None:
        return list(found.values)
    low, high = found.interval
    if "int" not in found.tags:
        low, high = float(low), float(high)
    scale = {"scale": "log"} if "log" in found.tags else {}
    return {"min": low, "max": high} | scale


def _apply(values: dict[str, Any], name: str, found: Values) -> Iterator[Path]:
    """Changes the keys of a sweep file; yields the paths that hold the new values."""
    replicates = values.get("replicates")
    if name == "seed" and isinstance(replicates, dict) and "seeds" in replicates:
        replicates["seeds"] = _axis(found)
        yield ("replicates", "seeds")
        return
    grids = values.get("grids")
    workload = values.get("workload")
    base = workload if isinstance(workload, dict) else {}
    if not isinstance(grids, list):
        yield _apply_to_all(values, base, name, found)
        return
    sound = [(n, grid) for n, grid in enumerate(grids) if isinstance(grid, dict)]
    having = [(n, grid) for n, grid in sound if _has(base, grid, name)]
    for number, grid in having or sound:
        yield ("grids", number, _apply_to_grid(grid, name, found), name)


def _part(grid: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = grid.get(key)
    return part if isinstance(part, Mapping) else {}


def _has(base: Mapping[str, Any], grid: Mapping[str, Any], name: str) -> bool:
    """Whether the cells of a grid have a name, or some of them have."""
    axes = _part(grid, "parameters")
    if name in axes:
        return True
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        options = axes.get(".".join(parts[:length]))
        if isinstance(options, list):  # What the grid chooses replaces what stands in the workload.
            inner = ".".join(parts[length:])
            return any(lookup({"it": one}, f"it.{inner}") is not None for one in options)
    values = deepcopy(dict(base))
    for key, value in sorted(_part(grid, "set").items(), key=lambda item: item[0].count(".")):
        try:
            assign(values, key, value)
        except ValueError:
            continue  # Told with its place when the grid is read.
    return lookup(values, name) is not None


def _apply_to_grid(grid: dict[str, Any], name: str, found: Values) -> str:
    """Changes one grid; returns the key that the name stands under."""
    fixed = grid.get("set")
    if name in _part(grid, "parameters"):
        grid["parameters"][name] = _axis(found)
        return "parameters"
    if not found.swept:
        if not isinstance(fixed, dict):
            fixed = grid["set"] = {}
        fixed[name] = found.values[0]
        return "set"
    if isinstance(fixed, dict):
        fixed.pop(name, None)
    if not isinstance(grid.get("parameters"), dict):
        grid["parameters"] = {}
    grid["parameters"][name] = _axis(found)
    return "parameters"


def _apply_to_all(
    values: dict[str, Any], workload: dict[str, Any], name: str, found: Values
) -> Path:
    """Changes a file without grids; returns the path that holds the new values."""
    if found.swept:
        values["grids"] = [{"name": values.get("name"), "parameters": {name: _axis(found)}}]
        return ("grids", 0, "parameters", name)
    try:
        assign(workload, name, found.values[0])
    except ValueError as error:
        raise InputError(f"-P {name}: {error}") from None
    return ("workload", *name.split("."))


def _commented(data: bytes) -> dict[str, Any] | None:
    """The file with its comments, None where it has problems or is no mapping."""
    try:
        found = YAML(typ="rt").load(data.decode("utf-8-sig"))
    except (YAMLError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _written(values: dict[str, Any], commented: dict[str, Any] | None) -> bytes:
    """The bytes of a file with these values: the commented one, where that is what it says."""
    if commented is not None:
        try:
            data = _dumped(commented, kind="rt")
            if read_yaml(data, source="").values == values:
                return data
        except (YAMLError, SpecError):  # What anchors share was to change in one place alone.
            pass
    return write_yaml(values)


def write_yaml(values: Mapping[str, Any]) -> bytes:
    """Writes keys as a sweep file.

    Raises:
        InputError: a value is none that a sweep file can hold.
    """
    try:
        data = _dumped(values, kind="safe")
        if read_yaml(data, source="").values == values:
            return data
    except (YAMLError, SpecError):
        pass
    raise InputError(
        "a sweep: plain values are needed (numbers, text, lists, mappings), got others."
        " Write it as a file."
    )


def _dumped(values: Mapping[str, Any], *, kind: str) -> bytes:
    writer = YAML(typ=kind, pure=True)
    writer.width = 100_000
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    written = io.BytesIO()
    writer.dump(values, written)
    return written.getvalue()
