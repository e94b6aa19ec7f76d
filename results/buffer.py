"""Rows in memory between two flushes, as flat columns.

Knows nothing of files or clocks.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from results.columns import numbers, texts
from results.finals import Key
from results.schema import METRICS

__all__ = ["Batch", "RowBuffer"]


class RowBuffer:
    """Appends rows cheaply: a row costs two array entries, a step three more.

    One thread may append while another takes.

    Attributes:
        keys: (layer, name) by code; only ever grows.
    """

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self._known: dict[Key, int] = {}
        self._lock = threading.Lock()
        self._codes = array("i")
        self._values = array("d")
        self._steps = array("q")
        self._instants = array("q")
        self._counts = array("q")

    def __len__(self) -> int:
        return len(self._values)

    def append(
        self,
        step: int,
        instant: int,
        *,
        metrics: Mapping[str, float],
        layers: Mapping[str, Mapping[str, float]],
    ) -> None:
        """Adds the rows of one step.

        Args:
            step: greater than every earlier one.
            instant: microseconds since 1970, UTC.
            metrics: name -> whole-model value.
            layers: layer -> name -> value.

        Raises:
            TypeError: a value is not a number; no row of the step is kept.
        """
        codes = array("i", [self._code((None, name)) for name in metrics])
        values = array("d", metrics.values())
        for layer, named in layers.items():
            codes.extend([self._code((layer, name)) for name in named])
            values.extend(array("d", named.values()))
        if not values:
            return
        with self._lock:
            self._codes.extend(codes)
            self._values.extend(values)
            self._steps.append(step)
            self._instants.append(instant)
            self._counts.append(len(values))

    def _code(self, key: Key) -> int:
        code = self._known.get(key)
        if code is None:
            # The key first: whoever takes rows looks up every code it finds in them.
            self.keys.append(key)
            code = self._known[key] = len(self.keys) - 1
        return code

    def take(self) -> Batch | None:
        """Everything appended so far, leaving the buffer empty; None if it is."""
        columns = (self._codes, self._values, self._steps, self._instants, self._counts)
        with self._lock:
            codes, values, steps, instants, counts = map(np.array, columns)
            for column in columns:
                del column[:]
        if codes.size == 0:
            return None
        return Batch(
            codes=codes.astype(np.int32),
            steps=np.repeat(steps, counts),
            values=values,
            instants=np.repeat(instants, counts),
        )


class Batch:
    """Rows in the order of writing, as arrays of shape (rows,)."""

    def __init__(
        self,
        *,
        codes: npt.NDArray[np.int32],
        steps: npt.NDArray[np.int64],
        values: npt.NDArray[np.float64],
        instants: npt.NDArray[np.int64],
    ) -> None:
        self.codes = codes
        self.steps = steps
        self.values = values
        self.instants = instants

    def __len__(self) -> int:
        return int(self.codes.size)

    @property
    def first(self) -> int:
        """Step of the first row."""
        return int(self.steps[0])

    @property
    def last(self) -> int:
        """Step of the last row."""
        return int(self.steps[-1])

    def followed_by(self, later: Batch) -> Batch:
        """Both batches as one; `later` begins behind this one's last step."""
        return Batch(
            codes=np.concatenate([self.codes, later.codes]),
            steps=np.concatenate([self.steps, later.steps]),
            values=np.concatenate([self.values, later.values]),
            instants=np.concatenate([self.instants, later.instants]),
        )

    def table(self, keys: list[Key], *, constants: Mapping[str, str | int]) -> pa.Table:
        """The rows sorted by (name, step, layer), as a table of the schema `METRICS`.

        Args:
            keys: (layer, name) by code.
            constants: sweep, trial_id and attempt, the same for every row.
        """
        names, name_ranks = _ranked([name for _, name in keys])
        layers, layer_ranks = _ranked([layer or "" for layer, _ in keys])
        whole = np.array([layer is None for layer, _ in keys], dtype=bool)
        order = np.lexsort((layer_ranks[self.codes], self.steps, name_ranks[self.codes]))
        codes = self.codes[order]
        columns = [
            *(_constant(constants[name], size=len(self)) for name in METRICS.names[:3]),
            numbers(self.steps[order], pa.int64()),
            pa.DictionaryArray.from_arrays(
                numbers(layer_ranks[codes], pa.int32(), null=whole[codes]), texts(layers)
            ),
            pa.DictionaryArray.from_arrays(numbers(name_ranks[codes], pa.int32()), texts(names)),
            numbers(self.values[order], pa.float64()),
            numbers(self.instants[order], METRICS.field("ts").type),
        ]
        return pa.table(columns, names=METRICS.names)


def _ranked(words: list[str]) -> tuple[list[str], npt.NDArray[np.int32]]:
    """Distinct words sorted, and each given word's place among them."""
    distinct = sorted(set(words))
    places = {word: place for place, word in enumerate(distinct)}
    return distinct, np.array([places[word] for word in words], dtype=np.int32)


def _constant(value: str | int, *, size: int) -> pa.Array:
    if isinstance(value, int):
        return numbers(np.full(size, value, dtype=np.int32), pa.int32())
    places = numbers(np.zeros(size, dtype=np.int32), pa.int32())
    return pa.DictionaryArray.from_arrays(places, texts([value]))
