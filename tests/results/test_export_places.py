"""Where an export may go, and that it stands there whole or not at all."""

import pandas as pd
import polars as pl
import pytest

import results.export as exporting
from results.errors import StorageError
from tests.results.exports import ENDINGS, exported


def test_an_empty_store_gives_empty_tables(store, tmp_path):
    for output_format in ENDINGS:
        done = exported(store, tmp_path / output_format, output_format)
        assert set(done.rows.values()) == {0}
    assert pl.read_parquet(tmp_path / "parquet" / "metrics.parquet").height == 0
    assert pd.read_csv(tmp_path / "csv" / "metrics.csv").shape == (0, 8)


def test_a_folder_with_something_in_it_is_refused_and_left_alone(filled, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(StorageError, match="a new or empty folder is needed, got one that holds"):
        exported(filled, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_filled(filled, tmp_path):
    (tmp_path / "out").mkdir()
    exported(filled, tmp_path / "out")
    assert (tmp_path / "out" / "metrics.parquet").exists()


def test_a_file_is_refused(filled, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(StorageError, match="a new or empty folder is needed, got a file"):
        exported(filled, tmp_path / "out")


def test_a_place_that_cannot_be_written_is_told_in_one_line(filled, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError) as caught:
        exported(filled, tmp_path / "file" / "out")
    assert str(caught.value).count("\n") == 0
    assert "Choose another with -o" in str(caught.value)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_an_export_that_breaks_off_leaves_nothing(filled, tmp_path, monkeypatch, error):
    def broken(*_arguments, **_values):
        raise error

    monkeypatch.setattr(exporting, "readme", broken)
    with pytest.raises(StorageError if error is OSError else error):
        exported(filled, tmp_path / "there" / "out")
    assert list((tmp_path / "there").iterdir()) == []


def test_while_it_is_written_nothing_stands_at_its_place(filled, tmp_path, monkeypatch):
    seen = []

    def looking(found):
        seen.append([path.name.startswith(".out.") for path in (tmp_path / "there").iterdir()])
        return ""

    monkeypatch.setattr(exporting, "readme", looking)
    exported(filled, tmp_path / "there" / "out")
    assert seen == [[True]]
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["out"]
