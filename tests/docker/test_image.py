"""The commands of compose.yaml and of the Ray job run as they stand, from the wheel, locked in.

Two containers, by namespaces: a head and a worker, with the image's environment and the commands
and health checks of compose.yaml word for word. Then the entrypoint of the Ray job runs a sweep.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator import actions
from tests.docker.containers import USER, Container, container, joined, refusal
from tests.docker.files import ROOT, compose, custom, filled, variables

pytestmark = pytest.mark.skipif(bool(refusal()), reason=refusal() or "")

HEAD, WORKER = "10.213.77.1", "10.213.77.2"
SWEEP = """\
version: 1
name: one_cell
workload:
  task: {kind: fashion_mnist, train_size: 640, validation_size: 100}
  model: {kind: mlp, hidden: [16]}
  train: {epochs: 1, batch_size: 64}
grids:
  - name: only
    parameters: {activation: [relu]}
baseline: {activation: relu}
resources: {cpu: 1, memory: 256MiB}
"""


@dataclass(frozen=True)
class Cluster:
    """A head and a worker that have found each other."""

    head: Container
    worker: Container
    storage: Path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the build's stage `code` leaves: our wheel, installed by itself under a prefix."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (file,) = folder.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    options = [
        "--disable-pip-version-check",
        "--ignore-installed",
        "--prefix",
        str(folder / "code"),
    ]
    subprocess.run([*pip, *options, str(file)], check=True, capture_output=True)
    return folder / "code"


@pytest.fixture(scope="module")
def places(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What containers are given: code, storage, token, and the names of machines."""
    folder = tmp_path_factory.mktemp("compose")
    found = {name: folder / name for name in ("storage", "token", "names")}
    found["storage"].mkdir()
    found["token"].write_text("a" * 64)
    found["token"].chmod(0o600)
    for name in ("storage", "token"):
        os.chown(found[name], USER, USER)
    found["names"].write_text(f"127.0.0.1 localhost\n{HEAD} head\n{WORKER} worker\n")
    return found | {"wheel": wheel}


@pytest.fixture(scope="module")
def cluster(places: dict[str, Path]) -> Iterator[Cluster]:
    """compose.yaml's head and worker, both healthy."""

    def started(service: str) -> AbstractContextManager[Container]:
        log = places["names"].with_name(f"{service}.log")
        found = environment(service, places["wheel"])
        return container(*command(service), environment=found, log=log, **places)

    with started("head") as head, started("worker") as worker:
        joined(head, worker, addresses=(HEAD, WORKER))
        for found, service in ((head, "head"), (worker, "worker")):
            found.begin()
            healthy(found, service)
        yield Cluster(head, worker, places["storage"])


def command(service: str) -> list[str]:
    """What compose.yaml starts."""
    return [filled(word) for word in compose()["services"][service]["command"]]


def environment(service: str, wheel: Path) -> dict[str, str]:
    """What a process finds: the image's variables, the service's, and where the wheel is here.

    In the image one folder holds the packages and our code; here they are two.
    """
    (packages,) = wheel.glob("lib/python*/site-packages")
    given = {k: filled(v) for k, v in compose()["services"][service]["environment"].items()}
    found = variables("cpu") | {name: value for name, value in given.items() if value}
    search = f"/opt/venv/bin:{Path(sys.prefix) / 'bin'}:/usr/local/bin:/usr/bin:/bin"
    return found | {
        "PATH": search,
        "PYTHONPATH": f"/opt/venv/{packages.relative_to(wheel)}",
    }


def healthy(found: Container, service: str) -> None:
    """Asks as compose does, as often as it would, until the check is content."""
    kind, *check = compose()["services"][service]["healthcheck"]["test"]
    assert kind == "CMD"
    until = time.monotonic() + 150
    while (done := found.run(*check)).returncode != 0:
        assert found.process.poll() is None, found.log.read_text()
        assert time.monotonic() < until, done.stderr + found.log.read_text()
        time.sleep(0.5)


def test_a_container_leaves_no_process_behind(places: dict[str, Path], tmp_path: Path) -> None:
    words = ["sh", "-c", "sleep 1000 & sleep 1000"]
    with container(*words, environment={"PATH": "/bin"}, log=tmp_path / "log", **places) as found:
        found.begin()
        number = namespace(found.inside)
        assert number is not None
        assert number in everywhere()
    assert number not in everywhere()


def namespace(pid: int | str) -> str | None:
    """The namespace of a process' number; None if it is gone."""
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return None


def everywhere() -> set[str | None]:
    """The namespaces in which something lives."""
    return {namespace(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()}


def test_the_command_is_the_wheels(cluster: Cluster) -> None:
    told = cluster.head.run("cliffsweep", "--version")
    assert (told.returncode, told.stderr) == (0, "")
    where = "import orchestrator, results, workloads; print(orchestrator.__file__)"
    assert cluster.head.run("python", "-c", where).stdout.startswith("/opt/venv/lib/")


@pytest.mark.parametrize("place", ["/", "/opt/venv", "/usr/local", "/run/secrets", "/etc/hosts"])
def test_nothing_is_writable(cluster: Cluster, place: str) -> None:
    assert cluster.head.run("test", "-w", place).returncode == 1


def test_the_entrypoint_of_the_job_runs_a_sweep(cluster: Cluster) -> None:
    (job,) = custom("RayJob")
    words = shlex.split(job["spec"]["entrypoint"])
    assert words[2].startswith("/sweeps/")
    sweep = cluster.storage / "one_cell.yaml"
    sweep.write_text(SWEEP)
    words[2] = str(sweep)
    done = cluster.head.run(*words, CLIFFSWEEP_STORAGE=str(cluster.storage))
    assert done.returncode == 0, done.stderr
    assert "1 completed of 1" in done.stdout
    assert actions.status("one_cell", storage=str(cluster.storage)).counts == {"completed": 1}
    assert (cluster.storage / "one_cell").stat().st_uid == USER


@pytest.mark.long
def test_a_sweep_is_submitted_and_watched(cluster: Cluster) -> None:
    """The other container is the laptop; the driver is a job on the head, as locked as it is."""
    sweep = cluster.storage / "submitted.yaml"
    sweep.write_text(SWEEP.replace("one_cell", "submitted"))
    storage = str(cluster.storage)
    words = ["cliffsweep", "submit", str(sweep), "--address", "http://head:8265"]
    done = cluster.worker.run(*words, CLIFFSWEEP_STORAGE=storage)
    assert (done.returncode, done.stdout) == (0, "submitted\n"), done.stderr
    watched = cluster.worker.run("cliffsweep", "watch", "submitted", CLIFFSWEEP_STORAGE=storage)
    assert "1 completed of 1" in watched.stdout, watched.stderr


@pytest.mark.parametrize(("token", "answer"), [(None, "401"), ("b" * 64, "403"), ("a" * 64, "200")])
def test_the_job_endpoint_wants_the_token(cluster: Cluster, token: str | None, answer: str) -> None:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    ask = (
        "import urllib.error as e, urllib.request as u\n"
        f"asked = u.Request('http://head:8265/api/jobs/', headers={headers})\n"
        "try: print(u.urlopen(asked, timeout=20).status)\n"
        "except e.HTTPError as refused: print(refused.code)\n"
    )
    assert cluster.worker.run("python", "-c", ask).stdout.strip() == answer
