"""The files of docker/ are what their readers take: linter, compose, Kubernetes, KubeRay, bash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from tests.docker.files import DOCKER, KUBERAY, clusters, custom, documents, groups, templates

TOOLS = Path(sys.executable).parent
KUBERNETES = ("1.30", "1.37")
"""The oldest version that is still in use, and the newest that has a schema here."""

FIELDS = {
    "RayCluster": {
        "rayVersion", "authOptions", "enableInTreeAutoscaling", "autoscalerOptions",
        "headGroupSpec", "workerGroupSpecs", "headServiceAnnotations", "suspend", "managedBy",
        "gcsFaultToleranceOptions",
    },
    "RayJob": {
        "entrypoint", "backoffLimit", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished",
        "submitterPodTemplate", "rayClusterSpec", "activeDeadlineSeconds", "clusterSelector",
        "submitterConfig", "runtimeEnvYAML", "jobId", "submissionMode", "metadata", "suspend",
        "entrypointNumCpus", "entrypointNumGpus", "entrypointResources", "deletionStrategy",
    },
    "authOptions": {"mode", "secretName"},
    "autoscalerOptions": {
        "resources", "image", "imagePullPolicy", "securityContext", "idleTimeoutSeconds",
        "upscalingMode", "version", "env", "envFrom", "volumeMounts",
    },
    "head": {"serviceType", "headService", "enableIngress", "rayStartParams", "template"},
    "worker": {
        "groupName", "replicas", "minReplicas", "maxReplicas", "numOfHosts", "rayStartParams",
        "template", "scaleStrategy", "idleTimeoutSeconds", "suspend",
    },
}  # fmt: skip
"""KubeRay's own fields (ray.io/v1, 1.5): its schema is in no package, so the names stand here."""


def run(*command: str) -> str:
    """What a tool printed; it must be content."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=DOCKER)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_linter_has_nothing_to_say() -> None:
    assert run(str(TOOLS / "hadolint"), "Dockerfile") == ""


def test_compose_reads_its_file() -> None:
    tool = [str(TOOLS / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    assert "ok" in run(*tool, "compose.yaml")


def test_bash_reads_the_script_of_slurm() -> None:
    run("bash", "-n", "slurm.sh")


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_takes_every_object(version: str) -> None:
    own = [d for path in KUBERAY for d in documents(path) if not is_custom(d)]
    assert {d["kind"] for d in own} == {"PersistentVolumeClaim", "NetworkPolicy", "ConfigMap"}
    for found in own:
        kubernetes_validate.validate(found, version, strict=True)


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_takes_every_pod(version: str) -> None:
    pods = list(templates())
    assert len(pods) == 3 + 2 + 1
    for template in pods:
        metadata = {"name": "pod"} | template.get("metadata", {})
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        kubernetes_validate.validate(pod, version, strict=True)


def test_a_wrong_pod_is_found() -> None:
    template = next(templates())
    spec = template["spec"] | {"terminationGracePeriod": 60}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": spec}
    with pytest.raises(kubernetes_validate.ValidationError, match="terminationGracePeriod"):
        kubernetes_validate.validate(pod, KUBERNETES[0], strict=True)


def is_custom(found: dict[str, Any]) -> bool:
    """Whether it is one of KubeRay's."""
    return str(found["apiVersion"]).startswith("ray.io/")


def test_kuberay_knows_every_field() -> None:
    assert custom("RayCluster")
    assert custom("RayJob")
    for kind in ("RayCluster", "RayJob"):
        for found in custom(kind):
            assert found["apiVersion"] == "ray.io/v1"
            assert set(found["spec"]) <= FIELDS[kind]
    for cluster in clusters():
        assert set(cluster) <= FIELDS["RayCluster"]
        for name in ("authOptions", "autoscalerOptions"):
            assert set(cluster.get(name, {})) <= FIELDS[name]
        head, *workers = groups(cluster)
        assert set(head) <= FIELDS["head"]
        for worker in workers:
            assert set(worker) <= FIELDS["worker"]
            assert worker["minReplicas"] <= worker["replicas"] <= worker["maxReplicas"]


def test_parameters_of_ray_are_strings() -> None:
    for cluster in clusters():
        for group in groups(cluster):
            assert all(isinstance(value, str) for value in group["rayStartParams"].values())
