"""Makes small sweeps in a store for the tests of `results`."""

import hashlib
from datetime import UTC, datetime, timedelta

from results.ledger import Event, Ledger, TrialRow
from results.writer import Writer

START = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)


def plan(store, rows, *, sweep="s"):
    """Adds trials; each row gives `trial_id` and what differs from the defaults."""
    defaults = {"sweep": sweep, "grid": "g", "config": {"model": {"kind": "mlp"}}, "seed": 0}
    Ledger(store, sweep=sweep).add([TrialRow(**{**defaults, **row}) for row in rows])


def begin(store, trial_id, *, attempt=0, minute=0, sweep="s", **values):
    at = START + timedelta(minutes=minute)
    event = Event(
        sweep=sweep, trial_id=trial_id, attempt=attempt, status="running", ts=at, **values
    )
    assert Ledger(store, sweep=sweep).record(event)


def end(store, trial_id, status="completed", *, attempt=0, minute=1, sweep="s", **values):
    at = START + timedelta(minutes=minute)
    event = Event(sweep=sweep, trial_id=trial_id, attempt=attempt, status=status, ts=at, **values)
    assert Ledger(store, sweep=sweep).record(event)


def write(store, trial_id, steps, *, attempt=0, resumed_from=None, sweep="s", closed=True):
    """Writes `{step: metrics}` or `{step: (metrics, layers)}` as one attempt."""
    writer = Writer(
        store,
        sweep=sweep,
        trial_id=trial_id,
        attempt=attempt,
        resumed_from=resumed_from,
        every_s=3600,
    )
    for step, values in steps.items():
        metrics, layers = values if isinstance(values, tuple) else (values, {})
        writer.write(step, metrics, layers)
    writer.flush()
    if closed:
        writer.close()


def finish(store, trial_id, metrics, *, sweep="s", step=10):
    """A trial that ran through in one attempt with these values from start to end."""
    begin(store, trial_id, sweep=sweep)
    write(store, trial_id, {0: metrics, step: metrics}, sweep=sweep)
    end(store, trial_id, sweep=sweep)


def hashes(store):
    """File -> hash of its bytes, to tell that nothing was written."""
    return {name: hashlib.sha256(store.read(name)).hexdigest() for name in store.list()}
