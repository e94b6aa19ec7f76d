"""The verbs about clusters: cluster ls, cluster check, cluster nodes.

Must never start a sweep.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from orchestrator.cli.options import AsJson, Storage
from orchestrator.cli.output import emit_json, note, print_table, say, size

__all__ = ["register"]

Which = Annotated[
    str | None,
    typer.Argument(metavar="CLUSTER", help="A configured name, or http://HOST:8265."),
]


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
    group = typer.Typer(no_args_is_help=True, help="Look at clusters: ls, check, nodes.")
    group.command()(ls)
    group.command()(check)
    group.command()(nodes)
    app.add_typer(group, name="cluster")


def ls(as_json: AsJson = False) -> None:
    """List the configured clusters; none of them is asked."""
    from orchestrator import cluster_verbs
    from orchestrator.clusters import config_file

    found = cluster_verbs.ls()
    if as_json:
        emit_json({"clusters": found})
        return
    if not found:
        note(
            f"no clusters in {config_file()}. An entry: [clusters.lab] address = 'http://HOST:8265'"
        )
        return
    columns = ["name", "address", "storage", "token"]
    print_table(columns, [[one[column] for column in columns] for one in found])


def check(cluster: Which = None, storage: Storage = None, as_json: AsJson = False) -> int:
    """Look from inside whether a cluster can run a sweep.

    Its token, its versions, the storage, and every node.
    """
    from orchestrator import cluster_verbs

    checks = cluster_verbs.check(cluster, storage=storage)
    healthy = all(one["ok"] for one in checks)
    if as_json:
        emit_json({"ok": healthy, "checks": checks})
        return 0 if healthy else 1
    rows = [("ok" if one["ok"] else "BAD", one["what"], one["found"]) for one in checks]
    print_table(["", "what", "found"], rows)
    say("all is well" if healthy else "something is wrong: see the lines that begin with BAD")
    return 0 if healthy else 1


def nodes(cluster: Which = None, storage: Storage = None, as_json: AsJson = False) -> None:
    """List the nodes of a cluster, and which trials run where.

    Of each its cores, GPUs and memory.
    """
    from orchestrator import cluster_verbs

    found = cluster_verbs.nodes(cluster, storage=storage)
    if as_json:
        emit_json({"nodes": [asdict(one) for one in found]})
        return
    numbers = ("CPUs", "GPUs", "memory")
    rows = [
        (
            one.host,
            one.ip,
            ("head" if one.head else "worker") if one.alive else "DEAD",
            _of(one.cpus_used, one.cpus),
            _of(one.gpus_used, one.gpus),
            size(int(one.memory)),
            one.accelerator,
            ", ".join(one.runs),
        )
        for one in found
    ]
    print_table(["host", "ip", "is", *numbers, "accelerator", "runs"], rows, right=numbers)


def _of(used: float | None, total: float) -> str:
    return f"{total:g}" if used is None else f"{used:g}/{total:g}"
