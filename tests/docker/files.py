"""Reads the files of docker/ into plain data for the tests.

Knows nothing of what they should say.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
KUBERAY = sorted((DOCKER / "kuberay").glob("*.yaml"))

_DEFAULT = re.compile(r"\$\{(\w+)(?::?-([^}]*)|:\?[^}]*)?\}")


@dataclass
class Stage:
    """One FROM of the Dockerfile: its instructions as (word, rest of the line)."""

    name: str
    origin: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, word: str) -> list[str]:
        """What stands behind each instruction of that word."""
        return [rest for found, rest in self.instructions if found == word]


@cache
def stages() -> dict[str, Stage]:
    """The stages of the Dockerfile by name; what stands before the first FROM has the name ""."""
    text = re.sub(r"^\s*#.*\n", "", (DOCKER / "Dockerfile").read_text(), flags=re.M)
    found = {"": Stage("", "")}
    current = found[""]
    for line in filter(None, text.replace("\\\n", " ").splitlines()):
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            origin, _, name = rest.partition(" AS ")
            current = found[name] = Stage(name, origin)
        else:
            current.instructions.append((word, " ".join(rest.split())))
    return found


def ancestry(name: str) -> list[Stage]:
    """A stage and those that it is made from, the first one last."""
    stage = stages()[name]
    return [stage, *(ancestry(stage.origin) if stage.origin in stages() else [])]


def variables(name: str) -> dict[str, str]:
    """The environment of a stage."""
    found: dict[str, str] = {}
    for stage in reversed(ancestry(name)):
        for line in stage.all("ENV"):
            found |= dict(word.split("=", 1) for word in shlex.split(line))
    return found


def arguments() -> dict[str, str]:
    """Build argument -> its default."""
    lines = [line for stage in stages().values() for line in stage.all("ARG")]
    return dict(line.split("=", 1) for line in lines)


@cache
def compose() -> dict[str, Any]:
    """compose.yaml as it stands, anchors resolved, variables not."""
    found: dict[str, Any] = YAML(typ="safe").load(DOCKER / "compose.yaml")
    return found


def filled(text: object, **given: str) -> str:
    """A string of compose.yaml with its variables replaced: by what is given, or by the default."""
    return _DEFAULT.sub(lambda m: given.get(m[1], m[2] or ""), str(text))


def documents(path: Path) -> list[dict[str, Any]]:
    """The Kubernetes objects of a file."""
    return list(YAML(typ="safe").load_all(path))


def custom(kind: str) -> list[dict[str, Any]]:
    """The objects of one kind, in all files."""
    return [d for path in KUBERAY for d in documents(path) if d["kind"] == kind]


def clusters() -> Iterator[dict[str, Any]]:
    """The spec of every Ray cluster, those of jobs among them."""
    yield from (found["spec"] for found in custom("RayCluster"))
    yield from (found["spec"]["rayClusterSpec"] for found in custom("RayJob"))


def groups(cluster: dict[str, Any]) -> list[dict[str, Any]]:
    """The head group and the worker groups of a cluster."""
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


def templates() -> Iterator[dict[str, Any]]:
    """Every pod template."""
    for cluster in clusters():
        yield from (group["template"] for group in groups(cluster))
    yield from (found["spec"]["submitterPodTemplate"] for found in custom("RayJob"))


def dumped(found: object) -> str:
    """Plain data as text, to look for words in."""
    return json.dumps(found, default=str)
