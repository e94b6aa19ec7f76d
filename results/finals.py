"""Last value, minimum, maximum and count per (layer, name), carried along while rows are written.

Knows nothing of files: `Writer` feeds it batches that are already durable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from results.columns import from_values
from results.schema import FINALS, decode, encode, read_footer

__all__ = ["Finals"]

_OVER_KEY = b"cliffsweep.over"

Key = tuple[str | None, str]
"""(layer, name); layer None for whole-model values."""


@dataclass(slots=True)
class _Summary:
    step: int
    last: float
    minimum: float
    maximum: float
    count: int


class Finals:
    """Accumulators over a trial's counted rows.

    `last` is the value at the largest step and may be NaN. `minimum` and `maximum` pass over NaN
    and are NaN only where every value was. `count` counts every row, NaN among them.

    Attributes:
        over: earlier attempts that carried rows on, each from a checkpoint of the one before; empty
            where that is not known.
    """

    def __init__(self) -> None:
        self._summaries: dict[Key, _Summary] = {}
        self.over: tuple[int, ...] = ()

    @classmethod
    def from_bytes(cls, data: bytes) -> Finals:
        """What `to_bytes` wrote, for instance into a checkpoint.

        Raises:
            SchemaError: damaged or written by a newer version.
        """
        finals, where = cls(), "carried finals"
        over = read_footer(pa.BufferReader(data), kind="finals", where=where).get(_OVER_KEY, b"")
        finals.over = tuple(map(int, over.split()))
        for row in decode(data, kind="finals", where=where).to_pylist():
            finals._summaries[row["layer"], row["name"]] = _Summary(
                row["step"], row["last"], row["minimum"], row["maximum"], row["count"]
            )
        return finals

    def to_bytes(self, *, constants: Mapping[str, str | int]) -> bytes:
        """The accumulators as a Parquet file of the table `finals`, sorted by (name, layer).

        Args:
            constants: sweep, trial_id and attempt, the same for every row.
        """
        items = sorted(self._summaries.items(), key=lambda item: (item[0][1], item[0][0] or ""))
        size = len(items)
        columns: dict[str, list[Any]] = {
            **{column: [value] * size for column, value in constants.items()},
            "layer": [layer for (layer, _), _ in items],
            "name": [name for (_, name), _ in items],
            "step": [summary.step for _, summary in items],
            "last": [summary.last for _, summary in items],
            "minimum": [summary.minimum for _, summary in items],
            "maximum": [summary.maximum for _, summary in items],
            "count": [summary.count for _, summary in items],
        }
        arrays = [from_values(columns[field.name], field.type) for field in FINALS]
        over = " ".join(map(str, [*self.over, constants["attempt"]]))
        footer = {_OVER_KEY: over.encode()}
        return encode(pa.Table.from_arrays(arrays, schema=FINALS), kind="finals", footer=footer)

    def add(
        self,
        keys: list[Key],
        codes: npt.NDArray[np.int32],
        steps: npt.NDArray[np.int64],
        values: npt.NDArray[np.float64],
    ) -> None:
        """Takes in one batch whose steps lie behind all earlier ones.

        Args:
            keys: (layer, name) by code.
            codes: (rows,) index into `keys`.
            steps: (rows,) not decreasing.
            values: (rows,) any float.
        """
        if codes.size == 0:
            return
        order = np.argsort(codes, kind="stable")  # Stable, so each series stays in step order.
        codes, steps, values = codes[order], steps[order], values[order]
        starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
        ends = np.r_[starts[1:], codes.size] - 1
        lows = np.fmin.reduceat(values, starts)
        highs = np.fmax.reduceat(values, starts)
        for index, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            fresh = _Summary(
                int(steps[end]),
                float(values[end]),
                float(lows[index]),
                float(highs[index]),
                end - start + 1,
            )
            key = keys[int(codes[start])]
            known = self._summaries.get(key)
            self._summaries[key] = fresh if known is None else _joined(known, fresh)

    def __len__(self) -> int:
        return len(self._summaries)


def _joined(old: _Summary, new: _Summary) -> _Summary:
    return _Summary(
        new.step,
        new.last,
        float(np.fmin(old.minimum, new.minimum)),
        float(np.fmax(old.maximum, new.maximum)),
        old.count + new.count,
    )
