"""What the cluster verbs say of entries, of nodes, and of what would hinder a sweep."""

import json
import os

import pytest

from orchestrator import cluster_verbs
from orchestrator.cluster_probe import look, write_mark
from orchestrator.errors import RunnerError
from orchestrator.provenance import host, package_versions
from results.ledger import Event, Ledger
from results.store import Store

NODE = {
    "node_id": "a1",
    "node_ip": "10.0.0.1",
    "node_name": "10.0.0.1",
    "is_head_node": False,
    "state": "ALIVE",
    "resources_total": {"CPU": 8.0, "GPU": 2.0, "memory": 2e9, "accelerator_type:H100": 1.0},
}
HEAD = NODE | {"node_id": "b2", "is_head_node": True, "resources_total": {"memory": 1e9}}
GONE = NODE | {"node_id": "c3", "state": "DEAD", "node_name": "gone", "resources_total": {}}
USED = "Usage:\n 3.0/8.0 CPU (1.0 used of 1.0 reserved in placement groups)\n 0.5/2.0 GPU\n"


class FakeEndpoint:
    """Answers as the head of three nodes, one of them gone."""

    readable = False

    def __init__(self, cluster):
        self.cluster = cluster

    def get(self, path):
        if path.startswith("/api/v0/nodes"):
            return {"data": {"result": {"result": [GONE, NODE, HEAD]}}}
        summary = [{"hostname": host(), "raylet": {"nodeId": "a1"}}]
        return {"data": {"summary": summary, "nodeLogicalResources": {"a1": USED}}}


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A configured cluster, whose storage is a folder here."""
    folder = tmp_path / "config" / "cliffsweep"
    folder.mkdir(parents=True)
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text("abc123")
    entry = {"address": "http://head:8265", "storage": str(tmp_path / "runs")}
    lines = [f'{key} = "{value}"' for key, value in (entry | {"token_file": token}).items()]
    (folder / "config.toml").write_text("\n".join(["[clusters.lab]", *lines]))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "CLIFFSWEEP_CLUSTER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(cluster_verbs, "Endpoint", FakeEndpoint)
    return tmp_path


def test_ls_asks_nobody_and_shows_no_token(lab, typed):
    code, out, _ = typed("cluster", "ls", "--json")
    (found,) = json.loads(out)["clusters"]
    assert (code, found["name"], found["token"]) == (0, "lab", "ok")
    assert "abc123" not in out
    (lab / "config" / "cliffsweep" / "token").chmod(0o644)
    assert "chmod 600" in typed("cluster", "ls")[1]


def test_nodes_tell_what_is_taken_and_what_runs_where(lab, typed):
    ledger = Ledger(Store(lab / "runs" / "t"), sweep="t")
    (lab / "runs" / "t" / "sweep").mkdir(parents=True)
    begun = Event(sweep="t", trial_id="0123456789ab", attempt=0, status="running", host=host())
    ledger.record(begun)
    head, worker, gone = cluster_verbs.nodes("lab")
    assert (head.head, worker.head, gone.alive) == (True, False, False)
    assert (worker.host, worker.cpus_used, worker.cpus) == (host(), 3.0, 8.0)
    assert (worker.gpus_used, worker.gpus, worker.accelerator) == (0.5, 2.0, "H100")
    assert worker.runs == ("t 0123456789ab",)
    assert (head.runs, gone.runs) == ((), ())
    code, out, _ = typed("cluster", "nodes", "lab")
    assert code == 0
    assert "3/8" in out
    assert "t 0123456789ab" in out
    assert "DEAD" in out


def checked(monkeypatch, nodes):
    """What is wrong with a cluster of such nodes."""
    monkeypatch.setattr(cluster_verbs, "_probed", lambda endpoint, storage: nodes)
    return [one["found"] for one in cluster_verbs.check("lab") if not one["ok"]]


def test_check_names_the_node_and_the_difference(lab, monkeypatch, typed):
    good = {"node": "10.0.0.1", "host": "w", "versions": package_versions(), "sees_storage": True}
    assert checked(monkeypatch, [good]) == []
    assert typed("cluster", "check", "lab")[0] == 0
    old = good | {"versions": package_versions() | {"cliffsweep": "0.0.9"}}
    (told,) = checked(monkeypatch, [good, old])
    assert told.startswith("cliffsweep 0.0.9 there, ")
    (told,) = checked(monkeypatch, [good | {"sees_storage": False}])
    assert told == "does not see the storage: mount it there too"
    assert checked(monkeypatch, [{"node": "10.0.0.2", "problem": "it died"}]) == ["it died"]
    assert typed("cluster", "check", "lab")[0] == 1
    assert checked(monkeypatch, []) == ["has not begun after 120 s"]


def test_check_of_a_relative_storage_asks_nobody_about_it(lab, monkeypatch):
    asked = []
    monkeypatch.setattr(cluster_verbs, "_probed", lambda _, storage: asked.append(storage) or [])
    checks = cluster_verbs.check("lab", storage="runs")
    assert asked == [None]
    told = [check["found"] for check in checks if not check["ok"]]
    assert told[0] == "runs is relative: the cluster has no such place"


def test_check_remarks_on_workers_that_stand_behind_everything_else(lab, monkeypatch):
    node = {"node": "10.0.0.1", "host": "w", "versions": package_versions(), "sees_storage": True}
    monkeypatch.setattr(cluster_verbs, "_probed", lambda endpoint, storage: [node | {"nice": 15}])
    told = cluster_verbs.check("lab")[-1]
    assert (told["what"], told["ok"]) == ("w 10.0.0.1", True)
    assert "niceness 15" in told["found"]
    assert "RAY_worker_niceness=0" in told["found"]


def test_check_without_an_answer_is_one_line(lab, monkeypatch):
    def silent(cluster):
        raise RunnerError("nobody there")

    monkeypatch.setattr(cluster_verbs, "Endpoint", silent)
    assert [one["found"] for one in cluster_verbs.check("lab")] == ["nobody there"]


def test_a_named_cluster_brings_its_storage_to_every_verb(lab, typed, monkeypatch):
    (lab / "runs" / "t" / "sweep").mkdir(parents=True)
    monkeypatch.setenv("CLIFFSWEEP_CLUSTER", "")  # Set again by the command, and undone with this.
    code, out, _ = typed("--cluster", "lab", "ls", "--json")
    assert (code, [one["sweep"] for one in json.loads(out)["sweeps"]]) == (0, ["t"])


def test_a_node_tells_what_it_has_and_sees(tmp_path):
    storage = str(tmp_path / "runs")
    mark = write_mark(storage)
    assert look(storage, mark) == {
        "host": host(),
        "versions": package_versions(),
        "sees_storage": True,
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
    }
    assert look(str(tmp_path / "elsewhere"), mark)["sees_storage"] is False
    assert look(storage, "mark-of-another")["sees_storage"] is False
