"""Finds plug-ins by their file name and validates what a user writes about them.

Must never know any particular kind, nor who runs a workload.

A kind is one file `<family>/<kind>.py` holding one `class Config(Kind)`; `ls` is the registry.
"""

import difflib
import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, LiteralString, Self, get_args

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

from workloads.shared import form_of, once

__all__ = [
    "Kind",
    "OneOf",
    "Part",
    "UnknownKind",
    "add_folder",
    "canonical",
    "load",
    "names",
    "nearest",
    "one_of",
    "refusal",
]

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PYDANTIC_TYPES = frozenset(get_args(core_schema.ErrorType))
_folders: list[Path] = []
_loaded: dict[str, tuple[ModuleType, type["Kind"]]] = {}


class UnknownKind(ValueError):
    """No file of that name in the family."""


def nearest(name: str, known: Sequence[str]) -> str:
    """Returns " Did you mean 'x'?" for the known name closest to `name`, or an empty string."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""


def refusal(loc: Sequence[str | int], message: str, value: object) -> ValidationError:
    """Builds the error that a validator raises to blame one key below it.

    Args:
        loc: Path from the validated mapping to the key, such as `("activation", "share")`.
        message: "rule, got value. way out."
        value: What the user wrote there.
    """
    details = InitErrorDetails(type=_custom("refused", message), loc=tuple(loc), input=value)
    return ValidationError.from_exception_data("workload", [details])


class Part(BaseModel):
    """A frozen piece of a configuration: unknown keys, wrong types and NaN are refused.

    A field added in a later version is declared `Field(json_schema_extra={"since": 2})` and stays
    out of the canonical form while it has its default, so that old ids do not move.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _name_the_nearest_key(cls, values: object, handler: Callable[[object], Self]) -> Self:
        if isinstance(values, cls):
            return values
        if not isinstance(values, Mapping):
            raise refusal((), f"needs a mapping, got {values!r}. Write its keys below it.", values)
        try:
            return handler(cls._without_kind(values))
        except ValidationError as problem:
            raise _with_known_keys(problem, list(cls.model_fields)) from None

    @classmethod
    def _without_kind(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        return dict(values)


def _with_known_keys(problem: ValidationError, known: Sequence[str]) -> ValidationError:
    """Answers each unknown key of this level with the nearest known one, or with all of them."""
    details: list[InitErrorDetails] = []
    for error in problem.errors(include_url=False):
        context = error.get("ctx", {})
        kind: str | PydanticCustomError = error["type"]
        if error["type"] == "extra_forbidden" and len(error["loc"]) == 1:
            name = str(error["loc"][0])
            hint = nearest(name, known) or f" Known keys: {', '.join(known) or 'none'}."
            kind = _custom("unknown_key", f"only known keys, got {name!r}.{hint}")
        elif error["type"] == "value_error":
            kind = _custom("refused", str(context["error"]))
        elif error["type"] not in _PYDANTIC_TYPES:
            kind = _custom(error["type"], error["msg"])
        details.append(
            InitErrorDetails(type=kind, loc=error["loc"], input=error["input"], ctx=context)
        )
    return ValidationError.from_exception_data(problem.title, details)


def _custom(kind: str, message: str) -> PydanticCustomError:
    template: LiteralString = "{message}"
    return PydanticCustomError(kind, template, {"message": message})


class Kind(Part):
    """The configuration of one plug-in; its `kind` is the name of the file it stands in."""

    kind: ClassVar[str]

    @classmethod
    def __pydantic_init_subclass__(cls, **options: object) -> None:
        super().__pydantic_init_subclass__(**options)
        cls.kind = cls.__module__.rpartition(".")[2]

    @classmethod
    def _without_kind(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        named = values.get("kind", cls.kind)
        if named != cls.kind:
            message = f"this is the kind {cls.kind!r}, got {named!r}. Load that kind instead."
            raise refusal(("kind",), message, named)
        return {key: value for key, value in values.items() if key != "kind"}


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
        return once(config, mapping, config.model_validate)


def one_of(family: str) -> OneOf:
    """Marks a field as holding a kind: `Annotated[Activation, one_of("workloads.activations")]`."""
    return OneOf(family)


def canonical(value: Kind) -> dict[str, Any]:
    """Returns the complete JSON form that identity hashes: defaults filled in, `kind` first."""
    plain = _plain(value)
    assert isinstance(plain, dict)
    return plain


def _plain(value: object) -> object:
    if isinstance(value, Part):
        return form_of(value, _form)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value + 0.0  # -0.0 and 0.0 are one number, so one id
    if value is None or isinstance(value, str | int | bool):
        return value
    raise TypeError(f"a kind's field holds JSON values, got {value!r}. Change its annotation.")


def _form(part: Part) -> dict[str, object]:
    head: dict[str, object] = {"kind": part.kind} if isinstance(part, Kind) else {}
    return head | {
        name: _plain(getattr(part, name))
        for name, field in type(part).model_fields.items()
        if field.json_schema_extra is None or not _is_later_default(field, getattr(part, name))
    }


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
