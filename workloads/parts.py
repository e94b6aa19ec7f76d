"""What every piece of a configuration is: frozen, checked, and refused with a sentence.

Must never know any particular kind, nor where kinds are found.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, LiteralString, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

__all__ = ["Kind", "Part", "nearest", "refusal"]

_PYDANTIC_TYPES = frozenset(get_args(core_schema.ErrorType))


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
