"""What tasks have in common whose samples come from files in the folder of data.

Must never know what is in those files.
"""

from abc import ABC
from pathlib import Path

from pydantic import Field

from workloads.data.files import DataError
from workloads.tasks import Task

__all__ = ["FromFolder"]


class FromFolder(Task, ABC):
    """A task of as many samples as its fields say, which its files must hold."""

    train_size: int = Field(ge=1, description="training samples")
    validation_size: int = Field(ge=1, description="validation samples")

    @property
    def samples(self) -> tuple[int, int]:
        """The sizes."""
        return self.train_size, self.validation_size

    def check(self, data_dir: Path | None = None) -> None:
        """Raises DataError where files are missing, wrong or too few."""
        self.build(data_dir, seed=0)

    def within(self, data_dir: Path | None, *, holds: str) -> Path:
        """Returns the folder of data.

        Args:
            data_dir: It, or None.
            holds: What is to be found in it, for the message.

        Raises:
            DataError: There is none.
        """
        if data_dir is None:
            raise DataError(
                f"task.{self.kind}: needs a folder of data, got none."
                f" Name the one that holds {holds} with --data."
            )
        return data_dir
