"""What a run says of itself before it begins."""

from __future__ import annotations

import pytest

from orchestrator.cli.progress import RunProgress
from orchestrator.expand import Cell
from orchestrator.planning import Plan, PlannedCell
from orchestrator.resources import Resources


def test_cells_that_a_search_may_still_ask_for_are_to_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cells = [
        Cell(trial_id=id_, grid="all", config={}, metric="loss", resources=Resources())
        for id_ in "abc"
    ]
    plan = Plan("found", tuple(PlannedCell(cell, "kept") for cell in cells), to_come=2)
    RunProgress(bar=None, quiet=False).planned(plan, 2)
    assert "found: 5 cells, 3 done, 2 to run" in capsys.readouterr().err
