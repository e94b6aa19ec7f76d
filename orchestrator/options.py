"""What the command line adds to a sweep file for one run of the driver.

Knows nothing of the driver, nor of the command line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from orchestrator.errors import InputError
from orchestrator.spec import Resources
from orchestrator.spec_load import sentence

__all__ = ["Options"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line adds to a sweep file.

    Attributes:
        cpu: cores of a trial, instead of the file's.
        gpu: devices of a trial, instead of the file's.
        data_dir: folder of the full data sets.
        kinds: folders with the user's kinds, found already.
        only: trials to run; all that are left where empty.
        steal: take the sweep from a driver that may still live.
        on_error: is handed what an inline trial raised, its frames still alive, once its end is
            recorded: a debugger. Nothing is tried again then.
    """

    cpu: float | None = None
    gpu: float | None = None
    data_dir: str | None = None
    kinds: tuple[Path, ...] = ()
    only: tuple[str, ...] = ()
    steal: bool = False
    on_error: Callable[[BaseException], object] | None = None

    @property
    def once(self) -> bool:
        """Whether what fails stays failed."""
        return self.on_error is not None

    def override(self, resources: Resources) -> Resources:
        """The resources of a trial after the command line had its say.

        Raises:
            InputError: no trial can have them.
        """
        given = {k: v for k, v in (("cpu", self.cpu), ("gpu", self.gpu)) if v is not None}
        try:
            return Resources.model_validate(resources.model_dump() | given)
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
            message = f"--cpu and --gpu: {sentence(detail)}"
            raise InputError(message) from None
