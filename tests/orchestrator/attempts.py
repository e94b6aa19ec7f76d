"""Workloads of one attempt and what it left behind, for the tests of `orchestrator.trial`."""

import itertools

from results.ledger import Ledger
from tests.orchestrator.sweeps import rows


def trivial(**parameters):
    return {"kind": "trivial", "steps": 5, "value": 0.1} | parameters


def failing(**parameters):
    return {"kind": "failing", "at": 2} | parameters


def after(looks):
    """A request to leave that comes after so many looks."""
    counter = itertools.count(1)
    return lambda: next(counter) >= looks


def totals(store):
    return {
        step: value
        for step, layer, name, value in rows(store.root)
        if name == "total" and not layer
    }


def files(store, table):
    return store.list(f"{table}/")


def last_event(store):
    return Ledger(store, sweep="t").events()[-1]
