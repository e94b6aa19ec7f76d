"""Exact order statistics of tensors, fast on one CPU core: the largest entries, and quantiles.

Must never know which activation or norm asks.

On a CPU numpy does the work, because its sort and its partition use the widest vectors there are.
Milliseconds for the values alone, float32, one thread, torch 2.13, numpy 2.4, AVX-512:

    rows × entries                64 × 6272   64 × 3136   512 × 784   2048 × 256   12800 × 64
    numpy.partition, one rank          0.46        0.20        0.59         0.81         1.69
    numpy.sort                         0.93        0.39        0.64         0.56         1.07
    torch.topk, unsorted               3.77        1.77        3.80         5.10         9.01
    numpy.partition, two ranks         3.83        1.84        3.94         5.35         9.19
    torch.kthvalue                     4.52        2.27        4.63         6.29        10.49
    torch.sort, torch.quantile        20–24       10–11       16–18        18–20        21–24

So `largest` takes one rank by sort up to 512 entries and by partition above, in the memory of its
mask, which spares the cache (0.30 instead of 0.40 ms at 64 × 3136), and `find_quantile`, which
needs two neighbours, always sorts. The index of a neighbour is then the first equal entry (0.12 ms
at 512 × 784; numpy.argsort takes 3.3). What is kept is a product with a mask of numbers: forward
and backward of 64 × 6272 take 1.3 ms so, 1.9 to 2.1 with a mask of booleans, 3.9 with torch.where
or masked_fill, 4.9 with a scatter of torch.topk. Elsewhere, in what torch compiles, and for types
other than float32 and float64, torch does the work without waiting for the device.

To bracket the rank by a sample of each row and to sort only what lies between costs more: 1.7 ms at
64 × 3136, most of it to fetch those entries row by row.
"""

import math
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Quantile", "add_gradient_", "find_quantile", "largest", "suits_numpy"]

Floats = NDArray[np.floating]

_SORT_UP_TO = 512  # entries of a row
_FEW_ROWS = 16  # with ties, that are mended one by one: 10 µs each, all together at least 90


def largest(values: Tensor, *, count: int, start: int, only_positive: bool = False) -> Tensor:
    """Returns 1 at exactly the `count` largest entries of each row, else 0; without gradient.

    Args:
        values: (..., n_start, ..., n_last); a row is everything from dimension `start` on.
        count: From 0 to the entries of a row. Among equals those of lowest index are taken.
        start: First dimension of a row, at least 1.
        only_positive: Where a row has to take some that are not above 0, any number of them may be.

    Memory layout is kept. How many entries a row with NaN has taken is not defined, but multiplied
    by the mask NaN stays NaN.
    """
    values = values.detach()
    size = math.prod(values.shape[start:])
    if count in (0, size):
        return torch.full_like(values, float(count > 0))
    if suits_numpy(values) and len(values):
        return _largest_by_numpy(values, size, count, start, only_positive=only_positive)
    rows = values.reshape(-1, size)
    bound = torch.topk(rows, count, dim=-1).values[:, -1:]
    above, equal = rows > bound, rows == bound
    missing = count - above.sum(dim=-1, keepdim=True)
    taken = above | (equal & (equal.cumsum(dim=-1) <= missing))
    return taken.to(values.dtype).view(values.shape)


def _largest_by_numpy(
    values: Tensor, size: int, count: int, start: int, *, only_positive: bool
) -> Tensor:
    """Compares each row with the smallest entry to be taken, then drops what ties let in."""
    # In channels-last memory a row is a permuted block, which has the same smallest entry.
    permuted = start == 1 and _is_channels_last(values)
    packed = values.permute(0, 2, 3, 1) if permuted else values.contiguous()
    rows = packed.view(-1, size)
    taken = torch.empty_like(rows)
    bound = _at_rank(rows, size - count, scratch=taken)
    torch.ge(rows, bound, out=taken)
    counts = taken.sum(dim=-1).numpy()
    tied = np.flatnonzero(counts > count)
    if only_positive:
        tied = tied[bound.numpy()[tied, 0] > 0]
    if tied.size:
        _drop(taken, rows, bound, counts - count, tied, channels=values.shape[1] * permuted)
    mask = taken.view(packed.shape)
    return mask.permute(0, 3, 1, 2) if permuted else mask.view(values.shape)


def _drop(
    taken: Tensor,
    rows: Tensor,
    bound: Tensor,
    excess: Floats,
    tied: NDArray[np.intp],
    *,
    channels: int,
) -> None:
    """Sets to 0, in the tied rows of `taken`, the last `excess` entries that equal the bound."""
    if tied.size > _FEW_ROWS:
        of = torch.from_numpy(tied)
        more = torch.from_numpy(excess[tied]).unsqueeze(-1)
        taken[of] -= _last_of_equals(rows[of], bound[of], more, channels=channels)
        return
    into, array, bounds = taken.numpy(), rows.numpy(), bound.numpy()
    for row in tied:
        equal = np.flatnonzero(array[row] == bounds[row])
        if channels:  # By their place in a row that counts channel by channel.
            equal = equal[np.argsort(equal % channels, kind="stable")]
        into[row, equal[-int(excess[row]) :]] = 0


