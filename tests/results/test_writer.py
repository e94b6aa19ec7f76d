"""The promises in the docstring of `results.writer.Writer`."""

import errno
import math
import os
import threading

import pytest

from results.errors import SchemaError, StorageError
from results.finals import Finals
from results.schema import FINALS, METRICS, decode
from results.store import Store
from results.writer import Writer


def _writer(store, clock, **settings):
    settings = {"attempt": 0, "every_s": 3600.0, **settings}
    return Writer(store, sweep="s", trial_id="t", clock=clock, **settings)


def _rows(store, name):
    return decode(store.read(name), kind="metrics", where=name).to_pylist()


def _finals(store, name):
    rows = decode(store.read(name), kind="finals", where=name).to_pylist()
    return {(row["layer"], row["name"]): row for row in rows}


def test_rows_as_written(store, clock):
    with _writer(store, clock) as writer:
        writer.write(0, {"loss": 2.5, "accuracy": 0.1}, {"b": {"drift_z": 0.0}, "a": {"z": 1.0}})
        clock.forward(0.5)
        writer.write(7, {"loss": math.nan}, {"a": {"z": -math.inf}})
    (name,) = store.list("metrics/")
    assert name == "metrics/t/a0.rnew.0-7.parquet"
    table = decode(store.read(name), kind="metrics", where=name)
    assert table.schema == METRICS
    found = [
        (row["name"], row["step"], row["layer"], str(row["value"])) for row in _rows(store, name)
    ]
    assert found == [
        ("accuracy", 0, None, "0.1"),
        ("drift_z", 0, "b", "0.0"),
        ("loss", 0, None, "2.5"),
        ("loss", 7, None, "nan"),
        ("z", 0, "a", "1.0"),
        ("z", 7, "a", "-inf"),
    ]
    row = _rows(store, name)[3]
    assert (row["sweep"], row["trial_id"], row["attempt"]) == ("s", "t", 0)
    assert row["ts"].timestamp() == clock.now


def test_steps_without_values_leave_no_rows(store, clock):
    with _writer(store, clock) as writer:
        writer.write(0)
        writer.write(1, {}, {"a": {}})
    assert store.list() == []


@pytest.mark.parametrize("step", [3, 2, -1])
def test_steps_must_increase(store, clock, step):
    writer = _writer(store, clock)
    writer.write(3, {"loss": 1.0})
    with pytest.raises(ValueError, match=f"steps must increase, got {step} after 3"):
        writer.write(step, {"loss": 1.0})


def test_a_resumed_attempt_goes_on_behind_its_checkpoint(store, clock):
    writer = _writer(store, clock, attempt=1, resumed_from=5)
    with pytest.raises(ValueError, match="got 5 after 5"):
        writer.write(5, {"loss": 1.0})
    writer.write(6, {"loss": 1.0})
    writer.close()
    assert store.list("metrics/") == ["metrics/t/a1.r5.6-6.parquet"]


def test_a_closed_writer_takes_no_rows(store, clock):
    writer = _writer(store, clock)
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match="closed writer"):
        writer.write(0, {"loss": 1.0})


def test_a_value_that_is_no_number_keeps_the_step_out(store, clock):
    with _writer(store, clock) as writer:
        with pytest.raises(TypeError):
            writer.write(0, {"loss": 1.0, "note": "text"})
        writer.write(0, {"loss": 2.0})
    (name,) = store.list("metrics/")
    assert [row["value"] for row in _rows(store, name)] == [2.0]


def test_flush_is_durable_and_folds_supersede(store, clock):
    writer = _writer(store, clock, fold_at=3)
    for step in range(7):
        writer.write(step, {"loss": float(step)})
        writer.flush()
    writer.flush()
    assert "metrics/t/a0.rnew.0-2.parquet" in store.list()
    assert "metrics/t/a0.rnew.3-5.parquet" in store.list()
    writer.write(7, {"loss": 7.0})
    writer.close()
    assert [row["value"] for row in _rows(store, "metrics/t/a0.rnew.0-7.parquet")] == list(range(8))


def test_superseded_files_go_after_a_minute_by_the_writers_hand(store, clock):
    writer = _writer(store, clock, fold_at=2)
    for step in range(2):
        writer.write(step, {"loss": 1.0})
        writer.flush()
    clock.forward(59.0)
    writer.write(2, {"loss": 1.0})
    writer.flush()
    assert "metrics/t/a0.rnew.1-1.parquet" in store.list()
    clock.forward(1.0)
    writer.write(3, {"loss": 1.0})
    writer.close()
    assert store.list("metrics/") == [
        "metrics/t/a0.rnew.0-1.parquet",
        "metrics/t/a0.rnew.0-3.parquet",
        "metrics/t/a0.rnew.2-2.parquet",
    ]


