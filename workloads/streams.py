"""Random number streams: named ones made from a seed, and the process's own, taken and put back.

Must never know who draws from them.
"""

import hashlib
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

__all__ = ["generator", "restore", "seed_all", "snapshot"]


def generator(seed: int, *names: str | int) -> torch.Generator:
    """Returns a CPU generator that depends on the seed and the names alone.

    Args:
        seed: Seed of the workload.
        names: What the stream is for, such as `"order", epoch`; streams of different names are
            independent.
    """
    text = repr((seed, *names)).encode()
    number = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) >> 1
    return torch.Generator().manual_seed(number)


def seed_all(seed: int) -> None:
    """Seeds the process's streams: python, numpy, torch, and CUDA lazily."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed % 2**63)


def snapshot(*, cuda: bool) -> dict[str, Any]:
    """Returns the process's streams as builtins and tensors.

    Args:
        cuda: Whether those of the GPUs belong to it.
    """
    version, words, gauss = random.getstate()
    legacy = np.random.get_state(legacy=False)
    assert isinstance(legacy, dict)
    state = {name: np.asarray(value).tolist() for name, value in legacy["state"].items()}
    return {
        "python": (version, list(words), gauss),
        "numpy": legacy | {"state": state},
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if cuda else [],
    }


def restore(streams: Mapping[str, Any]) -> None:
    """Puts back what `snapshot` returned; GPU streams where this machine has as many GPUs."""
    version, words, gauss = streams["python"]
    random.setstate((version, tuple(words), gauss))
    state = streams["numpy"]["state"]
    keys = np.asarray(state["key"], dtype=np.uint32)
    np.random.set_state(streams["numpy"] | {"state": state | {"key": keys}})
    torch.set_rng_state(streams["torch"])
    if streams["cuda"] and len(streams["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(streams["cuda"])
