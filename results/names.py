"""Names of the files of rows and finals, and of checkpoints.

Never opens a file.

    metrics/<trial_id>/a<attempt>.r<from>.<first>-<last>.parquet
    finals/<trial_id>/a<attempt>.r<from>[.<over>].parquet
    checkpoints/<trial_id>/a<attempt>-<step>/

`from` is `new` for an attempt that started at the beginning, else the last step that it took over
from an earlier attempt. `first` and `last` are the steps of the first and the last row inside.
`over` lists the earlier attempts whose rows finals sum up besides, such as `0-2`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["FinalsName", "SegmentName", "checkpoint_parts"]

_ID = r"(?P<trial_id>[A-Za-z0-9][A-Za-z0-9_-]*)"
_ATTEMPT = r"a(?P<attempt>0|[1-9][0-9]{0,8})"
_FROM = r"r(?P<from>new|0|[1-9][0-9]{0,17})"
_RANGE = r"(?P<first>0|[1-9][0-9]{0,17})-(?P<last>0|[1-9][0-9]{0,17})"
_SEGMENT = re.compile(rf"metrics/{_ID}/{_ATTEMPT}\.{_FROM}\.{_RANGE}\.parquet")
_OVER = r"(?:\.(?P<over>[0-9]{1,9}(?:-[0-9]{1,9})*))?"
_FINALS = re.compile(rf"finals/{_ID}/{_ATTEMPT}\.{_FROM}{_OVER}\.parquet")
_CHECKPOINT = re.compile(rf"checkpoints/{_ID}/{_ATTEMPT}-(?P<step>0|[1-9][0-9]{{0,17}})/.+")


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalsName:
    """Name of the final values that one attempt wrote when it ended.

    Attributes:
        trial_id: the trial, as in its folder's name.
        attempt: which go at the trial, 0 or more.
        resumed_from: last step taken over from an earlier attempt; None for a fresh start.
        over: earlier attempts whose rows they sum up too; empty where that is not known.
    """

    trial_id: str
    attempt: int
    resumed_from: int | None
    over: tuple[int, ...] = ()

    def __str__(self) -> str:
        over = "".join(["." * bool(self.over), "-".join(map(str, self.over))])
        source = _from_text(self.resumed_from)
        return f"finals/{self.trial_id}/a{self.attempt}.r{source}{over}.parquet"

    @classmethod
    def parse(cls, name: str) -> FinalsName | None:
        """Reads a name of the store; None if it names something else."""
        match = _FINALS.fullmatch(name)
        if match is None:
            return None
        return cls(
            trial_id=match["trial_id"],
            attempt=int(match["attempt"]),
            resumed_from=_from_value(match["from"]),
            over=tuple(map(int, match["over"].split("-"))) if match["over"] else (),
        )

    @property
    def origin(self) -> int:
        """The last step that it took over; −1 for a fresh start."""
        return -1 if self.resumed_from is None else self.resumed_from


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentName:
    """Name of one immutable file of metric rows.

    Attributes:
        trial_id: the trial, as in its folder's name.
        attempt: which go at the trial, 0 or more.
        resumed_from: last step taken over from an earlier attempt; None for a fresh start.
        first: smallest step inside, greater than `resumed_from`.
        last: largest step inside.
    """

    trial_id: str
    attempt: int
    resumed_from: int | None
    first: int
    last: int

    def __str__(self) -> str:
        source = _from_text(self.resumed_from)
        return f"metrics/{self.trial_id}/a{self.attempt}.r{source}.{self.first}-{self.last}.parquet"

    @classmethod
    def parse(cls, name: str) -> SegmentName | None:
        """Reads a name of the store; None if it names something else."""
        match = _SEGMENT.fullmatch(name)
        if match is None:
            return None
        first, last = int(match["first"]), int(match["last"])
        if first > last:
            return None
        return cls(
            trial_id=match["trial_id"],
            attempt=int(match["attempt"]),
            resumed_from=_from_value(match["from"]),
            first=first,
            last=last,
        )

    @property
    def origin(self) -> int:
        """The step after which this attempt's rows begin; −1 for a fresh start."""
        return -1 if self.resumed_from is None else self.resumed_from

    def covers(self, other: SegmentName) -> bool:
        """Whether this segment holds every row of `other`, so that `other` is superseded."""
        return (
            self.trial_id == other.trial_id
            and self.attempt == other.attempt
            and self.first <= other.first
            and other.last <= self.last
            and self != other
        )


def checkpoint_parts(name: str) -> tuple[str, int, int] | None:
    """(trial_id, attempt, step) of a file below a finished checkpoint; None for other names."""
    match = _CHECKPOINT.fullmatch(name)
    if match is None:
        return None
    return match["trial_id"], int(match["attempt"]), int(match["step"])


def _from_text(resumed_from: int | None) -> str:
    return "new" if resumed_from is None else str(resumed_from)


def _from_value(text: str) -> int | None:
    return None if text == "new" else int(text)
