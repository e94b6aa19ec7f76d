"""Reads the quantities that people write in sweep files: times, memory, shares, intervals.

Knows nothing of what they are used for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

__all__ = ["Bytes", "Every", "Limit", "Seconds", "read_bytes", "read_seconds"]

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES: Final = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12} | {
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_DIGITS: Final = r"\d{1,15}(?:\.\d{1,15})?"
_QUANTITY = re.compile(rf"({_DIGITS})\s*([A-Za-z]+)")
_PERCENTAGE = re.compile(rf"({_DIGITS})\s*%")
_INTERVAL = re.compile(rf"({_DIGITS})\s*(epoch|step)s?")


def read_seconds(value: object) -> float:
    """Reads `30s`, `5 min`, `2h`, `1.5d` or a number of seconds.

    Raises:
        ValueError: it is none of these, or negative.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12:
        return float(value)
    found = _QUANTITY.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or found[2] not in _SECONDS:
        raise ValueError(f"a time with its unit, got {value!r}. Write 500ms, 30s, 5m, 2h or 1d.")
    return float(found[1]) * _SECONDS[found[2]]


def read_bytes(value: object) -> int:
    """Reads `2GiB`, `500 MB` or a number of bytes.

    Raises:
        ValueError: it is none of these, or not positive.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    found = _QUANTITY.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or found[2] not in _BYTES or float(found[1]) <= 0:
        raise ValueError(f"memory with its unit, got {value!r}. Write 500MB, 2GiB or 64GiB.")
    return int(float(found[1]) * _BYTES[found[2]])


Seconds = Annotated[float, BeforeValidator(read_seconds)]
"""A duration in seconds, at least 0."""

Bytes = Annotated[int, BeforeValidator(read_bytes)]
"""An amount of memory in bytes, above 0."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A number of trials, given as such or as a share of all: `5` or `10%`."""

    count: int | None = None
    percent: float | None = None

    def of(self, total: int) -> int:
        """The number of trials meant, at least 1 where a share above 0 was given."""
        if not self.percent:
            return self.count or 0
        return max(1, int(total * self.percent / 100))

    @classmethod
    def read(cls, value: object) -> Limit:
        """Reads a count of at least 0 or a percentage from 0 to 100.

        Raises:
            ValueError: it is neither.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return cls(count=value)
        found = _PERCENTAGE.fullmatch(value) if isinstance(value, str) else None
        if found is None or float(found[1]) > 100:
            raise ValueError(f"a count or a percentage, got {value!r}. Write 5 or 10%.")
        return cls(percent=float(found[1]))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        return core_schema.no_info_plain_validator_function(cls.read)


@dataclass(frozen=True, slots=True)
class Every:
    """An interval of training: `1 epoch`, `50 steps`, `2s`."""

    amount: float
    unit: Literal["epoch", "step", "s"]

    __pydantic_config__ = ConfigDict()

    @classmethod
    def read(cls, value: object) -> Every:
        """Reads an interval.

        Raises:
            ValueError: it is none.
        """
        if isinstance(value, cls):
            return value
        text = value.strip() if isinstance(value, str) else ""
        found = _INTERVAL.fullmatch(text)
        if found and float(found[1]) > 0 and (found[2] == "epoch" or float(found[1]).is_integer()):
            return cls(float(found[1]), "epoch" if found[2] == "epoch" else "step")
        try:
            return cls(read_seconds(text), "s")
        except ValueError:
            message = f"an interval, got {value!r}. Write '1 epoch', '50 steps' or '30s'."
            raise ValueError(message) from None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        return core_schema.no_info_plain_validator_function(cls.read)
