"""What a connection for answers is set to: safety first, then what makes answers quick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

__all__ = ["SETTINGS", "SMALL", "suited_to"]

# First what a user's text could otherwise reach without naming a file: Python variables by name,
# extensions fetched on demand, stored secrets. Then the limits. Paths come last, see `lock`.
SETTINGS: Final = (
    "SET TimeZone = 'UTC'",
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET allow_persistent_secrets = false",
    "SET temp_directory = ''",
    # Statistics in files leave NaN out. The files are read so that nothing is skipped for it, see
    # `read_parquet`; but then DuckDB takes NaN for the largest value of every column.
    "SET disabled_optimizers = 'statistics_propagation'",
    "SET parquet_metadata_cache = true",  # Files never change.
)

_SMALL_BYTES: Final = 8_000_000
_FEW_FILES: Final = 16
"""Rows in no more files and bytes than this are read by one thread: sharing costs more there."""

SMALL: Final[Mapping[str, str]] = {
    "threads": "1",
    # Nor does it pay to gather reads, or to keep what was read: a seventh of a curve's time.
    "disable_parquet_prefetching": "true",
    "enable_external_file_cache": "false",
}

_MANY: Final[Mapping[str, str]] = {"disable_parquet_prefetching": "true"}
"""For many files, each of them small: gathering reads costs a tenth there."""


def suited_to(paths: Sequence[str]) -> Mapping[str, str]:
    """Settings that make answers from these files quickest; `SMALL` where none is read."""
    if len(paths) > _FEW_FILES:
        return _MANY
    try:
        small = sum(Path(path).stat().st_size for path in paths) <= _SMALL_BYTES
    except OSError:  # The statement itself will find out what became of the file.
        return {}
    return SMALL if small else {}
