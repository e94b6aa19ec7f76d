"""How many rows stand in a row group of a compacted file."""

import pyarrow.parquet as pq
import pytest

from results.compact import compact
from results.query_merge import group_rows
from tests.results.sweeps import begin, end, plan, write


@pytest.mark.parametrize(
    ("rows", "least"),
    [(0, 20_000), (320_000, 20_000), (800_000, 50_000), (1_600_000, 100_000), (10**8, 100_000)],
)
def test_small_files_have_small_groups(rows, least):
    assert group_rows(rows) == least


def test_the_groups_of_a_file_follow_its_rows(store, monkeypatch):
    monkeypatch.setattr("results.query_merge.FEWEST_GROUP_ROWS", 10)
    plan(store, [{"trial_id": "a"}])
    begin(store, "a")
    write(store, "a", {step: {"m": 0.0} for step in range(400)})
    end(store, "a")
    file = pq.ParquetFile(store.path(compact(store, sweep="s").name))
    assert {file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)} == {25}
