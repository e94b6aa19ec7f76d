"""What is no storage for all of a sweep's machines is found out before anything runs there."""

import pytest

from orchestrator.attempt import Attempt
from orchestrator.probe import Probe, check_conditions, look
from orchestrator.worker import in_worker
from results.errors import StorageError
from results.store import Store


def test_who_sees_the_file_has_nothing_to_say_and_it_goes(store):
    with Probe(str(store.root)) as probe:
        assert look(probe.root, probe.name, probe.content) is None
    assert store.list() == []


def test_who_does_not_see_it_says_why(store, tmp_path):
    with Probe(str(store.root)) as probe:
        elsewhere = str(tmp_path / "elsewhere")
        assert "no such file" in look(elsewhere, probe.name, probe.content)
        Store(elsewhere).put(probe.name, b"another driver's")
        assert "got another one of the same name" in look(elsewhere, probe.name, probe.content)


def test_a_folder_keeps_conditions(store):
    check_conditions(store)
    assert store.list() == []


def test_a_storage_that_creates_twice_is_none(store, monkeypatch):
    monkeypatch.setattr(store, "create", lambda name, data, sync: True)
    with pytest.raises(StorageError, match="a file is created once, got twice"):
        check_conditions(store)


def test_a_worker_that_does_not_see_the_drivers_folder_runs_nothing_there(tmp_path):
    root = tmp_path / "runs" / "t"
    attempt = Attempt(root=str(root), sweep="t", trial_id="x", number=0, config={})
    with pytest.raises(StopIteration) as ended:
        next(in_worker(attempt))
    outcome = ended.value.value
    assert (outcome.status, outcome.failure_class, outcome.recorded) == ("failed", "storage", False)
    assert "every node sees the driver's run directory" in outcome.detail
    assert not root.exists()
