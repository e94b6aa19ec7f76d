"""Holders of a lease, alive, dead and elsewhere, and what stands in the store, for its tests."""

import json
from dataclasses import asdict, replace

from orchestrator.lease import Holder
from orchestrator.paths import LEASE

ME = Holder.this_process()
ELSEWHERE = replace(ME, host="far", boot_id="another boot", pid=77)
DEAD = replace(ME, process_start="1")
"""A process of this number that is not the one which runs now."""


def refuse_to_wait(seconds):
    raise AssertionError(f"waited {seconds} s")


def write(store, holder):
    store.put(LEASE, json.dumps(asdict(holder)).encode())


def held_by(store):
    return Holder(**json.loads(store.read(LEASE)))
