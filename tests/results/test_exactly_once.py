"""Writers, crashes, retries, resumptions and folds in any order: each row that counts, once.

The model is the text of the rule: a trial's rows are those of its newest attempt, and up to where
that one resumed, those of the attempt that it resumed from, and so on.
"""

import contextlib
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from results.errors import StorageError
from results.ledger import Ledger
from results.query import open_stores
from results.writer import Writer
from tests.results.mortal import Crash, MortalStore, bury


class Attempts(RuleBasedStateMachine):
    """One trial; `durable` holds what each attempt flushed, `taken` what a reader must see."""

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp())
        self.now = 1_750_000_000.0
        self.store = MortalStore(self.folder / "s")
        self.writer = None
        self.attempt = -1
        self.flushed = {}  # attempt -> {step: value}, returned from a flush
        self.written = {}  # attempt -> {step: value}, may or may not be durable
        self.origin = {}  # attempt -> step it resumed from, −1 for a fresh start
        self.checkpoints = []  # (attempt, step, carried)

    def teardown(self):
        if hasattr(self, "folder"):
            self.read()
            if self.writer is not None:
                self._bury()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _clock(self):
        return self.now

    def _start(self, resumed_from, carried):
        self.attempt += 1
        self.store.operations_left = None
        self.writer = Writer(
            self.store,
            sweep="s",
            trial_id="t",
            attempt=self.attempt,
            resumed_from=resumed_from,
            carried=carried,
            every_s=3600,
            fold_at=3,
            clock=self._clock,
        )
        self.step = -1 if resumed_from is None else resumed_from
        self.origin[self.attempt] = self.step
        self.flushed[self.attempt] = {}
        self.written[self.attempt] = {}

    def _guarded(self, action):
        """Runs an action of the writer; a crash ends the attempt."""
        try:
            action()
        except Crash:
            self._bury()
            return False
        return True

    @precondition(lambda self: self.writer is None)
    @rule()
    def start_fresh(self):
        self._start(None, None)

    @precondition(lambda self: self.writer is None and self.checkpoints)
    @rule(data=st.data())
    def resume(self, data):
        self.read()
        usable = [c for c in self.checkpoints if self._counts(c[0], c[1])]
        if usable:
            _attempt, step, carried = data.draw(st.sampled_from(usable))
            newest = Ledger(self.store, sweep="s").usable_checkpoint("t")
            assert newest is not None
            best = max((step, attempt) for attempt, step, _ in usable)
            assert newest == f"checkpoints/t/a{best[1]}-{best[0]}"
            self._start(step, carried)

    @precondition(lambda self: self.writer is not None)
    @rule(count=st.integers(1, 4), gap=st.integers(1, 3))
    def write(self, count, gap):
        for _ in range(count):
            self.step += gap
            value = float(self.attempt * 1000 + self.step)
            self.writer.write(self.step, {"m": value})
            self.written[self.attempt][self.step] = value

    @precondition(lambda self: self.writer is not None)
    @rule(crash_after=st.none() | st.integers(0, 3))
    def flush(self, crash_after):
        self.store.operations_left = crash_after
        if self._guarded(self.writer.flush):
            self.flushed[self.attempt] = dict(self.written[self.attempt])

    @precondition(lambda self: self.writer is not None and self.step >= 0)
    @rule()
    def checkpoint(self):
        self.store.operations_left = None
        carried = self.writer.carried()
        self.flushed[self.attempt] = dict(self.written[self.attempt])
        self.store.put(f"checkpoints/t/a{self.attempt}-{self.step}/carried", carried)
        self.checkpoints.append((self.attempt, self.step, carried))

    @precondition(lambda self: self.writer is not None)
    @rule(crash_after=st.none() | st.integers(0, 4))
    def close(self, crash_after):
        self.store.operations_left = crash_after
        if self._guarded(self.writer.close):
            self.flushed[self.attempt] = dict(self.written[self.attempt])
            self.writer = None

    @precondition(lambda self: self.writer is not None)
    @rule()
    def die(self):
        self._bury()

    def _bury(self):
        bury(self.writer)
        self.writer = None

    @precondition(lambda self: self.writer is not None)
    @rule()
    def full_disk(self):
        real = self.store.put

        def full(name, _data, **_settings):
            raise StorageError(f"{name}: no space")

        self.store.operations_left = None
        self.store.put = full
        pending = self.written[self.attempt] != self.flushed[self.attempt]
        try:
            self.writer.flush()
            assert not pending
        except StorageError:
            pass
        self.store.put = real

    @rule(seconds=st.sampled_from([1.0, 30.0, 61.0]))
    def time_passes(self, seconds):
        self.now += seconds

    @rule(crash_after=st.none() | st.integers(0, 3), late=st.booleans())
    def sweep(self, crash_after, late):
        """Deletes what is superseded, long after or right away, dying halfway or not."""
        self.store.operations_left = crash_after
        now = max((p.stat().st_mtime for p in self.store.root.rglob("*.parquet")), default=0.0)
        ledger = Ledger(self.store, sweep="s", clock=lambda: now + (61.0 if late else 1.0))
        with contextlib.suppress(Crash):
            ledger.sweep_superseded()
        self.store.operations_left = None

    def _counts(self, attempt, step):
        """Whether the rule counts a row, by the attempts that have visible rows."""
        later = [
            self.origin[other] for other in self.visible if other > attempt and self.visible[other]
        ]
        return not later or step <= min(later)

    @rule()
    def read(self):
        """A reader sees each row that counts once."""
        with open_stores([self.store.root]) as reader:
            everything = reader.sql("SELECT attempt, step, value FROM metrics_all").to_pylist()
            counted = reader.sql("SELECT attempt, step, value FROM metrics").to_pylist()
            finals = reader.sql("SELECT step, last, minimum, maximum, count FROM finals")
            assert reader.warnings == []
        keys = [(row["attempt"], row["step"]) for row in everything]
        assert len(keys) == len(set(keys)), "metrics_all repeats a row"
        self.visible = {}
        for row in everything:
            self.visible.setdefault(row["attempt"], {})[row["step"]] = row["value"]
        for attempt, rows in self.flushed.items():
            visible = self.visible.get(attempt, {})
            assert rows.items() <= visible.items(), "a flushed row is lost"
            assert visible.items() <= self.written[attempt].items()
        expected = sorted(
            (attempt, step, value)
            for attempt, rows in self.visible.items()
            for step, value in rows.items()
            if self._counts(attempt, step)
        )
        found = sorted((row["attempt"], row["step"], row["value"]) for row in counted)
        assert found == expected
        steps = [step for _, step, _ in found]
        assert len(steps) == len(set(steps)), "metrics shows a step twice"
        self._check_finals(finals.to_pylist(), expected)

    def _check_finals(self, rows, expected):
        values = {step: value for _, step, value in expected}
        if not values:
            assert rows == []
            return
        assert rows == [
            {
                "step": max(values),
                "last": values[max(values)],
                "minimum": min(values.values()),
                "maximum": max(values.values()),
                "count": len(values),
            }
        ]


def _run(examples, steps):
    run_state_machine_as_test(
        Attempts,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_exactly_once():
    _run(7, 16)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_exactly_once_for_long():
    _run(1000, 40)
