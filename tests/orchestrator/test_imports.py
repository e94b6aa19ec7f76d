"""The collector rests while what is slow is imported, and only then."""

from __future__ import annotations

import gc
import sys

import pytest

from orchestrator.imports import heavy_imports


@pytest.fixture(autouse=True)
def thawed():
    yield
    gc.unfreeze()
    gc.enable()


def test_the_collector_rests_inside_and_works_afterwards():
    with heavy_imports("a_module_that_nobody_has"):
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_what_is_loaded_already_freezes_nothing():
    before = gc.get_freeze_count()
    with heavy_imports("sys"):
        assert gc.isenabled()
    assert gc.get_freeze_count() == before
    assert "sys" in sys.modules


def test_a_collector_that_was_off_stays_off_even_when_the_import_fails():
    gc.disable()
    with pytest.raises(ImportError), heavy_imports("a_module_that_nobody_has"):
        import a_module_that_nobody_has  # noqa: F401
    assert not gc.isenabled()
