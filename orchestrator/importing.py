"""The verb import: sweep definitions of other tools as sweep files of ours.

Must never run what they describe, nor ask a service about it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import InputError
from orchestrator.spec_yaml import read_yaml
from workloads.kinds import names

if TYPE_CHECKING:
    from orchestrator.importers._draft import Draft

__all__ = ["Imported", "formats", "import_sweep"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A sweep file of ours made of another tool's.

    Attributes:
        name: of the sweep.
        text: the file.
        left: what has no equivalent, sentences that are also comments of the text.
    """

    name: str
    text: str
    left: tuple[str, ...]


def formats() -> list[str]:
    """Names of the formats; each is a file of `orchestrator/importers`."""
    return names("orchestrator.importers")


def import_sweep(format_name: str, path: str | Path) -> Imported:
    """Turns a sweep definition of another tool into a sweep file of ours, over `command`.

    Args:
        format_name: one of `formats()`.
        path: the file.

    Raises:
        InputError: there is no such format or file, or it is no definition of that format.
        SpecError: the file is not YAML.
    """
    from orchestrator.importers._text import text_of

    known = formats()
    if format_name not in known:
        raise InputError(
            f"import: a format that is known, got {format_name!r}. Known: {', '.join(known)}."
        )
    file = Path(path)
    try:
        data = file.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"{path}: a file is needed, got '{reason}'. Check the path.") from None
    values = read_yaml(data, source=str(path)).values
    if not isinstance(values, dict):
        raise InputError(f"{path}: a mapping of keys is needed, got {type(values).__name__}.")
    read: Callable[..., Draft] = import_module(f"orchestrator.importers.{format_name}").read
    try:
        draft = read(values, stem=file.stem)
        text = text_of(draft, source=file.name, format_name=format_name)
    except (InputError, ValueError) as error:
        raise InputError(f"{path}: {error}") from None
    return Imported(name=draft.name, text=text, left=tuple(draft.left))
