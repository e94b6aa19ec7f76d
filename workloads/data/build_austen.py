"""Rebuilds the shipped novels: `python -m workloads.data.build_austen [--source DATABASE]`.

Must never know how the text is split or tokenized.

Source: the R package janeaustenr 1.0.0, Debian package `r-cran-janeaustenr`, whose lazy-load
database holds six novels by Jane Austen as lines of UTF-8. The lines are joined with a line feed
and the novels, in the order of their names, with a form feed. Needs neither R nor root:
`apt-get download r-cran-janeaustenr && dpkg-deb -x r-cran-janeaustenr_*.deb austen`, then
`--source austen/usr/lib/R/site-library/janeaustenr/data/Rdata`.
"""

import argparse
import lzma
from pathlib import Path

from workloads.data.files import verify
from workloads.data.rdata import read_strings

__all__ = ["FILE", "NOVELS", "REBUILD", "SHA256", "build"]

FILE = Path(__file__).parent / "austen" / "austen.txt.xz"
REBUILD = "Reinstall, or rebuild it with: python -m workloads.data.build_austen"
SHA256 = "c4572e8622f440069b39e0c183cc43579a25689e3714bdfa23290716a8a2bc5f"
NOVELS = (
    "emma",
    "mansfieldpark",
    "northangerabbey",
    "persuasion",
    "prideprejudice",
    "sensesensibility",
)
_SOURCE = Path("/usr/lib/R/site-library/janeaustenr/data/Rdata")


def build(source: Path, *, file: Path = FILE) -> None:
    """Writes the text file, 1.1 MB of xz.

    Args:
        source: Lazy-load database, a path without `.rdx`.
        file: Where to write.

    Raises:
        DataError: The source holds another text than the one that ships.
    """
    novels = read_strings(source)
    text = b"\f".join(b"\n".join(novels[name]) for name in NOVELS)
    verify(text, path=source, expected=SHA256, rebuild="Use janeaustenr 1.0.0.")
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(lzma.compress(text, preset=9 | lzma.PRESET_EXTREME))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Rebuild the shipped novels.")
    parser.add_argument("--source", type=Path, default=_SOURCE, help="database without .rdx")
    build(parser.parse_args().source)
