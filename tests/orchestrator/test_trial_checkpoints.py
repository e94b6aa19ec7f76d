"""What an attempt saves, and what the next one makes of it."""

from typing import ClassVar

import pytest

from orchestrator import trial
from orchestrator.checkpoints import CARRIED, Checkpoints
from orchestrator.quantities import Every
from orchestrator.spec import Resources
from results.ledger import Ledger
from tests.orchestrator.attempts import after, files, last_event, totals, trivial
from tests.orchestrator.sweeps import events, rows


class Witness(Checkpoints):
    """Looks at the store whenever a checkpoint is asked for and whenever it is there."""

    seen: ClassVar[list] = []

    def save(self, *, step, **options):
        Witness.seen.append((step, [n.split(".")[-2] for n in self.store.list("metrics/")]))
        return super().save(step=step, **options)


def test_rows_are_durable_before_the_checkpoint_that_rests_on_them(run, store, monkeypatch):
    monkeypatch.setattr(Witness, "seen", [])
    monkeypatch.setattr(trial, "Checkpoints", Witness)
    run(trivial(), checkpoint_every=Every(2, "step"))
    assert Witness.seen == [(2, ["0-2"]), (4, ["0-2", "3-4"])]


@pytest.mark.parametrize(
    ("every", "saved"),
    [
        (Every(1, "step"), [1, 2, 3, 4, 5, 6, 7]),
        (Every(3, "step"), [3, 6]),
        (Every(1, "epoch"), [2, 4, 6]),
        (Every(2, "epoch"), [4]),
        (Every(0.75, "epoch"), [2, 3, 5, 6]),
        (Every(0, "s"), [1, 2, 3, 4, 5, 6, 7]),
        (Every(1, "s"), []),
        (None, []),
    ],
)
def test_checkpoints_come_when_they_are_due(run, store, every, saved):
    run(trivial(steps=7, steps_per_epoch=2), checkpoint_every=every, checkpoint_keep=99)
    names = {name.split("/")[2] for name in files(store, "checkpoints")}
    assert names == {f"a0-{step}" for step in saved}


def test_only_so_many_checkpoints_are_kept(run, store):
    run(trivial(), checkpoint_every=Every(1, "step"), checkpoint_keep=2)
    assert {n.split("/")[2] for n in files(store, "checkpoints")} == {"a0-4", "a0-5"}


@pytest.fixture
def undisturbed(run, tmp_path):
    """The rows of a trial that nothing happened to."""
    run(trivial(), root=tmp_path / "undisturbed" / "t", checkpoint_every=Every(1, "step"))
    return rows(tmp_path / "undisturbed" / "t")


def test_who_is_asked_to_leave_saves_itself_and_the_next_goes_on_from_there(
    run, store, undisturbed
):
    outcome = run(trivial(), asked_to_leave=after(4))
    assert (outcome.status, outcome.failure_class) == ("failed", "preempted")
    assert outcome.detail == "left when asked to; it goes on from its checkpoint."
    assert {n.split("/")[2] for n in files(store, "checkpoints")} == {"a0-3"}
    assert run(trivial()).status == "completed"
    assert last_event(store).attempt == 1
    running = Ledger(store, sweep="t").events()[2]
    assert (running.status, running.resumed_from, running.detail) == ("running", 3, None)
    assert rows(store.root) == undisturbed
    assert files(store, "finals") == ["finals/t/a0.rnew.parquet", "finals/t/a1.r3.0.parquet"]


@pytest.mark.parametrize("looks", [1, 2, 6])
def test_leaving_at_either_end_loses_and_doubles_nothing(run, store, undisturbed, looks):
    run(trivial(), asked_to_leave=after(looks))
    assert run(trivial()).status == "completed"
    assert rows(store.root) == undisturbed


def test_leaving_again_and_again(run, store, undisturbed):
    for _ in range(3):
        run(trivial(), asked_to_leave=after(2))
    assert run(trivial()).status == "completed"
    assert rows(store.root) == undisturbed
    assert [end for *_, end in events(store.root)[1::2]] == ["preempted"] * 3 + [None]


def test_a_failure_after_a_checkpoint_goes_on_from_that_checkpoint(run, store, program):
    folder = program("once", _FAILS_ONCE)
    config = {"kind": "once", "steps": 6, "marker": str(store.root.parent / "marker")}
    first = run(config, kinds=(str(folder),), checkpoint_every=Every(2, "step"))
    assert first.failure_class == "user_error"
    assert run(config, kinds=(str(folder),)).status == "completed"
    assert totals(store) == {step: (1.5 * step).hex() for step in range(7)}
    assert files(store, "metrics")[-1] == "metrics/t/a1.r4.5-6.parquet"


_FAILS_ONCE = """\
if step == 6 and not Path(self.config.marker).exists():
            Path(self.config.marker).touch()
            raise RuntimeError("once")
"""


@pytest.mark.parametrize("damage", ["state.pt", CARRIED])
@pytest.mark.parametrize("how", [b"", b"garbage" * 100, None])
def test_a_damaged_checkpoint_means_a_start_from_nothing(run, store, undisturbed, damage, how):
    run(trivial(), asked_to_leave=after(4))
    file = store.root / "checkpoints" / "t" / "a0-3" / damage
    file.unlink() if how is None else file.write_bytes(how)
    outcome = run(trivial(), resume_from="checkpoints/t/a0-3")
    assert outcome.status == "completed"
    assert rows(store.root) == undisturbed
    running = Ledger(store, sweep="t").events()[2]
    assert running.resumed_from is None
    assert running.detail.startswith("started again from nothing: ")
    assert files(store, "finals")[-1] == "finals/t/a1.rnew.parquet"


def test_a_checkpoint_that_the_program_refuses_goes_and_the_next_start_is_from_nothing(run, store):
    run({"kind": "sleeping", "seconds": 0.0}, asked_to_leave=after(3))
    config = trivial(steps=2)
    refused = run(config, resume_from="checkpoints/t/a0-2")
    assert (refused.failure_class, refused.recorded) == ("storage", True)
    assert files(store, "checkpoints") == []
    assert run(config).status == "completed"
    assert sorted(totals(store)) == [0, 1, 2]


def test_another_number_of_threads_is_that_of_the_checkpoint(run, store):
    run(trivial(), asked_to_leave=after(4), resources=Resources(cpu=2))
    run(trivial(), resources=Resources(cpu=1))
    assert Ledger(store, sweep="t").events()[2].detail is None
