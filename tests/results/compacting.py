"""A sweep with trials of every fate, and all that its views show, for the tests of compaction."""

import math

from results.ledger import Ledger
from results.query import open_stores
from tests.results.sweeps import begin, end, plan, write

CONTENT = (
    *(f"SELECT * FROM {view} ORDER BY ALL" for view in ("metrics", "metrics_all", "finals")),
    "SELECT * FROM layers ORDER BY ALL",
    "SELECT * EXCLUDE (config, versions), config::VARCHAR, versions::VARCHAR FROM trials",
)


def everything(*stores, warnings=0):
    """All that the views show, as text so that NaN equals NaN."""
    with open_stores([store.root for store in stores]) as reader:
        content = [str(reader.trusted(text).to_pylist()) for text in CONTENT]
        assert len(reader.warnings) == warnings, reader.warnings
    return content


def sweep_late(store):
    """Deletes what is superseded, as a writer does long after."""
    newest = max(path.stat().st_mtime for path in store.root.rglob("*.parquet"))
    return Ledger(store, sweep=store.root.name, clock=lambda: newest + 61).sweep_superseded()


def fill(store, *, sweep="s"):
    """Trials of every fate: whole, resumed, started anew, failed without finals, running."""
    ids = ["a", "b", "c", "d", "e"]
    plan(store, [{"trial_id": id_, "metric": "m", "goal": "maximize"} for id_ in ids], sweep=sweep)
    layered = {"b0": {"m": 0.5, "share": 0.1}, "b1": {"m": math.nan}}
    begin(store, "a", sweep=sweep)
    write(store, "a", {0: {"m": 1.0, "é'\"": math.inf}, 9: ({"m": 2.0}, layered)}, sweep=sweep)
    end(store, "a", sweep=sweep)
    begin(store, "b", sweep=sweep)
    write(store, "b", {s: {"m": float(s)} for s in range(8)}, closed=False, sweep=sweep)
    end(store, "b", "failed", sweep=sweep, failure_class="preempted")
    begin(store, "b", attempt=1, sweep=sweep)
    later = {s: {"m": s + 0.5} for s in (4, 5)}
    write(store, "b", later, attempt=1, resumed_from=3, closed=False, sweep=sweep)
    end(store, "b", attempt=1, sweep=sweep)
    begin(store, "c", sweep=sweep)
    write(store, "c", {0: {"m": 7.0}, 3: {"m": 8.0}}, sweep=sweep)
    end(store, "c", "failed", sweep=sweep)
    begin(store, "c", attempt=1, sweep=sweep)
    write(store, "c", {0: {"m": 1.5}}, attempt=1, sweep=sweep)
    end(store, "c", "stopped", attempt=1, sweep=sweep)
    begin(store, "d", sweep=sweep)
    write(store, "d", {0: {"m": 0.0}}, sweep=sweep)
