"""Refuses symbolic links in a run directory: what is read, written or removed there lies there.

Knows nothing of what the files mean. The run directory itself, and the folders above it, may be
links: where a sweep lies is its owner's choice.
"""

from __future__ import annotations

import os
from pathlib import Path

from results.errors import StorageError
from results.place import Place

__all__ = ["linked", "refuse_links"]


def linked(path: str | os.PathLike[str]) -> StorageError:
    """The error for a link that was met."""
    target = Path(path)
    try:
        leads = f"one to {target.readlink()}"
    except OSError:
        leads = "one"
    return StorageError(
        f"{target}: a run directory holds no symbolic links, got {leads}."
        " Put there what it leads to, or delete the link.",
        path=target,
    )


def refuse_links(root: Place) -> None:
    """Looks at what lies directly in a run directory; what lies deeper is refused when listed.

    Raises:
        StorageError: one of its files or folders is a link, or it cannot be listed.
    """
    if not isinstance(root, Path):
        return  # A bucket has none.
    try:
        with os.scandir(root) as entries:
            for entry in entries:
                if entry.is_symlink():
                    raise linked(entry.path)
    except (FileNotFoundError, NotADirectoryError):
        return  # Whoever needs it says so.
    except OSError as error:
        raise StorageError.from_os("list", root, error) from error
