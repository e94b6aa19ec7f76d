"""Exact order statistics of tensors, fast on one CPU core: the largest entries, and quantiles.

Must never know which activation or norm asks.

On a CPU, numpy does the work: its sort and its partition use the widest vectors there are. It goes
block by block, so that what one operation leaves in the cache the next one finds there: outside of
it, a whole pass over an activation costs as much as sorting short rows. Elsewhere, and for other
types than float32 and float64, torch does it, without waiting for the device.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from workloads.autograd import Context

__all__ = ["Quantile", "add_gradient_", "find_quantile", "keep_largest"]

Floats = NDArray[np.floating]

_SORT_UP_TO = 512  # entries of a row; above, a partition is the faster of the two
_BLOCK = 2**16  # entries worked on at a time: 256 KB of float32, a part of the cache


def keep_largest(values: Tensor, *, count: int, start: int) -> Tensor:
    """Returns the values with all but the `count` largest of each row set to 0.

    Args:
        values: (..., n_start, ..., n_last); a row is everything from dimension `start` on.
        count: From 0 to the entries of a row. Among equals those of lowest index are kept.
        start: First dimension of a row, at least 1.

    Gradient passes where an entry was kept. Memory layout stays. A NaN stays NaN, kept or not, and
    how many others its row keeps is not defined.
    """
    kept: Tensor = _KeepLargest.apply(values, count, start)  # type: ignore[no-untyped-call]
    return kept


class _KeepLargest(Function):
    """A product with a mask, because NaN · 0 is NaN."""

    @staticmethod
    def forward(ctx: Context, values: Tensor, count: int, start: int) -> Tensor:
        size = math.prod(values.shape[start:])
        if _suits_numpy(values) and 0 < count < size:
            kept, mask = _kept_by_numpy(values, count, start)
        else:
            mask = _mask_by_torch(values.reshape(-1, size), count).view(values.shape)
            kept = values * mask
        ctx.save_for_backward(mask)
        return kept

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, grad: Tensor) -> tuple[Tensor, None, None]:
        (mask,) = ctx.saved_tensors
        if _suits_numpy(grad):  # which multiplies by booleans five times as fast
            return torch.from_numpy(np.multiply(grad.numpy(), mask.numpy())), None, None
        return grad * mask, None, None


def _mask_by_torch(rows: Tensor, count: int) -> Tensor:
    if count in (0, rows.shape[1]):
        return torch.full_like(rows, count > 0, dtype=torch.bool)
    bound = torch.topk(rows, count, dim=-1).values[:, -1:]
    above, equal = rows > bound, rows == bound
    missing = count - above.sum(dim=-1, keepdim=True)
    return above | (equal & (equal.cumsum(dim=-1) <= missing))


def _kept_by_numpy(values: Tensor, count: int, start: int) -> tuple[Tensor, Tensor]:
    # In channels-last memory a row is a permuted block, which has the same smallest kept entry.
    permuted = (
        start == 1 and values.dim() == 4 and values.is_contiguous(memory_format=torch.channels_last)
    )
    packed = values.permute(0, 2, 3, 1) if permuted else values.contiguous()
    rows = packed.view(-1, math.prod(values.shape[start:])).numpy()
    kept, mask = np.empty_like(rows), np.empty(rows.shape, dtype=bool)
    excess: list[NDArray[np.intp]] = []
    for block in _blocks(*rows.shape):
        bound = _at_rank(rows[block], rows.shape[1] - count)
        np.greater_equal(rows[block], bound, out=mask[block])
        np.multiply(rows[block], mask[block], out=kept[block])
        if np.count_nonzero(mask[block]) != count * len(bound):
            excess.append(block.start + np.flatnonzero(mask[block].sum(axis=1) > count))
    shaped = [torch.from_numpy(each).view(packed.shape) for each in (kept, mask)]
    shaped = [each.permute(0, 3, 1, 2) for each in shaped] if permuted else shaped
    if excess:
        _drop_excess(values, *shaped, rows=np.concatenate(excess), count=count, start=start)
    return shaped[0], shaped[1]


def _drop_excess(
    values: Tensor, kept: Tensor, mask: Tensor, *, rows: NDArray[np.intp], count: int, start: int
) -> None:
    """Sets to 0, in `kept` and `mask`, the last of the equals that are too many in some rows."""
    shape = (-1, *values.shape[start:])
    tied = values.reshape(shape).numpy()[rows].reshape(len(rows), -1)
    taken = mask.view(shape).numpy()[rows].reshape(tied.shape)
    bound = np.where(taken, tied, np.inf).min(axis=1, keepdims=True)
    row, entry = np.nonzero(tied == bound)
    # `end` counts the equals up to the last one of a row; from there back go the `late`.
    end = np.cumsum(np.bincount(row, minlength=len(rows)))
    late = np.arange(row.size) >= (end - taken.sum(axis=1) + count)[row]
    where = (rows[row[late]], *np.unravel_index(entry[late], shape[1:]))
    kept.view(shape).numpy()[where] = 0
    mask.view(shape).numpy()[where] = False


class Quantile(NamedTuple):
    """The q-quantile of each row, and which entries it is interpolated between.

    Attributes:
        value: (...); NaN counts as larger than any number.
        lower: (..., 1) index, in the row, of the entry below; of equals the lowest index.
        upper: (..., 1) index of the entry above, likewise.
        weight: Of `upper`, 0 to 1; `lower` has the rest.
    """

    value: Tensor
    lower: Tensor
    upper: Tensor
    weight: float


def find_quantile(values: Tensor, q: float, *, start: int) -> Quantile:
    """Returns the quantile of each row by linear interpolation, without gradient.

    Args:
        values: (..., n_start, ..., n_last); a row is everything from dimension `start` on.
        q: From 0 to 1; position q·(n − 1) of the sorted row.
        start: First dimension of a row, at least 1.
    """
    values = values.detach().flatten(start)
    shape, size = values.shape[:-1], values.shape[-1]
    low = math.floor(q * (size - 1))
    weight = q * (size - 1) - low
    ranks = (low, low + (weight > 0))
    if _suits_numpy(values):
        lower, upper, first = _ends_by_numpy(values, ranks)
    else:
        rows = values.reshape(-1, size)
        lower, upper = torch.sort(rows, dim=-1).values[:, ranks].unbind(-1)
        # Of several maxima torch's argmax, like numpy's, gives the first.
        first = [(rows == end[:, None]).to(torch.uint8).argmax(dim=-1) for end in (lower, upper)]
    value = torch.lerp(lower, upper, weight).view(shape)
    return Quantile(value, first[0].view(*shape, 1), first[1].view(*shape, 1), weight)


def _ends_by_numpy(values: Tensor, ranks: tuple[int, int]) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Returns the entries (rows,) at both ranks, and the first index of each."""
    array = values.numpy()
    rows = math.prod(array.shape[:-1])
    ends, first = np.empty((2, rows), array.dtype), np.empty((2, rows), np.int64)
    each = rows // max(1, len(array))
    for block in _blocks(len(array), array[:1].size):
        part = np.ascontiguousarray(array[block]).reshape(-1, array.shape[-1])
        ordered = np.sort(part, axis=-1)
        to = slice(block.start * each, block.stop * each)
        for end, index, rank in zip(ends, first, ranks, strict=True):
            end[to] = ordered[:, rank]
            index[to] = (part == end[to, None]).argmax(axis=-1)
    lower, upper = torch.from_numpy(ends)
    return lower, upper, list(torch.from_numpy(first))


