"""Makes sweep files and reads what a sweep left behind, for the tests of `orchestrator`."""

import json
from pathlib import Path

import workloads.programs.supervised  # noqa: F401 - loads torch, which no test should be timed with
from orchestrator.errors import SpecError
from orchestrator.expand import expand
from orchestrator.spec_load import load_bytes
from results.ledger import Ledger
from results.query import open_stores
from results.store import Store

KINDS = Path(__file__).parents[1] / "kinds"
SHIPPED = {path.stem: path for path in (Path(__file__).parents[2] / "sweeps").rglob("*.yaml")}
"""Name -> sweep file."""

MLP = {
    "task": {"kind": "random_data", "train_size": 64, "validation_size": 64},
    "model": {"kind": "mlp", "hidden": [8]},
}

HEAD = """\
version: 1
name: t
workload:
  task: {kind: random_data, train_size: 64, validation_size: 64}
  model: {kind: mlp, hidden: [8]}
"""
"""Five lines of a valid sweep file of one cell; what a test is about begins in line 6."""


def text_of(**keys):
    """A sweep file, one key a line; JSON is YAML."""
    given = {"version": 1, "name": "t", "workload": MLP} | keys
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in given.items())


def trivial(**keys):
    """A sweep file of trivial trials, retried without waiting."""
    workload = {"kind": "trivial", "steps": 3} | keys.pop("workload", {})
    grids = [{"name": "values", "parameters": {"value": keys.pop("values", [1.0, 2.0])}}]
    given = {"grids": grids, "metric": {"name": "total"}, "retry": {"backoff": "0s"}} | keys
    return text_of(workload=workload, **given)


def load(text):
    return load_bytes(text.encode(), source="t.yaml", folder=Path())


def cells(text):
    return expand(load(text))


def told(text):
    """Every problem of a sweep file as its line of text, in the order in which they are told."""
    data = text if isinstance(text, bytes) else text.encode()
    try:
        expand(load_bytes(data, source="t.yaml", folder=Path()))
    except SpecError as error:
        return str(error).splitlines()
    return []


def ids(text):
    return [cell.trial_id for cell in cells(text)]


def events(root):
    """(trial_id, attempt, status, failure class) of every event of a run directory."""
    found = Ledger(Store(root), sweep=Path(root).name).events()
    return [(e.trial_id, e.attempt, e.status, e.failure_class) for e in found]


def rows(root, trial_id=None):
    """Whoever reads a sweep sees these rows, whatever happened on the way."""
    text = "SELECT trial_id, step, layer, name, value FROM metrics ORDER BY ALL"
    with open_stores([Path(root)]) as reader:
        found = reader.sql(text).to_pylist()
    return [
        (row["step"], row["layer"], row["name"], row["value"].hex())
        for row in found
        if trial_id in (None, row["trial_id"])
    ]
