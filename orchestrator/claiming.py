"""The verb that holds the papers' claims against the sweeps that are there: claims.

Must never write into a store, nor say by itself what a claim needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import InputError
from orchestrator.paths import run_directories, storage_root
from orchestrator.reading import find_sweeps

if TYPE_CHECKING:
    from results.claims import Claims

__all__ = ["claims"]


def claims(names: str | None = None, *, every: bool = False, storage: str | None = None) -> Claims:
    """Holds A1 to A7 and B against sweeps; reads only.

    Args:
        names: a sweep, or several with commas between; None for all that there are, if any.
        every: all sweeps of the storage, said in so many words.
        storage: where run directories stand.

    Returns:
        Every claim, also those that no sweep has data for.

    Raises:
        InputError: there is no such sweep, or both names and `every` are given.
    """
    from results.claims import claims as hold

    if names is None:
        return hold(run_directories(storage_root(storage)))
    if every:
        raise InputError(f"--all: every sweep is read, got the name {names!r} too. Leave one out.")
    return hold(find_sweeps(names, storage=storage))