def add_gradient_(into: Tensor, grad: Tensor, found: Quantile) -> None:
    """Adds the gradient of a quantile's value, (...), to that of its values, in place.

    Args:
        into: (..., n_start, ..., n_last) or (..., entries), any layout that can be so viewed.
        grad: (...), of `found.value`.
        found: What `find_quantile` returned for those values.
    """
    rows = into.view(*grad.shape, -1)
    grad = grad.unsqueeze(-1)
    rows.scatter_add_(-1, found.lower, grad * (1 - found.weight))
    rows.scatter_add_(-1, found.upper, grad * found.weight)


def _suits_numpy(values: Tensor) -> bool:
    return values.device.type == "cpu" and values.dtype in (torch.float32, torch.float64)


def _blocks(rows: int, size: int) -> Iterator[slice]:
    """Yields slices of rows of `size` entries that make up about a block each."""
    step = max(1, _BLOCK // max(1, size))
    for begin in range(0, rows, step):
        yield slice(begin, min(begin + step, rows))


def _at_rank(rows: Floats, rank: int) -> NDArray[Any]:
    """Returns (rows, 1): the entry that stands at `rank`, 0 the smallest, NaN the largest."""
    if rows.shape[-1] <= _SORT_UP_TO:
        return np.sort(rows, axis=-1)[:, rank : rank + 1]
    return np.partition(rows, rank, axis=-1)[:, rank : rank + 1]
