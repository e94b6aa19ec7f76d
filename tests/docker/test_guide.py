"""The guide and the security page name only what exists: verbs, options, paths, ports, anchors."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from orchestrator.cli.main import app
from tests.docker.files import DOCKER, ROOT, arguments, compose, custom, stages

GUIDE = (DOCKER / "README.md").read_text()
SECURITY = (ROOT / "SECURITY.md").read_text()
COMMENTS = "\n".join(
    line.lstrip().removeprefix("#")
    for path in [DOCKER / "compose.yaml", DOCKER / "slurm.sh", DOCKER / "Dockerfile"]
    for line in path.read_text().splitlines()
    if line.lstrip().startswith("# ") and "syntax=" not in line
)


def commands() -> list[list[str]]:
    """The commands of the guide and of the files' first comments, in words."""
    blocks = re.findall(r"^```console\n(.*?)^```", GUIDE, flags=re.M | re.S)
    lines = [line[2:] for block in blocks for line in block.splitlines()]
    assert all(line.startswith("$ ") for block in blocks for line in block.splitlines())
    lines += re.findall(r"^ {2,}((?:cliffsweep|docker|sbatch) .*)$", COMMENTS, flags=re.M)
    return [shlex.split(line.rstrip("& "), comments=True) for line in lines]


def of(*start: str) -> list[list[str]]:
    """What follows those that begin so."""
    return [words[len(start) :] for words in commands() if words[: len(start)] == list(start)]


def parsed(words: list[str]) -> str:
    """The verb that a command names; its options and arguments must be the verb's."""
    command: Any = typer.main.get_command(app)
    while named := getattr(command, "commands", None):
        assert words[0] in named
        command, words = named[words[0]], words[1:]
    command.make_context(command.name, words)
    return str(command.name)


def calls() -> list[list[str]]:
    """Every call of ours, those behind `kubectl exec` among them."""
    inside = [words[words.index("cliffsweep") + 1 :] for words in of("kubectl", "exec")]
    return of("cliffsweep") + inside


@pytest.mark.parametrize("words", calls(), ids=" ".join)
def test_a_command_is_taken(words: list[str]) -> None:
    assert parsed(words)


def test_verbs_and_options_of_the_prose_exist() -> None:
    named = typer.main.get_command(app).commands
    for text in re.findall(r"`cliffsweep ([^`]*)`", GUIDE + SECURITY):
        verb, *words = text.split()
        if verb != "--version":
            options = {name for parameter in named[verb].params for name in parameter.opts}
            assert {word for word in words if word.startswith("--")} <= options


def test_all_ways_are_shown() -> None:
    starts = {words[0] for words in commands()}
    assert starts >= {"make", "cliffsweep", "ray", "ssh", "docker", "kubectl", "sbatch"}


def test_ray_takes_every_option_of_the_guide() -> None:
    from ray.scripts.scripts import start

    ports = re.findall(r"--[a-z-]+(?==\d)", "\n".join(re.findall(r"^\$ ports=.*", GUIDE, re.M)))
    assert len(ports) == 8
    used = [word.partition("=")[0] for words in of("ray", "start") for word in words]
    options = {name for parameter in start.params for name in parameter.opts}
    assert {word for word in used if word != "$ports"} | set(ports) <= options


def test_every_port_that_is_named_stands_in_the_table() -> None:
    table = GUIDE[GUIDE.index("| port |") : GUIDE.index("Ray chooses at random")]
    told = {int(n) for row in re.findall(r"^\| ([\d–]+) \|", table, re.M) for n in row.split("–")}
    named = {int(number) for number in re.findall(r"-port=(\d+)", GUIDE)}
    assert named <= told
    assert {6379, 8265} <= named


def test_paths_exist() -> None:
    texts = GUIDE + SECURITY + COMMENTS
    pattern = r"\b((?:docker|sweeps|tests|orchestrator)/[\w./-]*\w)"
    found = set(re.findall(pattern, re.sub(r"\S*(?:://|~|\$\w+)/?\S*", "", texts)))
    assert len(found) > 8
    assert [path for path in found if not (ROOT / path).exists()] == []


def test_anchors_lead_somewhere() -> None:
    headings = {h.lower().replace(" ", "-") for h in re.findall(r"^#+ (.*)$", GUIDE, re.M)}
    links = re.findall(r"\]\((?:docker/README\.md)?#([^)]+)\)", GUIDE + SECURITY)
    assert links
    assert set(links) <= headings


def test_docker_builds_what_the_dockerfile_has() -> None:
    builds = of("docker", "build")
    for words in builds:
        assert (ROOT / words[words.index("-f") + 1]).is_file()
        assert words[words.index("--target") + 1] in stages()
    images = {words[words.index("-t") + 1] for words in builds}
    assert images == {service["image"] for service in compose()["services"].values()}
    for text in re.findall(r"--build-arg ([A-Z][^`]*)`", GUIDE):
        assert {word.partition("=")[0] for word in text.split()} <= set(arguments())


def test_compose_is_called_by_its_names() -> None:
    for words in of("docker", "compose"):
        assert (ROOT / words[words.index("-f") + 1]).is_file()
        if "--scale" in words:
            name = words[words.index("--scale") + 1].partition("=")[0]
            assert name in compose()["services"]
        if "--profile" in words:
            profile = words[words.index("--profile") + 1]
            assert [s for s in compose()["services"].values() if profile in s.get("profiles", [])]
    text = (DOCKER / "compose.yaml").read_text()
    used = set(re.findall(r"\$\{(\w+)", text))
    section = GUIDE[GUIDE.index("## Compose") : GUIDE.index("## KubeRay")]
    assert {name for name in used if not re.search(rf"\b{name}\b", section)} == set()
    for name, default in re.findall(r"`(\w+)` \((\w+)\)", section):
        assert f"${{{name}:-{default}}}" in text


def test_kubectl_names_what_the_files_make() -> None:
    files = [words[words.index("-f") + 1] for words in of("kubectl", "apply")]
    assert {Path(file).name for file in files} == {"cluster.yaml", "job.yaml"}
    (cluster,) = custom("RayCluster")
    name = cluster["metadata"]["name"]
    assert f"service/{name}-head-svc" in " ".join(of("kubectl", "port-forward")[0])
    assert f"kubectl get secret {name} " in GUIDE
    assert f"ray.io/cluster={name}," in GUIDE
    (job,) = custom("RayJob")
    assert of("kubectl", "get", "rayjob") == [[job["metadata"]["name"]]]
    (secret,) = [words[0] for words in of("kubectl", "create", "secret", "generic")]
    head = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    assert head["envFrom"] == [{"secretRef": {"name": secret, "optional": True}}]


def test_what_s3_is_told_is_what_the_storage_reads() -> None:
    told = set(re.findall(r"`(AWS_[A-Z_]+)=…`", GUIDE))
    code = "".join(path.read_text() for path in (ROOT / "results" / "backends").glob("s3*.py"))
    assert "AWS_ENDPOINT_URL" in told
    assert [name for name in told if name not in code] == []


def test_what_slurm_is_given_is_what_run_takes() -> None:
    for words in of("sbatch"):
        script = words.index("docker/slurm.sh")
        assert parsed(["run", *words[script + 1 :], "--address", "10.0.0.1:6379"]) == "run"
