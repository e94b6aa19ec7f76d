"""Says where run directories stand: a folder, or a prefix of a bucket.

Knows nothing of what is there, nor how it is reached.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

__all__ = ["SCHEMES", "Place", "Url", "absolute", "is_url", "place"]

SCHEMES = ("s3",)
"""What may stand before `://`; each is a file in `results/backends/`."""

_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]{1,254})(?P<path>(?:/.*)?)"
)


@dataclass(frozen=True, slots=True)
class Url:
    """A bucket, or a prefix in it, such as `s3://lab/sweeps`; it has what a `Path` has of names.

    Attributes:
        scheme: before `://`.
        bucket: the bucket's name.
        parts: names between the slashes behind it.
    """

    scheme: str
    bucket: str
    parts: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Url:
        """Reads a URL.

        Raises:
            ValueError: it is none of ours.
        """
        match = _URL.fullmatch(text)
        if match is None or match["scheme"] not in SCHEMES or re.search(r"[?#\s\\]", text):
            known = ", ".join(f"{scheme}://bucket/prefix" for scheme in SCHEMES)
            raise ValueError(f"a folder or {known} is needed, got {_bare(text)!r}.")
        parts = tuple(part for part in match["path"].split("/") if part)
        if {".", ".."}.intersection(parts):
            raise ValueError(f"a prefix of plain names is needed, got {text!r}.")
        return cls(match["scheme"], match["bucket"], parts)

    @property
    def prefix(self) -> str:
        """What stands behind the bucket, without slashes around it."""
        return "/".join(self.parts)

    @property
    def name(self) -> str:
        """The last name."""
        return self.parts[-1] if self.parts else self.bucket

    @property
    def parent(self) -> Url:
        """One name less."""
        return Url(self.scheme, self.bucket, self.parts[:-1])

    def resolve(self) -> Url:
        """Itself: nothing in a bucket leads elsewhere."""
        return self

    def __truediv__(self, name: str | os.PathLike[str]) -> Url:
        return Url(self.scheme, self.bucket, (*self.parts, *os.fspath(name).split("/")))

    def __str__(self) -> str:
        return f"{self.scheme}://{'/'.join((self.bucket, *self.parts))}"


Place: TypeAlias = Path | Url
"""Where something lies that is no stored name."""


def is_url(text: str) -> bool:
    """Whether a text is meant as a URL and not as a folder."""
    return "://" in text


def place(given: str | os.PathLike[str] | Url) -> Place:
    """The place that a text names; a folder as it was written.

    Raises:
        ValueError: a URL that is none of ours.
    """
    if isinstance(given, Url):
        return given
    text = os.fspath(given)
    return Url.parse(text) if is_url(text) else Path(text)


def absolute(given: str | os.PathLike[str] | Url) -> Place:
    """As `place`, whatever the working directory is later.

    Raises:
        ValueError: a URL that is none of ours.
    """
    found = place(given)
    return found.absolute() if isinstance(found, Path) else found


def _bare(text: str) -> str:
    """A URL without what stands before `@`, which may be a secret."""
    return re.sub(r"//[^/]*@", "//…@", text)
