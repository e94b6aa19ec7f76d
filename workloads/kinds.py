"""Finds plug-ins by their file name and validates what a user writes about them.

Must never know any particular kind, nor who runs a workload.

A kind is one file `<family>/<kind>.py` holding one `class Config(Kind)`; `ls` is the registry.
"""

import importlib
import pkgutil
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import core_schema

from workloads.parts import Kind, Part, nearest, refusal
from workloads.shared import form_of, once

__all__ = [
    "Kind",
    "OneOf",
    "Part",
    "UnknownKind",
    "add_folder",
    "canonical",
    "folders",
    "load",
    "names",
    "nearest",
    "one_of",
    "refusal",
]

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_AS_IT_IS = frozenset({str, int, bool, type(None)})
_folders: list[Path] = []
_loaded: dict[str, tuple[ModuleType, type["Kind"]]] = {}


class UnknownKind(ValueError):
    """No file of that name in the family."""


def _package(family: str) -> ModuleType:
    """Imports the family's package with the user's folders at the end of its path."""
    package = importlib.import_module(family)
    for folder in _folders:
        extra = str(folder / family.rpartition(".")[2])
        if extra not in package.__path__ and Path(extra).is_dir():
            package.__path__.append(extra)
            importlib.invalidate_caches()
    return package


def names(family: str) -> list[str]:
    """Lists the kinds of a family, `"workloads.activations"` say, the user's own included."""
    found = {module.name for module in pkgutil.iter_modules(_package(family).__path__)}
    return sorted(name for name in found if _NAME.fullmatch(name))


def load(family: str, kind: str) -> type[Kind]:
    """Imports one kind and returns its `Config`.

    Raises:
        UnknownKind: No such file; the message lists those that exist and the nearest.
        TypeError: The file holds no `class Config(Kind)`.
    """
    name = f"{family}.{kind}"
    module, config = _loaded.get(name, (None, None))
    if config is not None and sys.modules.get(name) is module:
        return config
    known = names(family)
    if kind not in known:
        short = family.rpartition(".")[2]
        raise UnknownKind(
            f"a kind of {short} is one of its files, got {kind!r}.{nearest(kind, known)}"
            f" Known kinds: {', '.join(known)}."
        )
    module = importlib.import_module(name)
    config = getattr(module, "Config", None)
    if not (isinstance(config, type) and issubclass(config, Kind) and config.kind == kind):
        raise TypeError(
            f"{module.__file__}: a kind's file holds one class Config(Kind), got {config!r}."
            " Define it in that file."
        )
    _loaded[name] = module, config
    return config


@dataclass(frozen=True, slots=True)
class OneOf:
    """Pydantic annotation: a bare name, a mapping with `kind`, or a Kind already built."""

    family: str

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.validate,
            serialization=core_schema.plain_serializer_function_ser_schema(canonical),
        )

    def validate(self, value: object) -> Kind:
        """Reads `kind`, imports that file and validates the rest by its Config.

        Raises:
            pydantic.ValidationError: With the path of every refused key.
        """
        if isinstance(value, Kind):
            if not value.__module__.startswith(f"{self.family}."):
                message = f"needs one of {self.family}, got {value!r}. Give a kind of that family."
                raise refusal((), message, value)
            return value
        return once(self.family, value, self._read)

    def _read(self, value: object) -> Kind:
        mapping = {"kind": value} if isinstance(value, str) else value
        if not isinstance(mapping, Mapping) or not isinstance(mapping.get("kind"), str):
            short = self.family.rpartition(".")[2]
            message = (
                f"needs a name or a mapping with 'kind', got {value!r}."
                f" Known kinds of {short}: {', '.join(names(self.family))}."
            )
            raise refusal((), message, value)
        try:
            config = load(self.family, mapping["kind"])
        except UnknownKind as unknown:
            loc = ("kind",) if mapping is value else ()
            raise refusal(loc, str(unknown), mapping["kind"]) from None
        return config.model_validate(mapping)


def one_of(family: str) -> OneOf:
    """Marks a field as holding a kind: `Annotated[Activation, one_of("workloads.activations")]`."""
    return OneOf(family)


def canonical(value: Kind) -> dict[str, Any]:
    """Returns the complete JSON form that identity hashes: defaults filled in, `kind` first."""
    plain = _plain(value)
    assert isinstance(plain, dict)
    return plain


def _plain(value: object) -> object:
    if type(value) in _AS_IT_IS:  # Nearly all are, and to look for a Mapping takes long.
        return value
    if isinstance(value, Part):
        return form_of(value, _form)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value + 0.0  # -0.0 and 0.0 are one number, so one id
    if isinstance(value, str | int | bool):
        return value
    raise TypeError(f"a kind's field holds JSON values, got {value!r}. Change its annotation.")


def _form(part: Part) -> dict[str, object]:
    form: dict[str, object] = {"kind": part.kind} if isinstance(part, Kind) else {}
    for name, field in _fields(type(part)):
        value = getattr(part, name)
        if field is None or not _is_later_default(field, value):
            form[name] = _plain(value)
    return form


@cache
def _fields(config: type[Part]) -> list[tuple[str, FieldInfo | None]]:
    """Each field's name, and what pydantic knows of those that may be a later version's."""
    return [
        (name, None if field.json_schema_extra is None else field)
        for name, field in config.model_fields.items()
    ]


def _is_later_default(field: FieldInfo, value: object) -> bool:
    """Returns whether a field came in a later version and has its default, a bare name maybe."""
    if not isinstance(field.json_schema_extra, Mapping) or "since" not in field.json_schema_extra:
        return False
    default = field.default  # As it stands: pydantic would copy it for every cell.
    if field.default_factory is not None:
        default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, Kind) and isinstance(default, str):
        return value.kind == default and value == type(value)()
    return bool(value == default)


def add_folder(path: str | Path) -> None:
    """Makes the kinds of `<path>/<family>/<kind>.py` known to this process; twice is once.

    Raises:
        ValueError: The folder is missing or empty, or a file has the name of another kind.
    """
    folder = Path(path).resolve()
    if folder in _folders:
        return
    inside = sorted(folder.glob("*/*.py")) if folder.is_dir() else []
    if not inside:
        raise ValueError(
            f"{path}: a kinds folder holds <family>/<kind>.py, got nothing of that form."
            " Families are programs, tasks, models, activations, norms, optimizers."
        )
    here = Path(__file__).parent
    for file in inside:
        for other in [here, *_folders]:
            rival = other / file.parent.name / file.name
            if _is_kind(file) and rival.exists() and rival.read_bytes() != file.read_bytes():
                raise ValueError(
                    f"{file}: a kind's name is free for one file only, got that of {rival}."
                    " Rename the file."
                )
    _folders.append(folder)


def _is_kind(file: Path) -> bool:
    return _NAME.fullmatch(file.stem) is not None


def folders() -> list[Path]:
    """Returns the folders that were added, in their order."""
    return [*_folders]