def test_finals_say_what_they_do_with_nan(store, clock):
    with _writer(store, clock) as writer:
        for step, value in enumerate([3.0, 1.0, math.inf, math.nan]):
            writer.write(step, {"loss": value, "never": math.nan}, {"a": {"z": -value}})
            if step == 1:
                writer.flush()
        writer.write(9, {"accuracy": 0.5})
    rows = _finals(store, "finals/t/a0.rnew.parquet")
    assert list(rows) == [(None, "accuracy"), (None, "loss"), (None, "never"), ("a", "z")]
    loss = rows[None, "loss"]
    assert (loss["step"], loss["count"], loss["minimum"], loss["maximum"]) == (3, 4, 1.0, math.inf)
    assert math.isnan(loss["last"])
    assert rows["a", "z"]["minimum"] == -math.inf
    assert math.isnan(rows[None, "never"]["minimum"])
    assert rows[None, "accuracy"]["step"] == 9
    name = "finals/t/a0.rnew.parquet"
    assert decode(store.read(name), kind="finals", where=name).schema == FINALS


def test_a_resumed_attempt_carries_its_finals_on(store, clock):
    first = _writer(store, clock)
    first.write(0, {"loss": 9.0, "once": 1.0})
    first.write(4, {"loss": 5.0})
    checkpoint = first.carried()
    assert store.list("metrics/") == ["metrics/t/a0.rnew.0-4.parquet"]
    first.write(5, {"loss": 0.0})  # Lies behind the checkpoint: the next attempt does it again.
    first.flush()
    with _writer(store, clock, attempt=1, resumed_from=4, carried=checkpoint) as second:
        second.write(6, {"loss": 4.0})
    rows = _finals(store, "finals/t/a1.r4.0.parquet")
    loss = rows[None, "loss"]
    assert (loss["last"], loss["minimum"], loss["maximum"], loss["count"]) == (4.0, 4.0, 9.0, 3)
    assert rows[None, "once"]["attempt"] == 1


def test_finals_that_cannot_be_complete_are_not_written(store, clock):
    with _writer(store, clock, attempt=1, resumed_from=4) as writer:
        writer.write(6, {"loss": 4.0})
    assert store.list("finals/") == []


def test_damaged_accumulators_are_refused(store, clock):
    with pytest.raises(SchemaError, match="carried finals"):
        _writer(store, clock, attempt=1, resumed_from=1, carried=b"nonsense")
    assert len(Finals()) == 0


def test_the_background_flushes_by_itself(store, clock):
    stored = threading.Event()

    class Signalling(Store):
        def put(self, name, data, **settings):
            super().put(name, data, **settings)
            stored.set()

    writer = _writer(Signalling(store.root), clock, every_s=0.001)
    writer.write(0, {"loss": 1.0})
    assert stored.wait(30)
    assert store.list("metrics/") == ["metrics/t/a0.rnew.0-0.parquet"]
    writer.close()


class Full(Store):
    """A disk without space until it is told otherwise."""

    def __init__(self, root):
        super().__init__(root)
        self.full = True
        self.refused = threading.Event()

    def put(self, name, data, **settings):
        if self.full:
            self.refused.set()
            error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise StorageError.from_os("write", self.path(name), error)
        super().put(name, data, **settings)


def test_rows_of_a_failed_flush_are_kept(store, clock):
    disk = Full(store.root)
    writer = _writer(disk, clock)
    writer.write(0, {"loss": 1.0})
    with pytest.raises(StorageError, match="Free some space"):
        writer.flush()
    writer.write(1, {"loss": 2.0})
    with pytest.raises(StorageError):
        writer.close()
    disk.full = False
    writer.close()
    assert [r["step"] for r in _rows(store, "metrics/t/a0.rnew.0-1.parquet")] == [0, 1]
    assert _finals(store, "finals/t/a0.rnew.parquet")[None, "loss"]["count"] == 2


def test_a_failure_in_the_background_surfaces_at_the_next_write(store, clock):
    disk = Full(store.root)
    writer = _writer(disk, clock, every_s=0.001)
    writer.write(0, {"loss": 1.0})
    assert disk.refused.wait(30)
    caught = None
    step = 1
    while caught is None:  # The background stores its error right after it was refused.
        try:
            writer.write(step, {"loss": 1.0})
            step += 1
        except StorageError as error:
            caught = error
    assert str(store.root) in str(caught)
    disk.full = False
    writer.write(step, {"loss": 1.0})
    writer.close()
    (name,) = store.list("metrics/")
    assert [row["step"] for row in _rows(store, name)] == list(range(step + 1))


def _fail_inside(writer):
    with writer:
        writer.write(0, {"loss": 1.0})
        raise RuntimeError("mine")


def test_leaving_by_an_error_stores_the_rows_and_keeps_the_error(store, clock):
    with pytest.raises(RuntimeError, match="mine"):
        _fail_inside(_writer(store, clock))
    assert store.list() == ["finals/t/a0.rnew.parquet", "metrics/t/a0.rnew.0-0.parquet"]


def test_leaving_by_an_error_onto_a_full_disk_notes_it(store, clock):
    with pytest.raises(RuntimeError, match="mine") as caught:
        _fail_inside(_writer(Full(store.root), clock))
    assert "Free some space" in caught.value.__notes__[0]
    with pytest.raises(StorageError), _writer(Full(store.root), clock) as writer:
        writer.write(0, {"loss": 1.0})


def test_a_full_buffer_flushes_by_itself(store, clock, monkeypatch):
    monkeypatch.setattr("results.writer._FULL", 10)
    writer = _writer(store, clock)
    for step in range(12):
        writer.write(step, {"loss": 1.0})
    assert store.list("metrics/") == ["metrics/t/a0.rnew.0-9.parquet"]
    writer.close()
