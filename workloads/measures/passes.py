"""Single passes over tensors that measuring needs, fast on one CPU core.

Must never know what the numbers mean.

Milliseconds at 64 × 16 × 256 float32, one thread, torch 2.13, numpy 2.4: zeros counted by numpy
0.02, by torch.eq into floats and a sum 0.07, by comparing into booleans 0.20, by count_nonzero
1.08; squared norms of rows by vector_norm 0.02, by vecdot 0.05. Whatever reduces over the last
dimension of channels-last memory takes 10 times as long as in the order of memory.
"""

import numpy as np
import torch
from torch import Tensor

__all__ = ["count_zeros", "in_memory_order", "squared_norms"]


def in_memory_order(values: Tensor) -> Tensor:
    """Returns the same numbers as (n,), in whichever order takes no copy."""
    if values.dim() == 4 and values.is_contiguous(memory_format=torch.channels_last):
        return values.permute(0, 2, 3, 1).reshape(-1)
    return values.reshape(-1)


def count_zeros(values: Tensor) -> Tensor:
    """Returns how many of (n,) values are 0 exactly, as () float64 on their device."""
    values = values.detach()
    if values.device.type == "cpu" and values.dtype in (torch.float32, torch.float64):
        zeros = int(np.count_nonzero(values.numpy() == 0))
        return torch.tensor(zeros, dtype=torch.float64)
    return (values == 0).sum(dtype=torch.float64)


def squared_norms(values: Tensor) -> Tensor:
    """Returns ‖x‖² of each row, (...) from (..., features)."""
    norms: Tensor = torch.linalg.vector_norm(values, dim=-1)
    return norms.square()
