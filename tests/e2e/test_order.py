"""The order of cells changes no bit of any of them."""

from __future__ import annotations

from pathlib import Path

from orchestrator import actions
from tests.e2e.conftest import rows


def test_shuffled_cells_give_the_same_bits(sweep_file: Path) -> None:
    text = sweep_file.read_text()
    folder = sweep_file.parent
    kept = {}
    for order in ("as_written", "shuffled"):
        file = folder / f"{order}.yaml"
        file.write_text(f"{text}order: {order}\n")
        actions.run(file, storage=str(folder / order), runner="inline")
        begun = actions.sql(
            "two_cells",
            "SELECT trial_id FROM events WHERE status = 'running' ORDER BY ts",
            storage=str(folder / order),
        )
        kept[order] = (rows(folder / order / "two_cells"), begun.to_pylist())
    assert kept["as_written"][0] == kept["shuffled"][0]
    assert kept["as_written"][1] != kept["shuffled"][1]
