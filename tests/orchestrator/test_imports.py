"""The collector rests while what is slow is imported, and only then."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from orchestrator.collector import collector_rests
from orchestrator.imports import heavy_imports


@pytest.fixture(autouse=True)
def at_work():
    gc.enable()
    yield
    gc.enable()


def test_the_collector_rests_inside_and_works_afterwards():
    with heavy_imports("a_module_that_nobody_has"):
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_what_is_loaded_already_changes_nothing():
    with heavy_imports("sys"):
        assert gc.isenabled()


def test_it_works_again_when_the_import_fails():
    with pytest.raises(ImportError), heavy_imports("a_module_that_nobody_has"):
        import a_module_that_nobody_has  # noqa: F401
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    with heavy_imports("a_module_that_nobody_has"):
        pass
    assert not gc.isenabled()


def test_a_process_that_asked_duckdb_ends_without_a_complaint():
    text = (
        "from orchestrator.imports import heavy_imports\n"
        "with heavy_imports('duckdb'):\n    import duckdb\n"
        "duckdb.sql('SELECT 1').to_arrow_table()\n"
    )
    ended = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_blocks_of_two_threads_end_in_any_order():
    first, second = collector_rests(), collector_rests()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not gc.isenabled()
    second.__exit__(None, None, None)
    assert gc.isenabled()
