"""Several trials at once, and compactions among everything else that can happen to a store.

Writers, zombies, crashes between any two operations on files, retries, resumptions from older
checkpoints, folds, compactions beside each other, late deletions, and readers that listed the
store long ago: no row whose flush returned is ever lost, none is seen twice.
"""

import contextlib
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from results.compact import compact
from results.errors import StorageError
from results.lasts import lasts
from results.ledger import Event, Ledger
from results.query import open_stores
from results.writer import Writer
from tests.results.model import Go, Model
from tests.results.mortal import MortalStore, bury

TRIALS = ("t", "u")
OPERATIONS = st.none() | st.integers(0, 9)


class Sweeps(Model):
    """What can happen: to writers, to files, and to readers."""

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp())
        self.now = 1_750_000_000.0
        self.store = MortalStore(self.folder / "s")
        self.goes = []
        self.running = {}  # trial -> Go that its driver believes in
        self.checkpoints = []  # (trial, attempt, step, carried)
        self.readers = []

    def teardown(self):
        if hasattr(self, "folder"):
            self.read()
            while self.readers:
                self.readers.pop()[0].close()
            for go in self.goes:
                self._bury(go)
            shutil.rmtree(self.folder, ignore_errors=True)

    def _ledger(self):
        return Ledger(self.store, sweep="s", clock=lambda: self.now)

    def _event(self, go, status):
        event = Event(sweep="s", trial_id=go.trial, attempt=go.number, status=status)
        assert self._ledger().record(event)

    def _start(self, trial, resumed_from, carried):
        number = self._ledger().attempts(trial)
        assert number > max((go.number for go in self.goes if go.trial == trial), default=-1)
        assert self._ledger().claim(trial, number)
        step = -1 if resumed_from is None else resumed_from
        writer = Writer(
            self.store,
            sweep="s",
            trial_id=trial,
            attempt=number,
            resumed_from=resumed_from,
            carried=carried,
            every_s=3600,
            fold_at=3,
            clock=lambda: self.now,
        )
        go = Go(trial, number, step, step, writer)
        self.goes.append(go)
        self.running[trial] = go
        self._event(go, "running")

    def _alive(self):
        return [go for go in self.goes if go.writer is not None]

    @rule(trial=st.sampled_from(TRIALS))
    def start_fresh(self, trial):
        if trial not in self.running:
            self._start(trial, None, None)

    @precondition(lambda self: self.checkpoints)
    @rule(trial=st.sampled_from(TRIALS), data=st.data())
    def resume(self, trial, data):
        self.read()
        usable = [c for c in self.checkpoints if c[0] == trial and self.counts(*c[:3])]
        if trial in self.running or not usable:
            return
        best = max((step, attempt) for _, attempt, step, _ in usable)
        newest = self._ledger().usable_checkpoint(trial)
        assert newest == f"checkpoints/{trial}/a{best[1]}-{best[0]}"
        _, _, step, carried = data.draw(st.sampled_from(usable))
        self._start(trial, step, carried)

    @precondition(lambda self: len(self.running) < len(TRIALS))
    @rule(
        data=st.data(),
        saved=st.integers(0, 2),
        after=st.integers(0, 3),
        fate=st.sampled_from(["closes", "dies", "zombie"]),
    )
    def live(self, data, saved, after, fate):
        """An attempt from its start to its end, at a trial that has none under way."""
        trial = data.draw(st.sampled_from([t for t in TRIALS if t not in self.running]))
        self.resume(trial, data)
        if trial not in self.running:
            self._start(trial, None, None)
        go = self.running[trial]
        for number in range(saved + after):
            self._write(go, 2, 1)
            self._act(go, go.writer.flush, None)
            if number + 1 == saved:
                self._save(go)
        if fate == "closes":
            self._close(go, None)
        else:
            self._declare_dead(go, fate == "zombie")

    def _ended_loose(self):
        """Whether there is something to fold."""
        loose = {name.split("/")[1] for name in self.store.list("metrics/")}
        return bool(loose.difference(self.running))

    @precondition(lambda self: self._alive())
    @rule(data=st.data(), count=st.integers(1, 4), gap=st.integers(1, 3), operations=OPERATIONS)
    def write_and_flush(self, data, count, gap, operations):
        go = data.draw(st.sampled_from(self._alive()))
        self._write(go, count, gap)
        self._act(go, go.writer.flush, operations)

    def _write(self, go, count, gap):
        for _ in range(count):
            go.step += gap
            go.written[go.step] = float(go.number * 1000 + go.step)
            go.writer.write(go.step, {"m": go.written[go.step]})

    @precondition(lambda self: self._alive())
    @rule(data=st.data(), operations=OPERATIONS, more=st.integers(0, 2))
    def close(self, data, operations, more):
        go = data.draw(st.sampled_from(self._alive()))
        self._write(go, more, 1)
        self._close(go, operations)

    def _close(self, go, operations):
        if self._act(go, go.writer.close, operations):
            go.writer = None
            if self.running.get(go.trial) is go:
                del self.running[go.trial]
                self._event(go, "completed")

    def _act(self, go, action, operations):
        """Lets a writer act; who dies, or is robbed of files as a zombie, is gone."""
        with self.store.dying_after(operations) as alive:
            try:
                action()
            except StorageError:
                assert self.running.get(go.trial) is not go, "only a zombie may miss its files"
                alive[0] = False
        if alive[0]:
            go.flushed = dict(go.written)
        else:
            self._bury(go)
        return alive[0]

    def _bury(self, go):
        """A dead process has no threads; one that waits here would keep the machine alive."""
        if go.writer is not None:
            bury(go.writer)
            go.writer = None

    @precondition(lambda self: any(go.step >= 0 for go in self._alive()))
    @rule(data=st.data(), ahead=st.integers(0, 1))
    def checkpoint(self, data, ahead):
        """Saves an attempt at its last rows, or a step behind them that has none."""
        go = data.draw(st.sampled_from([go for go in self._alive() if go.step >= 0]))
        if ahead:
            go.step += ahead
            go.writer.write(go.step)
        if self._act(go, go.writer.flush, None) and go.step > go.origin:
            self._save(go)

    def _save(self, go):
        carried = go.writer.carried()
        self.store.put(f"checkpoints/{go.trial}/a{go.number}-{go.step}/carried", carried)
        self.checkpoints.append((go.trial, go.number, go.step, carried))

    @precondition(lambda self: self.running)
    @rule(data=st.data(), zombie=st.booleans())
    def declare_dead(self, data, zombie):
        """The driver ends an attempt whose worker it has lost; that one may write on."""
        self._declare_dead(self.running[data.draw(st.sampled_from(sorted(self.running)))], zombie)

    def _declare_dead(self, go, zombie):
        del self.running[go.trial]
        if not zombie:
            self._bury(go)
        self._event(go, "failed")

    @precondition(_ended_loose)
    @rule(
        operations=OPERATIONS | st.none(),
        everything=st.booleans(),
        meanwhile=st.none() | st.tuples(st.integers(0, 6), st.booleans()),
    )
    def compact(self, operations, everything, meanwhile):
        """Folds, dying halfway or not, while another process folds, or sweeps up, or neither."""
        if meanwhile is not None:
            other = MortalStore(self.store.root)
            action = self._sweep if meanwhile[1] else lambda store: compact(store, sweep="s")
            self.store.meanwhile = (meanwhile[0], lambda: action(other))
        with self.store.dying_after(operations), contextlib.suppress(StorageError):
            compact(self.store, sweep="s", everything=everything, clock=lambda: self.now)
        self.store.meanwhile = None

    def _sweep(self, store, *, late=True):
        files = [*store.root.rglob("*.parquet")]
        newest = max((path.stat().st_mtime for path in files), default=0.0)
        ledger = Ledger(store, sweep="s", clock=lambda: newest + (61.0 if late else 1.0))
        ledger.sweep_superseded()

    @rule(operations=OPERATIONS, late=st.booleans(), fold=st.booleans())
    def sweep(self, operations, late, fold):
        """Deletes what is superseded, long after or right away, dying halfway or not."""
        self.now += 61.0 if late else 1.0
        with self.store.dying_after(operations):
            if fold:
                self._ledger().fold(at=2)
            self._sweep(self.store, late=late)

    @rule()
    def list_now_and_ask_later(self):
        self.readers.append((open_stores([self.store.root]), len(self.readers)))

    @precondition(lambda self: self.readers)
    @rule()
    def ask_now(self):
        """A listing of long ago answers with what it saw, or with a new listing: never twice."""
        reader, _ = self.readers.pop(0)
        with reader:
            self.look(reader)

    @rule()
    def ask_what_was_reached(self):
        self.read()
        reached = {}
        for (trial, attempt), rows in self.visible.items():
            for step, value in rows.items():
                if self.counts(trial, attempt, step) and step >= reached.get(trial, (-1, 0))[0]:
                    reached[trial] = step, value
        found = lasts(self.store, TRIALS)
        assert {t: (of.step, of.metrics["m"]) for t, of in found.items()} == reached

    @rule()
    def read(self):
        with open_stores([self.store.root]) as reader:
            self.look(reader, fresh=True)


def _run(examples, steps, **more):
    run_state_machine_as_test(
        Sweeps,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            **more,
        ),
    )


def test_exactly_once_with_compactions():
    _run(6, 16, phases=[Phase.explicit, Phase.reuse, Phase.generate])


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_exactly_once_with_compactions_for_long():
    _run(600, 40)
