"""What Tune is spared: a question to the head for every trial, an environment for every worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator import actions
from orchestrator.runners.ray_thrift import plain_actors
from tests.e2e.conftest import KINDS

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]

SWEEP = """\
version: 1
name: spared
workload: {kind: trivial}
grids:
  - name: all
    parameters: {value: [0, 1, 2, 3, 4]}
"""


def test_the_class_of_workers_is_asked_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.tune import registry

    asked: list[object] = []
    get = vars(registry)["_internal_kv_get"]

    def counted(key: object) -> object:
        asked.append(key)
        return get(key)

    monkeypatch.setattr(registry, "_internal_kv_get", counted)
    file = tmp_path / "spared.yaml"
    file.write_text(SWEEP)
    actions.run(file, storage=str(tmp_path), kinds=[str(KINDS)], runner="ray_tune")
    assert 1 <= len(asked) < 5
    assert "get" not in vars(vars(registry)["_global_registry"])


def test_workers_are_asked_for_without_an_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.tune.execution import class_cache

    cache: Any = class_cache._ActorClassCache
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-for-the-log")
    monkeypatch.setattr(cache, "get", cache.get)
    plain_actors()
    asked = cache().get(type("Cell", (), {}))
    assert not asked._default_options.get("runtime_env")
    assert "not-for-the-log" not in str(vars(asked))


def test_a_worker_that_starts_is_not_ended_for_one_that_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.air.execution._internal.actor_manager import RayActorManager

    asked: list[object] = []
    add = RayActorManager.add_actor

    def counted(manager: Any, *given: Any, **named: Any) -> Any:
        asked.append(named.get("cls"))
        return add(manager, *given, **named)

    monkeypatch.setattr(RayActorManager, "add_actor", counted)
    values = {"min": 0, "max": 59, "step": 1}
    sweep = {
        "version": 1,
        "name": "patient",
        "workload": {"kind": "trivial"},
        "resources": {"cpu": 0.25},
        "max_concurrent_trials": 6,
        "grids": [{"name": "all", "parameters": {"value": values}}],
    }
    summary = actions.run(sweep, storage=str(tmp_path), kinds=[str(KINDS)], runner="ray_tune")
    assert summary.counts["completed"] == 60
    # Some are asked for again whose process was not under way yet. It was one a trial, 60 in all.
    assert 6 <= len(asked) <= 20


WHEREABOUTS = """\
from pathlib import Path

from workloads.config import Program, Progress


class Config(Program):
    home: str
    seed: int = 0

    @property
    def score_rule(self):
        return "difference"

    @property
    def score_metric(self):
        return "at_home"

    def build(self):
        return self

    def train(self, state):
        yield Progress(0, {"at_home": float(Path.cwd() == Path(self.home))}, {})
"""


def test_workers_stay_where_their_node_began(tmp_path: Path) -> None:
    import ray

    def where() -> str:
        return str(Path.cwd())

    home = ray.get(ray.remote(where).remote())
    programs = tmp_path / "kinds" / "programs"
    programs.mkdir(parents=True)
    (programs / "whereabouts.py").write_text(WHEREABOUTS)
    sweep = {
        "version": 1,
        "name": "stay",
        "workload": {"kind": "whereabouts", "home": home},
        "grids": [{"name": "all", "parameters": {"seed": [0, 1, 2, 3, 4]}}],
    }
    actions.run(sweep, storage=str(tmp_path), kinds=[str(tmp_path / "kinds")], runner="ray_tune")
    text = "SELECT last AS value FROM finals WHERE name = 'at_home'"
    found = actions.sql("stay", text, storage=str(tmp_path)).to_pylist()
    assert found == [{"value": 1.0}] * 5
