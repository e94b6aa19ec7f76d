"""What a damaged checkpoint costs: the steps since the one before it, and no bit of the result."""

import itertools
import json

import pytest
import torch

from orchestrator.attempt import Attempt
from orchestrator.checkpoints import CARRIED, SUMS
from orchestrator.quantities import Every
from orchestrator.trial import run_trial
from results.ledger import Ledger
from results.store import Store
from tests.orchestrator.sweeps import rows

REAL = {
    "task": {"kind": "random_data", "train_size": 64, "validation_size": 64},
    "model": {"kind": "mlp", "hidden": [8]},
    "activation": "noisy_relu",
    "train": {"epochs": 3, "batch_size": 8, "log_every": 1},
    "seed": 3,
}
STEPS = 24


def go(store, *, leave_after=None, keep=1):
    """The next attempt at trial `t`; it leaves after so many looks."""
    ledger, looks = Ledger(store, sweep="t"), itertools.count(1)
    attempt = Attempt(
        root=str(store.root),
        sweep="t",
        trial_id="t",
        number=ledger.attempts("t"),
        config=REAL,
        resume_from=ledger.usable_checkpoint("t"),
        checkpoint_every=Every(4, "step"),
        checkpoint_keep=keep,
    )
    leave = {} if leave_after is None else {"asked_to_leave": lambda: next(looks) > leave_after}
    return run_trial(attempt, **leave)


def measured(store):
    """All rows but those of a clock."""
    return [row for row in rows(store.root) if not row[2].endswith("_s")]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("calm") / "t")
    assert go(store).status == "completed"
    return measured(store)


@pytest.fixture
def left(store):
    """A trial that left behind step 13, with checkpoints of steps 12 and 13."""
    assert go(store, leave_after=13).failure_class == "preempted"
    assert folders(store) == ["a0-12", "a0-13"]
    return store


def folders(store):
    return sorted(path.name for path in (store.root / "checkpoints" / "t").iterdir())


def truncate(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file):
    file.write_bytes(b"")


def flip(share):
    """Flips one bit at a share of the file's length."""

    def damage(file):
        data = bytearray(file.read_bytes())
        data[int(share * (len(data) - 1))] ^= 0x10
        file.write_bytes(data)

    return damage


def remove(file):
    file.unlink()


DAMAGES = [truncate, empty, remove, flip(0.0), flip(0.1), flip(0.4), flip(0.7), flip(1.0)]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["state.pt", CARRIED])
def test_a_damaged_newest_checkpoint_costs_the_steps_since_the_one_before(
    left, undisturbed, name, damage
):
    file = left.root / "checkpoints" / "t" / "a0-13" / name
    damage(file)
    outcome = go(left)
    assert outcome.status == "completed"
    (warning,) = outcome.warnings
    assert warning.startswith(f"went on from step 12: {file}: ")
    running = Ledger(left, sweep="t").events()[2]
    assert (running.status, running.resumed_from, running.detail) == ("running", 12, warning)
    assert measured(left) == undisturbed
    assert "a0-13" not in folders(left)


def test_damaged_digests_are_a_damaged_checkpoint(left, undisturbed):
    truncate(left.root / "checkpoints" / "t" / "a0-13" / SUMS)
    (warning,) = go(left).warnings
    assert SUMS in warning
    assert measured(left) == undisturbed


def test_a_checkpoint_of_before_digests_is_taken_as_it_is(left, undisturbed):
    (left.root / "checkpoints" / "t" / "a0-13" / SUMS).unlink()
    assert go(left).warnings == ()
    assert Ledger(left, sweep="t").events()[2].resumed_from == 13
    assert measured(left) == undisturbed


def test_where_none_is_whole_the_trial_starts_from_nothing(left, undisturbed):
    for name in folders(left):
        flip(0.5)(left.root / "checkpoints" / "t" / name / "state.pt")
    outcome = go(left)
    assert [w.partition(": ")[0] for w in outcome.warnings] == ["started again from nothing"] * 2
    assert measured(left) == undisturbed


def test_one_that_cannot_be_read_now_is_passed_over_and_stays(left, undisturbed):
    folder = left.root / "checkpoints" / "t" / "a0-13"
    (folder / CARRIED).unlink()
    (folder / CARRIED).mkdir()
    sums = json.loads((folder / SUMS).read_text())
    del sums[CARRIED]
    (folder / SUMS).write_text(json.dumps(sums))
    assert go(left, leave_after=1, keep=9).warnings[0].startswith("went on from step 12: ")
    assert "a0-13" in folders(left)
    assert go(left).status == "completed"
    assert measured(left) == undisturbed


def test_a_completed_trial_keeps_what_was_asked_for(left):
    go(left)
    assert folders(left) == ["a1-20"]


def test_a_program_that_refuses_its_checkpoint_gets_the_one_before(left, undisturbed):
    file = left.root / "checkpoints" / "t" / "a0-13" / "state.pt"
    content = torch.load(file, weights_only=True)
    content["parts"]["model"].popitem()
    torch.save(content, file)
    (file.parent / SUMS).unlink()
    assert go(left).failure_class == "storage"
    assert go(left).status == "completed"
    assert [e.resumed_from for e in Ledger(left, sweep="t").events()[2::2]] == [13, 12]
    assert measured(left) == undisturbed