def _last_of_equals(rows: Tensor, bound: Tensor, excess: Tensor, *, channels: int) -> Tensor:
    """Returns 1, in each row, at the last `excess` entries that equal the bound, else 0.

    Equals are counted by blocks of a row, and one by one only in the block in which those before
    come to an end: 0.3 ms at 64 × 3136 where half of all are equal, by positions it takes 2.6.

    Args:
        rows: (rows, entries), what is ranked.
        bound: (rows, 1).
        excess: (rows, 1), from 1 to the row's equals.
        channels: Of a row in channels-last memory, which counts channel by channel; 0: as it lies.
    """
    equal = torch.empty_like(rows)
    torch.eq(rows, bound, out=equal)
    size = rows.shape[1]
    if channels:
        blocks = equal.view(-1, size // channels, channels).transpose(1, 2)
    else:
        width = next(each for each in range(math.isqrt(size), 0, -1) if size % each == 0)
        blocks = equal.view(-1, size // width, width)
    counts = blocks.sum(dim=-1)
    until = counts.cumsum(dim=-1)  # equals up to the end of each block
    stay = until[:, -1:] - excess
    whole = until <= stay  # Blocks of which all stay come first.
    last = whole.sum(dim=-1, keepdim=True).clamp_(max=counts.shape[1] - 1)
    row = torch.arange(len(rows))
    partly = blocks[row, last[:, 0]]
    before = (until - counts).gather(-1, last)
    partly *= partly.cumsum(dim=-1) + before > stay
    blocks *= ~whole.unsqueeze(-1)
    blocks[row, last[:, 0]] = partly
    return equal


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
    # In two dimensions even what lies across is copied fast.
    rows = values.reshape(-1, size).contiguous()
    low = math.floor(q * (size - 1))
    weight = q * (size - 1) - low
    high = low + (weight > 0)
    if suits_numpy(rows):
        array = rows.numpy()
        # Copied, since a comparison with entries that lie apart takes half as long again.
        columns = np.sort(array, axis=-1)[:, low : high + 1].T.copy()
        ends = torch.from_numpy(columns)
        first = [torch.from_numpy((array == each[:, None]).argmax(-1)) for each in columns]
    else:
        in_order = torch.sort(rows, dim=-1).values
        ends = in_order[:, low : high + 1].T
        # Of several maxima torch's argmax, like numpy's, gives the first.
        first = [(rows == end[:, None]).to(torch.uint8).argmax(dim=-1) for end in ends]
    value = torch.lerp(ends[0], ends[-1], weight).view(shape)
    return Quantile(value, first[0].view(*shape, 1), first[-1].view(*shape, 1), weight)


def add_gradient_(into: Tensor, grad: Tensor, found: Quantile, *, dim: Literal[0, -1] = -1) -> None:
    """Adds the gradient of a quantile's value, (...), to that of its values, in place.

    Args:
        into: (..., n_start, ..., n_last) or (..., entries), any layout that can be so viewed; with
            `dim` 0 (entries, ...), any layout.
        grad: (...), of `found.value`.
        found: What `find_quantile` returned for those values, or for those with their entries last.
        dim: Where the entries are. A view with them last would do in their place, but torch.compile
            gives what is changed through such a view its strides.
    """
    rows, grad = into if dim == 0 else into.view(*grad.shape, -1), grad.unsqueeze(dim)
    rows.scatter_add_(dim, found.lower.movedim(-1, dim), grad * (1 - found.weight))
    rows.scatter_add_(dim, found.upper.movedim(-1, dim), grad * found.weight)


def suits_numpy(values: Tensor) -> bool:
    """Whether numpy can compute with them where they lie: on a CPU, in float32 or float64.

    Not while torch.compile traces, which knows only some of numpy.
    """
    if values.device.type != "cpu" or values.dtype not in (torch.float32, torch.float64):
        return False
    return not torch.compiler.is_compiling()


def _is_channels_last(values: Tensor) -> bool:
    return values.dim() == 4 and values.is_contiguous(memory_format=torch.channels_last)


def _at_rank(rows: Tensor, rank: int, *, scratch: Tensor) -> Tensor:
    """Returns (rows, 1): the entry that stands at `rank`, 0 the smallest, NaN the largest.

    A partition whose rank falls among equals takes ten times as long, a sort no longer than ever.
    So a row with many equals of its smallest, as after a rectifier, is sorted; not even that where
    the rank falls among them, which their number says.

    Args:
        rows: (rows, entries), at least one row.
        rank: From 0 to entries − 1.
        scratch: As `rows`, to work in: what is needed anyway takes no further room in the cache.
    """
    size = rows.shape[1]
    crowded = False
    if size > _SORT_UP_TO:
        some = rows.numpy()[0]
        least = np.count_nonzero(some == np.minimum.reduce(some))
        crowded = bool(8 * least > size)
        if crowded and least > rank:
            return _at_rank_of_crowded(rows, rank, scratch=scratch)
    array = scratch.copy_(rows).numpy()
    if crowded or size <= _SORT_UP_TO:
        array.sort(axis=-1)
    else:
        array.partition(rank, axis=-1)
    return torch.from_numpy(array[:, rank : rank + 1].copy())


def _at_rank_of_crowded(rows: Tensor, rank: int, *, scratch: Tensor) -> Tensor:
    """As `_at_rank`, sorting only the rows whose rank is above all equals of their smallest."""
    bound = rows.amin(dim=-1, keepdim=True)
    equal = torch.eq(rows, bound, out=scratch).sum(dim=-1)
    above = np.flatnonzero(equal.numpy() <= rank)
    if above.size:
        ordered = np.sort(rows.numpy()[above], axis=-1)
        bound.numpy()[above] = ordered[:, rank : rank + 1]
    return bound
