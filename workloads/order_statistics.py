"""Exact order statistics of tensors, fast on one CPU core: largest entries and quantiles.

Must never know which activation or norm asks.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Quantile", "add_gradient_", "find_quantile", "largest"]

_SORT_UP_TO = 512  # entries of a row; above, numpy's partition is the faster of the two
_NUMPY_TYPES = (torch.float32, torch.float64)


def largest(values: Tensor, *, count: int, start: int) -> Tensor:
    """Returns 1 at exactly the `count` largest entries of each row, else 0; without gradient.

    Args:
        values: (..., n_start, ..., n_last); a row is everything from dimension `start` on. A row
            with NaN has no largest entries: multiply by its mask, and NaN stays NaN.
        count: From 0 to the entries of a row. Among equals those of lowest index are taken.
        start: First dimension of a row, at least 1.

    Memory layout is kept. Nothing waits for a GPU.
    """
    values = values.detach()
    size = math.prod(values.shape[start:])
    if count in (0, size):
        return torch.full_like(values, float(count > 0))
    if _suits_numpy(values):
        return _largest_by_numpy(values, count, start)
    rows = values.reshape(-1, size)
    bound = torch.topk(rows, count, dim=-1).values[:, -1:]
    above, equal = rows > bound, rows == bound
    missing = count - above.sum(dim=-1, keepdim=True)
    taken = above | (equal & (equal.cumsum(dim=-1) <= missing))
    return taken.to(values.dtype).view(values.shape)


def _largest_by_numpy(values: Tensor, count: int, start: int) -> Tensor:
    """Compares each row with the smallest entry to be taken, then drops what ties let in."""
    # In channels-last memory a row is a permuted block, which has the same smallest entry.
    permuted = start == 1 and _is_channels_last(values)
    packed = values.permute(0, 2, 3, 1) if permuted else values.contiguous()
    rows = packed.view(-1, math.prod(values.shape[start:]))
    bound = torch.from_numpy(_at_rank(rows.numpy(), rows.shape[-1] - count))
    taken = torch.empty_like(rows)
    torch.ge(rows, bound, out=taken)
    surplus = taken.sum(dim=-1).numpy() - count
    tied = np.flatnonzero(surplus > 0)
    mask = taken.view(packed.shape)
    mask = mask.permute(0, 3, 1, 2) if permuted else mask
    if tied.size:
        shape = (-1, *values.shape[start:])
        equal = (values.reshape(shape)[tied].flatten(1) == bound[tied]).numpy()
        row, entry = np.divmod(np.flatnonzero(equal), equal.shape[1])
        # Of each row's equals the last `surplus` go; `end` counts the equals up to its last one.
        end = np.cumsum(np.bincount(row, minlength=tied.size))
        late = np.arange(row.size) >= (end - surplus[tied])[row]
        where = np.unravel_index(entry[late], shape[1:])
        mask.view(shape).numpy()[(tied[row[late]], *where)] = 0
    return mask


class Quantile(NamedTuple):
    """The q-quantile of each row, and which entries it is interpolated between.

    Attributes:
        value: (...); NaN where the row has one.
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
    size = values.shape[-1]
    low = math.floor(q * (size - 1))
    weight = q * (size - 1) - low
    ranks = [low, low + (weight > 0), size - 1]
    rows = values.reshape(-1, size)
    if _suits_numpy(rows):
        array = rows.numpy()
        ends = np.sort(array, axis=-1)[:, ranks]
        first = [torch.from_numpy((array == ends[:, i, None]).argmax(axis=-1)) for i in (0, 1)]
        sorted_ends = torch.from_numpy(ends)
    else:
        sorted_ends = torch.sort(rows, dim=-1).values[:, ranks]
        equal = [(rows == sorted_ends[:, i, None]).to(torch.uint8) for i in (0, 1)]
        first = [each.argmax(dim=-1) for each in equal]  # torch, too, gives the first of them
    lower, upper, largest_of_row = sorted_ends.unbind(-1)
    value = torch.where(largest_of_row.isnan(), largest_of_row, torch.lerp(lower, upper, weight))
    shape = values.shape[:-1]
    return Quantile(value.view(shape), first[0].view(*shape, 1), first[1].view(*shape, 1), weight)


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
    return values.device.type == "cpu" and values.dtype in _NUMPY_TYPES


def _is_channels_last(values: Tensor) -> bool:
    return values.dim() == 4 and values.is_contiguous(memory_format=torch.channels_last)


def _at_rank(rows: NDArray[np.floating], rank: int) -> NDArray[np.floating]:
    """Returns (rows, 1): the entry that stands at `rank`, 0 the smallest, NaN the largest."""
    if rows.shape[-1] <= _SORT_UP_TO:
        return np.sort(rows, axis=-1)[:, rank : rank + 1]
    return np.partition(rows, rank, axis=-1)[:, rank : rank + 1]
