"""What can go wrong between a sweep and its files, each told in one line.

ResultsError
├── StorageError    a file could not be written, read or deleted (full, read-only, unreachable)
├── SchemaError     a file is damaged, or is not one of ours
│   └── NewerSchemaError    a file was written by a newer version
├── QueryError      a SQL statement was refused or failed
│   └── LimitError  it passed a limit of memory, time or rows
│       └── MemoryLimitError    of memory
└── ReportError     a picture or a report could not be made

Knows nothing of which command met the error, nor of exit codes.
"""

from __future__ import annotations

import errno

from results.place import Place

__all__ = [
    "LimitError",
    "MemoryLimitError",
    "NewerSchemaError",
    "QueryError",
    "ReportError",
    "ResultsError",
    "SchemaError",
    "StorageError",
]

_REMEDIES = {
    errno.ENOSPC: "Free some space there, then resume.",
    errno.EDQUOT: "Your quota is used up: free some space there, then resume.",
    errno.EROFS: "The file system is read-only: choose another folder with --storage.",
    errno.EACCES: "Give yourself permission there, or choose another folder with --storage.",
    errno.EPERM: "Give yourself permission there, or choose another folder with --storage.",
    errno.ENOTDIR: "A file stands where a folder is needed: move it, or choose another --storage.",
    errno.EISDIR: "A folder stands where a file is needed: move it, or choose another --storage.",
    errno.ENOENT: "Check the path; the folder may have been removed while the sweep ran.",
    errno.ENAMETOOLONG: "Choose a shorter folder with --storage or a shorter sweep name.",
}


class ResultsError(Exception):
    """Base of every error that `results` raises on purpose; its text is one line."""


class StorageError(ResultsError):
    """A file could not be written, read or deleted.

    Attributes:
        path: the file, folder or URL concerned, None where there is no single one.
    """

    def __init__(self, message: str, *, path: Place | None = None) -> None:
        super().__init__(message)
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments get lost by the default pickling, and workers send errors home.
        return (_storage_error, (str(self), self.path))

    @classmethod
    def from_os(cls, action: str, path: Place, error: OSError) -> StorageError:
        """Says which file could not be written, why, and what helps.

        Args:
            action: what was tried, as a verb ("write", "read", "delete", "list").
            path: the file it was tried on.
            error: what the operating system answered.
        """
        why = error.strerror or type(error).__name__
        remedy = _REMEDIES.get(error.errno or 0, "Check that storage, then resume.")
        return cls(f"{path}: cannot {action} it, {why.lower()}. {remedy}", path=path)


def _storage_error(message: str, path: Place | None) -> StorageError:
    return StorageError(message, path=path)


class SchemaError(ResultsError):
    """A file is damaged, or is not one of ours."""


class NewerSchemaError(SchemaError):
    """A file was written by a newer version, whose columns may mean something else."""


class QueryError(ResultsError):
    """A SQL statement was refused or failed."""


class LimitError(QueryError):
    """A SQL statement passed a limit of memory, time or rows; nothing of its answer is kept."""


class MemoryLimitError(LimitError):
    """A SQL statement needs more memory than it may use."""


class ReportError(ResultsError):
    """A picture or a report could not be made."""
