"""The questions that come with the package: one SELECT each in `sql/reports/<name>.sql`.

Runs nothing: what is in a file goes the way of any text of a user.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from results.errors import QueryError
from results.query_gate import nearest

__all__ = ["Named", "load", "names"]

_REPORTS = Path(__file__).with_name("sql") / "reports"


@dataclass(frozen=True, slots=True)
class Named:
    """A question with a name.

    Attributes:
        name: the file's, without its ending.
        title: what it answers, the first sentence of the file's opening comment.
        text: the file, comments included.
    """

    name: str
    title: str
    text: str


def names() -> list[str]:
    """All names, in alphabetical order."""
    return sorted(path.stem for path in _REPORTS.glob("*.sql"))


def load(name: str) -> Named:
    """The question of that name; `-` and `_` are the same.

    Raises:
        QueryError: there is none.
    """
    wanted = name.replace("-", "_")
    if wanted not in names():
        raise QueryError(
            f"sql: a query must have one of the names that exist, got {name!r}. "
            f"{nearest(wanted, names())} `cliffsweep sql --queries` lists them."
        )
    text = (_REPORTS / f"{wanted}.sql").read_text(encoding="utf-8")
    return Named(wanted, _title(text), text)


def _title(text: str) -> str:
    """The first sentence of the opening comment, in one line."""
    comment = takewhile(lambda line: line.startswith("--"), text.splitlines())
    words = " ".join(" ".join(line.removeprefix("--").split()) for line in comment)
    return re.split(r"(?<=[.?]) ", words, maxsplit=1)[0].rstrip(".")
