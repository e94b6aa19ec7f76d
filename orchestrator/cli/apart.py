"""Says in a few words what sets a cell apart from the others of its grid.

Knows nothing of what the values mean. Parts that cells share are looked at once, however many
cells there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

__all__ = ["Apart"]

_ALWAYS: Final = "activation.kind"


class Apart:
    """The names that vary within one grid. The configurations must not change."""

    def __init__(self, configs: Sequence[Mapping[str, Any]]) -> None:
        """Looks which names not all configurations have, or with other values."""
        self._varying = {_ALWAYS, *_varying(configs, "")}
        self._configs = configs  # What is remembered by address must stay where it is.
        self._said: dict[tuple[int, str], str] = {}

    def of(self, config: Mapping[str, Any]) -> str:
        """`name=value` of what varies, and its activation."""
        return " ".join(self._pieces(config, ""))

    def _pieces(self, config: Mapping[str, Any], prefix: str) -> Iterator[str]:
        for key, value in config.items():
            name = prefix + key
            if isinstance(value, dict):
                said = self._said.get((id(value), name))
                if said is None:
                    said = " ".join(self._pieces(value, f"{name}."))
                    self._said[id(value), name] = said
                if said:
                    yield said
            elif name in self._varying and value is not None:
                yield f"{name}={value}"


def _varying(configs: Iterable[Mapping[str, Any]], prefix: str) -> Iterator[str]:
    """Dotted names that not all have, or whose values are not the same in all of them."""
    distinct = list({id(config): config for config in configs}.values())
    for key in dict.fromkeys(key for config in distinct for key in config):
        values = {id(value): value for value in (config.get(key) for config in distinct)}.values()
        parts = [value for value in values if isinstance(value, dict)]
        others = [value for value in values if not isinstance(value, dict)]
        if parts:
            yield from _varying([*parts, {}] if others else parts, f"{prefix}{key}.")
        if len({repr(value) for value in [*others, *([None] if parts else [])]}) > 1:
            yield prefix + key
