"""The files of docker/ say what the code says: versions, variables, ports, commands, paths."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from orchestrator import actions, cluster, paths
from tests.docker.files import (
    DOCKER,
    ROOT,
    arguments,
    clusters,
    compose,
    custom,
    filled,
    groups,
    stages,
    templates,
    variables,
)

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TEXTS = sorted(path for path in DOCKER.rglob("*") if path.is_file())


def wanted(package: str) -> Requirement:
    """What pyproject.toml asks for."""
    found = [Requirement(line) for line in PROJECT["dependencies"]]
    (one,) = [requirement for requirement in found if requirement.name == package]
    return one


@pytest.mark.parametrize("package", ["torch", "ray"])
def test_the_image_has_versions_that_we_take(package: str) -> None:
    assert Version(arguments()[package.upper()]) in wanted(package).specifier


def test_the_image_has_a_python_that_we_take() -> None:
    assert f"{arguments()['PYTHON']}.0" in Requirement(f"x{PROJECT['requires-python']}").specifier


def test_kuberay_is_told_the_version_of_the_image() -> None:
    assert {found["rayVersion"] for found in clusters()} == {arguments()["RAY"]}


def test_the_build_installs_with_all_extras_that_a_cluster_needs() -> None:
    """Packages come from pyproject.toml, where Ray has the extra with the job server."""
    assert {"default", "tune"} <= wanted("ray").extras
    assert "s3" in PROJECT["optional-dependencies"]
    for target in ("cpu", "cuda"):
        last = stages()[f"packages-{target}"].all("RUN")[-1]
        assert last.endswith("-r /src/pyproject.toml --extra s3")
        assert '"ray==${RAY}" "torch==${TORCH}"' in last


def test_the_image_sets_what_the_code_sets_for_its_own_cluster() -> None:
    own = {k: v for k, v in cluster._QUIET.items() if "WINDOWS" not in k}
    told = {k: v for k, v in variables("cpu").items() if k.startswith("RAY_")}
    assert told == own | {"RAY_AUTH_MODE": "token"}


def test_variables_of_ours_exist() -> None:
    """CLIFFSWEEP_… is read by the code, or is a variable of compose.yaml itself."""
    own = {"CLIFFSWEEP_UID", "CLIFFSWEEP_GID"}
    code = "".join(path.read_text() for path in (ROOT / "orchestrator").rglob("*.py"))
    for path in TEXTS:
        used = set(re.findall(r"CLIFFSWEEP_[A-Z]+", path.read_text()))
        assert [name for name in used - own if f'"{name}"' not in code] == [], path
    assert own <= set(re.findall(r"CLIFFSWEEP_[A-Z]+", (DOCKER / "compose.yaml").read_text()))


def test_every_node_knows_the_storage_and_has_it() -> None:
    for service in compose()["services"].values():
        (volume,) = service["volumes"]
        assert service["environment"][paths.STORAGE_VARIABLE] == volume["source"]
    for spec in clusters():
        for group in groups(spec):
            (container,) = group["template"]["spec"]["containers"]
            (storage,) = [e["value"] for e in container["env"] if e["name"] == "CLIFFSWEEP_STORAGE"]
            mounted = [mount["mountPath"] for mount in container["volumeMounts"]]
            assert storage in mounted or storage.startswith("s3://")


def test_volumes_and_keys_that_pods_name_are_made_somewhere() -> None:
    claims = {found["metadata"]["name"] for found in custom("PersistentVolumeClaim")}
    maps = {found["metadata"]["name"] for found in custom("ConfigMap")}
    for template in templates():
        for volume in template["spec"]["volumes"]:
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims
            if "configMap" in volume:
                assert volume["configMap"]["name"] in maps


def test_ports_are_rays() -> None:
    from ray._private import ray_constants as ray

    head = " ".join(compose()["services"]["head"]["command"])
    assert f"--port={ray.DEFAULT_PORT} " in head
    assert f"--dashboard-port={ray.DEFAULT_DASHBOARD_PORT} " in head
    for name in ("worker", "gpu-worker"):
        assert f"--address=head:{ray.DEFAULT_PORT}" in compose()["services"][name]["command"]
    agent = f"{ray.DEFAULT_DASHBOARD_AGENT_LISTEN_PORT}/api/healthz"
    for service in compose()["services"].values():  # The agent's answer includes the raylet's.
        assert agent in service["healthcheck"]["test"][-1]
    jobs = f"{ray.DEFAULT_DASHBOARD_PORT}/api/gcs_healthz"
    assert jobs in compose()["services"]["head"]["healthcheck"]["test"][-1]
    known = {ray.DEFAULT_PORT, ray.DEFAULT_DASHBOARD_PORT}
    for template in templates():
        for container in template["spec"]["containers"]:
            assert {port["containerPort"] for port in container.get("ports", [])} <= known
            for probe in ("readinessProbe", "livenessProbe"):
                if probe in container:
                    port = container[probe]["httpGet"]["port"]
                    assert port == ray.DEFAULT_DASHBOARD_AGENT_LISTEN_PORT


def options(command: click.Command) -> set[str]:
    """Every spelling of every option."""
    return {name for parameter in command.params for name in parameter.opts}


def ray_starts() -> Iterator[list[str]]:
    """The words behind every `ray start`."""
    for service in compose()["services"].values():
        words = [filled(word) for word in service["command"]]
        assert words[:2] == ["ray", "start"]
        yield words[2:]
    for spec in clusters():
        for group in groups(spec):
            yield [f"--{name}" for name in group["rayStartParams"]]
    script = (DOCKER / "slurm.sh").read_text()
    commands = re.findall(r"\$\{start\[@\]\}\"(.*?) &\n", script, flags=re.S)
    assert len(commands) == 2
    shared = re.findall(r"^start=\((.*?)\)$", script, flags=re.M | re.S)
    for text in (*shared, *commands):
        yield re.findall(r"--[a-z-]+", text)


def test_ray_knows_every_option() -> None:
    from ray.scripts.scripts import start

    starts = list(ray_starts())
    assert len(starts) == 3 + 3 + 2 + 3
    for words in starts:
        assert words
        assert {word.partition("=")[0] for word in words} <= options(start)


def test_the_sweep_of_the_job_is_valid(tmp_path: Path) -> None:
    ((name, text),) = custom("ConfigMap")[0]["data"].items()
    (job,) = custom("RayJob")
    words = shlex.split(job["spec"]["entrypoint"])
    assert words[:3] == ["cliffsweep", "run", f"/sweeps/{name}"]
    (tmp_path / name).write_text(text)
    loaded, cells = actions.validate(tmp_path / name)
    assert f"{cells} cells" in text
    assert f"{loaded.sweep.name}.yaml" == name
