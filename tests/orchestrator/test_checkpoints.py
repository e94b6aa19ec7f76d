"""A checkpoint appears whole or not at all, and only the newest stay."""

from pathlib import Path

import pytest

from orchestrator.checkpoints import CARRIED, Checkpoints
from results.errors import StorageError
from results.ledger import Ledger
from results.store import Store


@pytest.fixture
def checkpoints(store):
    return Checkpoints(store, trial_id="t")


def save(checkpoints, attempt, step, *, fill=lambda folder: None):
    return checkpoints.save(attempt=attempt, step=step, fill=fill, carried=b"carried")


def names(store):
    """Checkpoints as everybody sees them."""
    return sorted({name.split("/")[2] for name in store.list("checkpoints/t/")})


def everything(store):
    return sorted(path.name for path in (store.root / "checkpoints" / "t").iterdir())


def test_a_checkpoint_is_a_folder_with_what_was_put_in_and_what_is_carried(checkpoints, store):
    name = save(checkpoints, 0, 12, fill=lambda folder: (folder / "state.pt").write_bytes(b"state"))
    assert name == "checkpoints/t/a0-12"
    folder, carried = checkpoints.open(name)
    assert (folder / "state.pt").read_bytes() == b"state"
    assert carried == b"carried"
    assert everything(store) == ["a0-12"]


def test_nobody_sees_one_that_is_being_written(checkpoints, store):
    seen = []
    save(checkpoints, 0, 1, fill=lambda folder: seen.append((names(store), everything(store))))
    ((visible, (hidden,)),) = seen
    assert visible == []
    assert hidden.startswith(".a0-1.")


@pytest.mark.parametrize("error", [RuntimeError("x"), KeyboardInterrupt()])
def test_one_that_fails_leaves_nothing(checkpoints, store, error):
    def fill(folder):
        (folder / "half").write_bytes(b"half")
        raise error

    with pytest.raises(type(error)):
        save(checkpoints, 0, 1, fill=fill)
    assert everything(store) == []


def test_a_full_disk_is_a_failure_of_storage(checkpoints, store):
    def fill(folder):
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match="a0-1: cannot write it, no space left on device"):
        save(checkpoints, 0, 1, fill=fill)
    assert everything(store) == []


def test_a_folder_that_cannot_be_made_is_a_failure_of_storage(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="A file stands where a folder is needed"):
        save(Checkpoints(Store(tmp_path / "file"), trial_id="t"), 0, 1)


def test_one_that_exists_is_never_written_over(checkpoints):
    save(checkpoints, 0, 1)
    with pytest.raises(StorageError):
        save(checkpoints, 0, 1)
    assert checkpoints.open("checkpoints/t/a0-1")[1] == b"carried"


def test_opening_what_is_not_there(checkpoints):
    with pytest.raises(StorageError, match="cannot read it"):
        checkpoints.open("checkpoints/t/a0-1")


@pytest.mark.parametrize(
    ("keep", "left"),
    [(1, ["a2-3"]), (2, ["a1-30", "a2-3"]), (9, ["a0-100", "a0-9", "a1-30", "a2-3"])],
)
def test_the_newest_stay_by_attempt_and_step(checkpoints, store, keep, left):
    for attempt, step in ((1, 30), (0, 9), (2, 3), (0, 100)):
        save(checkpoints, attempt, step)
    checkpoints.prune(keep=keep)
    assert names(store) == left
    assert everything(store) == left


def test_pruning_leaves_alone_what_is_no_checkpoint(checkpoints, store):
    save(checkpoints, 0, 1)
    (store.root / "checkpoints" / "t" / "notes").mkdir()
    checkpoints.prune(keep=1)
    assert everything(store) == ["a0-1", "notes"]


def test_pruning_where_there_is_nothing(checkpoints, store):
    checkpoints.prune(keep=1)
    assert store.list() == []


def test_one_that_cannot_be_used_goes_and_its_going_twice_is_harmless(checkpoints, store):
    for step in (1, 2):
        save(checkpoints, 0, step)
    checkpoints.discard("checkpoints/t/a0-2")
    checkpoints.discard("checkpoints/t/a0-2")
    assert everything(store) == ["a0-1"]


def _half_written(store, attempt):
    folder = store.root / "checkpoints" / "t" / f".a{attempt}-7.12-0123abcd.half"
    folder.mkdir(parents=True)
    (folder / CARRIED).write_bytes(b"half")


def test_what_a_dead_process_left_half_written_is_never_used(checkpoints, store):
    _half_written(store, 0)
    assert Ledger(store, sweep="t").usable_checkpoint("t") is None
    assert names(store) == []


def test_what_a_dead_process_left_half_written_goes_with_the_next_attempt(checkpoints, store):
    _half_written(store, 0)
    _half_written(store, 1)
    save(checkpoints, 1, 8)
    checkpoints.prune(keep=1)
    assert everything(store) == [".a1-7.12-0123abcd.half", "a1-8"]


def test_what_is_half_written_does_not_keep_the_store_from_being_tidied(checkpoints, store):
    _half_written(store, 0)
    store.tidy(before=4e9)
    assert Ledger(store, sweep="t").sweep_superseded() == []


def test_a_folder_that_cannot_be_listed_is_told_by_its_name(store):
    store.put("checkpoints/other", b"")
    with pytest.raises(StorageError, match="cannot list it, file name too long"):
        Checkpoints(store, trial_id="t" * 300).prune(keep=1)


def test_halves_that_a_storage_in_trouble_does_not_name_cost_no_trial(
    checkpoints, store, monkeypatch
):
    _half_written(store, 0)
    save(checkpoints, 1, 8)

    def trouble(*arguments):
        raise TimeoutError(110, "Connection timed out")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "glob", trouble)
        checkpoints.prune(keep=1)
    checkpoints.prune(keep=1)
    assert everything(store) == ["a1-8"]
