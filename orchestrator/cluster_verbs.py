"""The verbs about clusters as functions: which there are, whether one can be used, its nodes.

Must never start a sweep nor change a cluster.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from orchestrator import clusters
from orchestrator.cluster_jobs import Endpoint
from orchestrator.cluster_token import token_of
from orchestrator.errors import CliffsweepError, InputError
from orchestrator.paths import run_directories, storage_named, storage_root
from orchestrator.provenance import package_versions
from orchestrator.submitting import LONGEST_S, hear
from results.errors import ResultsError
from results.ledger import Ledger
from results.store import Store

__all__ = ["Machine", "check", "ls", "nodes"]

_NICE: Final = 15
"""Ray's own for workers, where nobody says otherwise."""
COMMAND: Final = "exec python -P -m orchestrator.cluster_probe"
_COMPARED: Final = ("cliffsweep", "python", "ray", "torch", "pyarrow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One node of a cluster and what it is doing.

    Attributes:
        host: its name.
        ip: its address within the cluster.
        head: whether it is the head.
        alive: whether it answers.
        cpus: cores that it offers.
        cpus_used: those that are taken.
        gpus: devices that it offers.
        gpus_used: those that are taken.
        memory: bytes that it offers.
        accelerator: type of its devices; None: there are none, or Ray does not know them.
        runs: `sweep trial` of the attempts at work there, as far as the storage can be read here.
    """

    host: str
    ip: str
    head: bool
    alive: bool
    cpus: float
    cpus_used: float | None
    gpus: float
    gpus_used: float | None
    memory: float
    accelerator: str | None
    runs: tuple[str, ...] = ()


def ls() -> list[dict[str, Any]]:
    """The configured clusters, none of which is asked; `token` says how its token stands."""
    return [
        {
            "name": name,
            "address": cluster.address,
            "storage": cluster.storage,
            "token_file": None if cluster.token_file is None else str(cluster.token_file),
            "token": _token(cluster),
        }
        for name, cluster in clusters.known().items()
    ]


def _token(cluster: clusters.Cluster) -> str:
    try:
        return "off" if token_of(cluster) is None else "ok"
    except InputError as error:
        return str(error)


def nodes(address: str | None = None, *, storage: str | None = None) -> list[Machine]:
    """The nodes of a cluster, the head first, then by name.

    Args:
        address: of its job endpoint, or its name.
        storage: whose sweeps are looked for on the nodes.

    Raises:
        InputError: there is no such cluster, or its token is another.
        RunnerError: it does not answer.
    """
    cluster = clusters.needed(address)
    endpoint = Endpoint(cluster)
    found = endpoint.get("/api/v0/nodes?detail=1&limit=10000")["data"]["result"]["result"]
    summary = endpoint.get("/nodes?view=summary")["data"]
    hosts = {one["raylet"].get("nodeId"): one for one in summary.get("summary", ())}
    used = summary.get("nodeLogicalResources") or {}
    runs = _runs(storage_named(storage, of_cluster=cluster.storage))
    machines = [
        _machine(
            node,
            str(hosts.get(node["node_id"], {}).get("hostname") or node["node_name"]),
            used.get(node["node_id"]) or "",
            runs,
        )
        for node in found
    ]
    return sorted(machines, key=lambda one: (not one.alive, not one.head, one.host, one.ip))


def _machine(
    node: Mapping[str, Any], host: str, used: str, runs: Mapping[str, list[str]]
) -> Machine:
    total = node["resources_total"]
    alive = node["state"] == "ALIVE"
    types = [n.removeprefix("accelerator_type:") for n in total if n.startswith("accelerator_t")]
    taken = _taken(used)
    return Machine(
        host=host,
        ip=str(node["node_ip"]),
        head=bool(node["is_head_node"]),
        alive=alive,
        cpus=total.get("CPU", 0.0),
        cpus_used=taken.get("CPU"),
        gpus=total.get("GPU", 0.0),
        gpus_used=taken.get("GPU"),
        memory=total.get("memory", 0.0),
        accelerator=types[0] if types else None,
        runs=tuple(runs.get(host, ())) if alive else (),
    )


def _taken(text: str) -> dict[str, float]:
    """Reads `1.0/2.0 CPU` and the like, one a line, as Ray writes them for people."""
    found = {}
    for line in text.splitlines():
        amount, _, name = line.strip().partition(" ")
        with suppress(ValueError):
            found[name.split(" ")[0]] = float(amount.partition("/")[0])
    return found


def _runs(storage: str) -> dict[str, list[str]]:
    """Host -> attempts at work there; empty where the storage cannot be read here."""
    found: dict[str, list[str]] = {}
    with suppress(CliffsweepError, ResultsError):
        for root in run_directories(storage_root(storage)):
            for trial_id, event in Ledger(Store(root), sweep=root.name).latest().items():
                if event.status == "running" and event.host is not None:
                    found.setdefault(event.host, []).append(f"{root.name} {trial_id}")
    return found


def check(address: str | None = None, *, storage: str | None = None) -> list[dict[str, Any]]:
    """Finds out what would hinder a sweep; each check is `{what, ok, found}`.

    A job looks at every node from inside: its packages, and whether it sees the storage.

    Raises:
        InputError: there is no such cluster.
    """
    cluster = clusters.needed(address)
    checks: list[dict[str, Any]] = []
    try:
        endpoint = Endpoint(cluster)
    except CliffsweepError as error:
        return [_checked("job endpoint", str(error), ok=False)]
    how = "with its token" if token_of(cluster) is not None else "without a token"
    checks.append(_checked("job endpoint", f"{cluster} answers {how}", ok=True))
    if endpoint.readable:
        checks.append(_checked("token", "travels readable: use https or a tunnel", ok=False))
    where = storage_named(storage, of_cluster=cluster.storage)
    shared = "://" in where or Path(where).is_absolute()
    told = where if shared else f"{where} is relative: the cluster has no such place"
    checks.append(_checked("storage", told, ok=shared))
    try:
        seen = _probed(endpoint, where if shared else None)
    except CliffsweepError as error:
        return [*checks, _checked("a job there", str(error), ok=False)]
    if not seen:
        checks.append(_checked("a job there", f"has not begun after {LONGEST_S:g} s", ok=False))
    for node in seen:
        checks += _node_checks(node, stored=shared)
    return checks


def _checked(what: str, found: str, *, ok: bool) -> dict[str, Any]:
    return {"what": what, "ok": ok, "found": found}


def _probed(endpoint: Endpoint, storage: str | None) -> list[dict[str, Any]]:
    """What a job finds on every node."""
    job_id = f"cliffsweep-check-{secrets.token_hex(6)}"
    with TemporaryDirectory(prefix="cliffsweep-") as folder:
        (Path(folder) / "parcel.json").write_text(json.dumps({"storage": storage}))
        endpoint.start(job_id, COMMAND, folder=Path(folder), metadata={})
        found: list[dict[str, Any]] = hear(endpoint, job_id).get("nodes", [])
    return found


def _node_checks(node: Mapping[str, Any], *, stored: bool) -> list[dict[str, Any]]:
    name = f"{node.get('host', '')} {node['node']}".strip()
    if "problem" in node:
        return [_checked(name, str(node["problem"]), ok=False)]
    ours, theirs = package_versions(), node["versions"]
    differ = [
        f"{one} {theirs.get(one)} there, {ours.get(one)} here"
        for one in _COMPARED
        if theirs.get(one) != ours.get(one)
    ]
    same = theirs.get("cliffsweep") == version("cliffsweep")
    versions = ", ".join(f"{one} {theirs.get(one)}" for one in _COMPARED)
    checks = [_checked(name, "; ".join(differ) or versions, ok=same)]
    if stored:
        sees = bool(node["sees_storage"])
        told = "sees the storage" if sees else "does not see the storage: mount it there too"
        checks.append(_checked(name, told, ok=sees))
    if node.get("nice", 0) >= _NICE:
        told = (
            f"workers run at niceness {node['nice']}: what else computes there takes the cores."
            " Export RAY_worker_niceness=0 before `ray start`"
        )
        checks.append(_checked(name, told, ok=True))
    return checks
