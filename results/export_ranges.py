"""Cuts a history into ranges of its order that each fit into memory.

Never looks at a row: sizes are known from the finals.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Final, Self

__all__ = ["MOST_ROWS", "Range", "Size", "ranges"]

MOST_ROWS: Final = 500_000
"""Rows that are held in memory at once, about 50 MB."""

_LAST_STEP: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many rows one metric of one trial has.

    Attributes:
        name: of the metric.
        trial_id: of the trial.
        rows: 1 or more, over all layers.
        step: the largest one.
    """

    name: str
    trial_id: str
    rows: int
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """All rows between two (name, trial) in that order, both included, of some steps."""

    first_name: str
    first_trial: str
    last_name: str
    last_trial: str
    first_step: int
    last_step: int

    @classmethod
    def nothing(cls) -> Self:
        """A range without rows."""
        return cls(
            first_name="", first_trial="", last_name="", last_trial="", first_step=0, last_step=-1
        )

    def parameters(self) -> dict[str, object]:
        """Values of the parameters of `sql/export_metrics.sql`."""
        return asdict(self)


def ranges(sizes: Iterable[Size], *, most: int = MOST_ROWS) -> list[Range]:
    """Ranges that follow each other, cover every row once and hold about `most` rows at most.

    A metric of one trial that alone is larger is cut by its steps, as if they lay evenly.

    Args:
        sizes: by name, then trial.
        most: rows, 1 or more.
    """
    found: list[Range] = []
    open_: Range | None = None
    held = 0
    for size in sizes:
        if open_ is not None and held + size.rows <= most:
            open_ = replace(open_, last_name=size.name, last_trial=size.trial_id)
            held += size.rows
            continue
        if open_ is not None:
            found.append(open_)
        open_, held = _whole(size), size.rows
        if size.rows > most:
            found += _cut(open_, pieces=-(-size.rows // most), step=size.step)
            open_ = None
    return found if open_ is None else [*found, open_]


def _whole(size: Size) -> Range:
    return Range(
        first_name=size.name,
        first_trial=size.trial_id,
        last_name=size.name,
        last_trial=size.trial_id,
        first_step=0,
        last_step=_LAST_STEP,
    )


def _cut(whole: Range, *, pieces: int, step: int) -> list[Range]:
    """The same rows in pieces of as many steps each; the last one is open to the end."""
    each = step // pieces + 1
    starts = [each * piece for piece in range(pieces)]
    ends = [*(start - 1 for start in starts[1:]), whole.last_step]
    return [
        replace(whole, first_step=first, last_step=last)
        for first, last in zip(starts, ends, strict=True)
    ]
