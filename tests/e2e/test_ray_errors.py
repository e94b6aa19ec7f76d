"""What goes wrong in the driver while Tune runs is told in its own words, not in Tune's."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import actions
from results.errors import StorageError
from tests.e2e.conftest import KINDS

ONE = """\
version: 1
name: one
workload: {kind: trivial}
"""


class Full:
    """A listener whose disk is full at a given moment."""

    def __init__(self, moment: str) -> None:
        self.moment = moment

    def __getattr__(self, name: str) -> object:
        def hear(*arguments: object) -> None:
            if name == self.moment:
                raise StorageError(f"{name}: a disk with room is needed, got a full one.")

        return hear


@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("moment", ["started", "ended"])
def test_a_full_disk_met_by_the_driver_is_told_as_such(tmp_path: Path, moment: str) -> None:
    file = tmp_path / "one.yaml"
    file.write_text(ONE)
    with pytest.raises(StorageError, match=f"^{moment}: a disk with room"):
        actions.run(file, storage=str(tmp_path), kinds=[str(KINDS)], listener=Full(moment))
    assert actions.resume("one", storage=str(tmp_path)).counts == {"completed": 1}
