"""What the containers may not do: root, writing, capabilities, open ports, secrets in the open."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.docker.files import (
    DOCKER,
    ancestry,
    clusters,
    compose,
    custom,
    dumped,
    groups,
    stages,
    templates,
    variables,
)

TARGETS = ("cpu", "cuda")
SERVICES = ("head", "worker", "gpu-worker")


@pytest.mark.parametrize("target", TARGETS)
def test_the_image_is_nobodys(target: str) -> None:
    (user,) = stages()[target].all("USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)


@pytest.mark.parametrize("target", TARGETS)
def test_the_image_holds_no_tool_that_builds(target: str) -> None:
    layers = ancestry(target)
    assert [stage.name for stage in layers] == [target, "base"]
    assert [line for stage in layers for line in stage.all("RUN")] == []
    copied = [line for stage in layers for line in stage.all("COPY")]
    assert copied == [
        f"--from=packages-{target} /opt/venv /opt/venv",
        "--from=code /code /opt/venv",
    ]


@pytest.mark.parametrize("target", TARGETS)
def test_the_image_opens_no_port_and_holds_no_secret(target: str) -> None:
    for stage in stages().values():
        assert stage.all("EXPOSE") == []
        assert not re.search("token=|password|secret", " ".join(stage.all("ARG")), re.I)
    assert variables(target)["RAY_AUTH_MODE"] == "token"
    assert not {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(variables(target))


def test_the_build_sees_only_what_it_needs() -> None:
    lines = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    copied = {
        source
        for stage in stages().values()
        for line in stage.all("COPY")
        if not line.startswith("--from")
        for source in line.split()[:-1]
    }
    assert let_in == copied


def test_every_service_is_there() -> None:
    assert set(compose()["services"]) == set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_locked(name: str) -> None:
    service = compose()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] == "${CLIFFSWEEP_UID:-1000}:${CLIFFSWEEP_GID:-1000}"
    assert service["secrets"] == ["ray_token"]
    assert service["environment"]["RAY_AUTH_TOKEN_PATH"] == "/run/secrets/ray_token"
    assert not {"privileged", "network_mode", "cap_add", "pid", "ipc", "devices"} & set(service)
    assert [volume["target"] for volume in service["volumes"]] == [
        service["environment"]["CLIFFSWEEP_STORAGE"]
    ]


def test_one_port_is_published_and_on_the_loopback_address() -> None:
    published = {name: compose()["services"][name].get("ports", []) for name in SERVICES}
    assert published == {"head": ["127.0.0.1:8265:8265"], "worker": [], "gpu-worker": []}


def test_the_token_comes_from_a_file_that_must_be_named() -> None:
    (secret,) = compose()["secrets"].values()
    assert list(secret) == ["file"]
    assert secret["file"].startswith("${RAY_AUTH_TOKEN_PATH:?")


def test_kuberay_asks_for_the_token() -> None:
    for cluster in clusters():
        assert cluster["authOptions"]["mode"] == "token"
        assert "RAY_AUTH" not in dumped([group["template"] for group in groups(cluster)])


def pods() -> list[dict[str, Any]]:
    """The spec of every pod."""
    return [template["spec"] for template in templates()]


@pytest.mark.parametrize("pod", pods())
def test_a_pod_keeps_to_the_restricted_standard(pod: dict[str, Any]) -> None:
    """Kubernetes' own name for it; and nothing is writable but what is mounted."""
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not any("hostPort" in port for port in container.get("ports", []))
    assert {kind for volume in pod["volumes"] for kind in volume} <= {
        "name", "emptyDir", "persistentVolumeClaim", "configMap",
    }  # fmt: skip


@pytest.mark.parametrize("pod", pods())
def test_a_pod_can_write_where_ray_does(pod: dict[str, Any]) -> None:
    volumes = {volume["name"] for volume in pod["volumes"]}
    for container in pod["containers"]:
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert set(mounts.values()) <= volumes
        assert mounts["/tmp"] == "tmp"


def test_trials_get_no_account_of_kubernetes() -> None:
    for cluster in clusters():
        for group in cluster["workerGroupSpecs"]:
            assert group["template"]["spec"]["automountServiceAccountToken"] is False


def test_the_autoscaler_is_locked_too() -> None:
    scaled = [cluster for cluster in clusters() if cluster.get("enableInTreeAutoscaling")]
    assert scaled
    for cluster in scaled:
        context = cluster["autoscalerOptions"]["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False


def test_every_pod_is_closed_to_others() -> None:
    chosen = [dict(p["spec"]["podSelector"]["matchLabels"]) for p in custom("NetworkPolicy")]
    for policy in custom("NetworkPolicy"):
        inside, operator = policy["spec"]["ingress"]
        assert inside == {"from": [{"podSelector": policy["spec"]["podSelector"]}]}
        assert operator["ports"] == [{"port": 8265}]
    for found in custom("RayCluster"):  # The operator gives its pods this label.
        assert {"ray.io/cluster": found["metadata"]["name"]} in chosen
    (job,) = custom("RayJob")
    own = groups(job["spec"]["rayClusterSpec"])
    for template in [*(group["template"] for group in own), job["spec"]["submitterPodTemplate"]]:
        assert template["metadata"]["labels"] in chosen


def test_no_file_holds_a_token() -> None:
    for path in DOCKER.rglob("*"):
        if path.is_file():
            assert not re.search(r"\b[0-9a-f]{32,}\b|AKIA[0-9A-Z]{16}", path.read_text()), path
