"""What a claim comes to, out of what its parts say.

Knows nothing of stores, nor of any particular claim.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

__all__ = ["VERDICTS", "Claim", "Part", "Verdict"]

Verdict: TypeAlias = Literal["supported", "not supported", "not enough data"]

VERDICTS: Final[tuple[Verdict, ...]] = ("not supported", "not enough data", "supported")
"""In the order in which they prevail: a claim falls with one part, and holds with all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing that a claim says, measured.

    Attributes:
        part: which combination of architecture, data, activation … it is about.
        measure: what was measured of it.
        bar: what was asked of the interval before anything was run, such as `≥ 0.4`.
        value: the mean over seeds; None where nothing is there.
        interval: its 95 % interval; None where the seeds do not give one.
        trials: ids of the cells that it rests on.
        seeds: how many seeds they have.
        seeds_needed: how many there must be for a verdict.
        scale: what was trained and for how long, None where nothing was.
        counts: whether the claim's verdict rests on it, or it is told beside.
        margin: half widths of the interval by which the value lies on the claim's side.
        verdict: what that says.
    """

    part: str
    measure: str
    bar: str
    value: float | None
    interval: tuple[float, float] | None
    trials: tuple[str, ...]
    seeds: int
    seeds_needed: int
    scale: str | None
    counts: bool
    margin: float
    verdict: Verdict

    def sentence(self) -> str:
        """What was measured, and what was asked, in one line."""
        if self.value is None:
            yet = "" if self.trials else " yet"
            return f"{self.part}: no {self.measure}{yet}, asked {self.bar}"
        span = "" if self.interval is None else " (95 % {:.3g} … {:.3g})".format(*self.interval)
        few = f", {self.seeds} of {self.seeds_needed} seeds" if self.too_few else ""
        return f"{self.part}: {self.measure} {self.value:.3g}{span}{few}, asked {self.bar}"

    @property
    def too_few(self) -> bool:
        """Whether there are fewer seeds than a verdict needs."""
        return self.seeds < self.seeds_needed

    def document(self) -> dict[str, Any]:
        """All of it, as a JSON document."""
        return {
            **{"part": self.part, "measure": self.measure, "asked": self.bar},
            **{"value": self.value, "interval": self.interval, "cells": len(self.trials)},
            **{"seeds": self.seeds, "seeds_needed": self.seeds_needed, "scale": self.scale},
            **{"counts": self.counts, "verdict": self.verdict},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claim of the papers beside what was measured here.

    Attributes:
        id: `A1` … `A7`, `B`.
        claim: what was claimed.
        sweeps: names of the shipped sweeps that measure it.
        parts: everything that it says; at least one counts.
    """

    id: str
    claim: str
    sweeps: tuple[str, ...]
    parts: tuple[Part, ...]

    @property
    def counted(self) -> tuple[Part, ...]:
        """The parts that the verdict rests on."""
        return tuple(part for part in self.parts if part.counts)

    @property
    def verdict(self) -> Verdict:
        """Supported if every counted part is; not supported as soon as one of them is not."""
        found = {part.verdict for part in self.counted}
        return next(verdict for verdict in VERDICTS if verdict in found)

    @property
    def deciding(self) -> Part:
        """The part that is farthest from the claim's side among those that make the verdict."""
        bearing = [part for part in self.counted if part.verdict == self.verdict]
        return min(bearing, key=lambda part: (part.value is None, part.margin))

    @property
    def cells(self) -> int:
        """Distinct cells of the counted parts."""
        return len({trial for part in self.counted for trial in part.trials})

    @property
    def seeds(self) -> int:
        """The fewest seeds of a counted part."""
        return min(part.seeds for part in self.counted)

    @property
    def scales(self) -> tuple[str, ...]:
        """What was trained, in order of appearance."""
        told = [scale for part in self.counted if part.scale for scale in part.scale.split("; ")]
        return tuple(dict.fromkeys(told))

    @property
    def measured(self) -> str:
        """How many parts say what, and the one that decides."""
        counts = Counter(part.verdict for part in self.counted)
        told = [f"{counts[verdict]} {verdict}" for verdict in reversed(VERDICTS) if counts[verdict]]
        parts = "1 part" if len(self.counted) == 1 else f"{len(self.counted)} parts"
        return f"{parts}: {', '.join(told)}. {self.deciding.sentence()}"

    def document(self) -> dict[str, Any]:
        """All of it, as a JSON document."""
        deciding = self.deciding
        return {
            **{"id": self.id, "claim": self.claim, "measured": self.measured},
            **{"value": deciding.value, "interval": deciding.interval, "asked": deciding.bar},
            **{"cells": self.cells, "seeds": self.seeds, "scale": "; ".join(self.scales)},
            **{"verdict": self.verdict, "run": list(self.sweeps)},
            "parts": [part.document() for part in self.parts],
        }


def part_of(row: dict[str, Any]) -> Part:
    """A part from the row that the SQL answers."""
    low, high = row["low"], row["high"]
    known = low is not None and high is not None and math.isfinite(low) and math.isfinite(high)
    return Part(
        **{name: row[name] for name in ("part", "measure", "bar", "value", "seeds", "scale")},
        **{name: row[name] for name in ("seeds_needed", "counts", "margin", "verdict")},
        interval=(low, high) if known else None,
        trials=tuple(row["trials"]),
    )


def claim_of(id_: str, text: str, rows: Sequence[dict[str, Any]]) -> Claim:
    """A claim from its SQL file, whose comment begins with it and names its sweeps."""
    claim, _, rest = text.removeprefix(f"-- {id_.upper()}: ").partition("\n-- run: ")
    return Claim(
        id=id_.upper(),
        claim=" ".join(claim.replace("\n-- ", " ").split()),
        sweeps=tuple(rest.partition("\n")[0].split()),
        parts=tuple(part_of(row) for row in rows),
    )
