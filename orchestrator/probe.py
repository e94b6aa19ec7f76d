"""Finds out before anything runs whether a storage is one: conditions hold, every node sees it.

Knows nothing of how a node is reached; whoever starts workers asks each of them for `look`.
"""

from __future__ import annotations

import secrets
from typing import Final

from results.errors import ResultsError, StorageError
from results.place import Place, Url
from results.store import Store

__all__ = ["Probe", "check_conditions", "look", "opened"]

_FOLDER: Final = "control"


def opened(root: Place) -> Store:
    """A run directory that is about to be written; a distant one is tried first.

    Raises:
        StorageError: it cannot be reached, or keeps no conditions.
    """
    store = Store(root)
    if isinstance(root, Url):
        check_conditions(store)
    return store


def check_conditions(store: Store) -> None:
    """Creates a file twice; all that keeps two workers from one trial rests on the second refusal.

    Raises:
        StorageError: it cannot be written, or takes what is created twice.
    """
    name = f"{_FOLDER}/conditions-{secrets.token_hex(8)}"
    try:
        if not store.create(name, b"1", sync="none") or store.create(name, b"2", sync="none"):
            raise StorageError(
                f"{store.root}: a file is created once, got twice. That service knows no"
                " conditional writes (If-None-Match): choose another storage.",
                path=store.root,
            )
    finally:
        store.delete(name)


class Probe:
    """A file that the driver writes and every node is to find.

    Attributes:
        root: the run directory.
        name: of the file.
        content: what it holds, so that another folder of the same path is told apart.
    """

    def __init__(self, root: str) -> None:
        """Names the file; nothing is written yet."""
        self.root = root
        self.name = f"{_FOLDER}/probe-{secrets.token_hex(8)}"
        self.content = secrets.token_hex(16)

    def __enter__(self) -> Probe:
        Store(self.root).put(self.name, self.content.encode(), sync="none")
        return self

    def __exit__(self, *error: object) -> None:
        Store(self.root).delete(self.name)


def look(root: str, name: str, content: str) -> str | None:
    """Says why this machine does not see the run directory that the driver does; None if it does.

    Args:
        root: the run directory, as the driver names it.
        name: of the file that the driver wrote there.
        content: what it holds.
    """
    try:
        seen = Store(root).read(name)
    except ResultsError as error:
        return str(error)
    if seen.decode(errors="replace") != content:
        return f"{root}: must be the driver's folder, got another one of the same name."
    return None
