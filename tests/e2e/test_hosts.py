"""A sweep on machines of their own: a link that is cut, a head that is killed, who gets in."""

from __future__ import annotations

import functools
import json
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator import actions
from results.ledger import Event, Ledger
from results.store import Store
from tests.e2e.conftest import COMMAND, KINDS, wait_for
from tests.e2e.hosts import Host, Switch, environment, network, why_not

pytestmark = pytest.mark.ray

GCS, JOBS = 6379, 8265
PORTS = {
    "--node-manager-port": 6380,
    "--object-manager-port": 6381,
    "--runtime-env-agent-port": 6382,
    "--dashboard-agent-listen-port": 6383,
    "--dashboard-agent-grpc-port": 6384,
    "--metrics-export-port": 6385,
    "--min-worker-port": 10002,
    "--max-worker-port": 10101,
}
ONLY_ON_THE_HEAD = {GCS, JOBS, 10001, 44217, 44227}
"""Ray's own: its address, its job server, its client server, the numbers of autoscaler and
dashboard."""
TIMEOUTS = {
    "RAY_health_check_initial_delay_ms": "2000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "8",
    "RAY_raylet_start_wait_time_s": "120",
}
"""A lost node is noticed after 7 s instead of half a minute, a lost head after 8 s instead of a
minute; a start may take longer than half a minute."""
RAY = [sys.executable, "-m", "ray.scripts.scripts", "start"]

SWEEP = """\
version: 1
name: hosts
workload: {kind: sleeping, seconds: 12, steps: 60}
grids:
  - name: seeds
    parameters: {seed: SEEDS}
checkpoint: {every: 5 steps}
retry: {max: 0, backoff: 0.1s}
max_failed_trials: 0
"""


soon = functools.partial(wait_for, seconds=200, every_s=0.2)


class Cluster:
    """A head and two workers, and a laptop beside them.

    Attributes:
        cores: of each worker.
        env: what every process of it is told, the token's place among it.
    """

    def __init__(self, folder: Path, switch: Switch, hosts: list[Host], *, cores: int) -> None:
        self.folder, self.switch, self.cores = folder, switch, cores
        self.head, self.one, self.two, self.laptop = hosts
        self.token = folder / "token"
        self.token.write_text(secrets.token_hex(32))
        self.token.chmod(0o600)
        self.env = environment(
            RAY_AUTH_MODE="token",
            RAY_AUTH_TOKEN_PATH=str(self.token),
            RAY_worker_niceness="0",
            **TIMEOUTS,
        )

    @property
    def address(self) -> str:
        return f"{self.head.address}:{GCS}"

    def start(self) -> None:
        """Starts Ray on the head, then on the workers, and waits for all."""
        head = ["--head", "--port", str(GCS), "--num-cpus", "0"]
        jobs = ["--dashboard-host", self.head.address, "--dashboard-port", str(JOBS)]
        self._ray(self.head, [*head, *jobs], lambda: "head" in self.nodes())
        words = ["--address", self.address, "--num-cpus", str(self.cores)]

        def join(host: Host) -> None:
            self._ray(host, words, lambda: host.name in self.nodes())

        with ThreadPoolExecutor() as pool:
            list(pool.map(join, (self.one, self.two)))

    def _ray(self, host: Host, words: list[str], up: Callable[[], bool]) -> None:
        """Starts Ray on a machine, once more where the start took longer than it allows (30 s)."""
        fixed = [word for name, port in PORTS.items() for word in (name, str(port))]
        common = ["--node-ip-address", host.address, "--object-store-memory", str(80 << 20)]
        words = [*RAY, *words, *fixed, *common, "--disable-usage-stats", "--block"]
        log = self.folder / f"{host.name}.log"
        for _ in range(3):
            process = host.start(*words, log=log, env=self.env)
            soon(lambda process=process: process.poll() is not None or up())
            if process.poll() is None:
                return
            host.kill_all()
        raise AssertionError(log.read_text())

    def asks(self, token: str, path: str = "/api/version") -> tuple[int, str]:
        """What the job server answers the laptop: HTTP status and text."""
        code = (
            "import sys, urllib.error, urllib.request as u\n"
            "request = u.Request(sys.argv[1], headers={'Authorization': 'Bearer ' + sys.argv[2]})\n"
            "try:\n    answer = u.urlopen(request, timeout=5)\n"
            "except urllib.error.HTTPError as error:\n    answer = error\n"
            "except OSError as error:\n    print(0, error)\n    sys.exit()\n"
            "print(answer.status, answer.read().decode())\n"
        )
        url = f"http://{self.head.address}:{JOBS}{path}"
        done = self.laptop.run(sys.executable, "-c", code, url, token, check=True)
        status, _, text = done.stdout.partition(" ")
        return int(status), text

    def nodes(self) -> list[str]:
        """Names of the machines that Ray takes for alive."""
        found = self.asks(self.token.read_text(), "/nodes?view=summary")
        if found[0] != 200:
            return []
        summary = json.loads(found[1])["data"]["summary"]
        return [n.get("hostname", "") for n in summary if n["raylet"].get("state") == "ALIVE"]

    def types(self, *words: str, token: Path | None = None) -> subprocess.CompletedProcess[str]:
        """What the command answers that somebody types on the laptop."""
        given = ["--storage", str(self.folder), "--address", f"http://{self.head.address}:{JOBS}"]
        env = self.env | {"RAY_AUTH_TOKEN_PATH": str(token or self.token)}
        return self.laptop.run(*COMMAND, *words, *given, env=env, timeout=120)

    def events(self) -> list[Event]:
        """All events of the sweep so far."""
        return Ledger(Store(self.folder / "hosts"), sweep="hosts").events()

    def at_work(self, host: Host) -> set[tuple[str, int]]:
        """Attempts that have begun on a machine and not ended, by the store."""
        begun = {(e.trial_id, e.attempt) for e in self.events() if e.host == host.name}
        return begun - {(e.trial_id, e.attempt) for e in self.events() if e.status != "running"}

    def ended(self, failure_class: str) -> set[tuple[str, int]]:
        """Attempts that ended so."""
        return {(e.trial_id, e.attempt) for e in self.events() if e.failure_class == failure_class}


@pytest.fixture
def cluster(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster on machines of its own, not yet started; its parameter: cores of a worker."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with network("head", "one", "two", "laptop") as (switch, hosts):
        yield Cluster(tmp_path, switch, hosts, cores=request.param)


def only_documented(cluster: Cluster) -> None:
    """Looks at every machine for a port that nobody was told of."""
    inside = {*PORTS.values(), *range(PORTS["--min-worker-port"], PORTS["--max-worker-port"])}
    for host, more in (
        (cluster.head, ONLY_ON_THE_HEAD),
        (cluster.one, set()),
        (cluster.two, set()),
    ):
        open_ports = {port for _, port in host.listening()}
        assert open_ports <= inside | more, host.name
        assert PORTS["--node-manager-port"] in open_ports, "Ray is not there"
    assert not cluster.laptop.listening()


def nobody_without_the_token(cluster: Cluster, file: Path) -> None:
    """Tries another token: at the job server, and with the command."""
    other = cluster.folder / "other"
    other.write_text(secrets.token_hex(32))
    other.chmod(0o600)
    assert cluster.asks(other.read_text())[0] == 403
    refused = cluster.types("submit", str(file), "--kinds", str(KINDS), token=other)
    assert refused.returncode == 2
    assert "got a wrong one" in refused.stderr
    assert not cluster.events()


def submit(cluster: Cluster, *, trials: int) -> None:
    """Submits a sweep from the laptop, and waits until both workers are busy with it."""
    file = cluster.folder / "hosts.yaml"
    file.write_text(SWEEP.replace("SEEDS", str(list(range(trials)))))
    nobody_without_the_token(cluster, file)
    sent = cluster.types("submit", str(file), "--kinds", str(KINDS))
    assert (sent.returncode, sent.stdout) == (0, "hosts\n"), sent.stderr
    soon(lambda: all(len(cluster.at_work(h)) == cluster.cores for h in (cluster.one, cluster.two)))


def cut(cluster: Cluster, host: Host) -> set[tuple[str, int]]:
    """Cuts a machine off until its trials are lost, then mends the link; returns what was lost."""
    struck = cluster.at_work(host)
    cluster.switch.cut(host)
    soon(lambda: struck <= cluster.ended("node_lost"))
    cluster.switch.mend(host)
    soon(lambda: not host.processes())  # Ray took it for dead, so it ends there.
    return struck


def all_once(cluster: Cluster, *, trials: int, lost: set[tuple[str, int]]) -> None:
    """Waits for the end of the sweep, and looks for each row once."""
    soon(lambda: sum(e.status == "completed" for e in cluster.events()) == trials)
    ends = Counter((e.status, e.failure_class) for e in cluster.events() if e.status != "running")
    assert ends["completed", None] == trials
    assert cluster.ended("node_lost") == lost
    assert set(ends) <= {("completed", None), ("failed", "node_lost"), ("failed", "preempted")}
    text = "SELECT count(*) AS n, count(DISTINCT (trial_id, step)) AS d FROM metrics"
    text = f"{text} WHERE name = 'slept'"
    (rows,) = actions.sql("hosts", text, storage=str(cluster.folder)).to_pylist()
    assert rows == {"n": trials * 61, "d": trials * 61}


@pytest.mark.parametrize("cluster", [1], indirect=True)
def test_trials_behind_a_cut_link_are_lost_and_finish_elsewhere_once(cluster: Cluster) -> None:
    cluster.start()
    only_documented(cluster)
    submit(cluster, trials=2)
    only_documented(cluster)
    struck = cut(cluster, cluster.one)
    all_once(cluster, trials=2, lost=struck)
    again = {(trial, attempt + 1) for trial, attempt in struck}
    hosts = {e.host for e in cluster.events() if (e.trial_id, e.attempt) in again}
    assert hosts == {cluster.two.name}


@pytest.mark.long
@pytest.mark.parametrize("cluster", [2], indirect=True)
def test_a_head_that_is_killed_behind_a_cut_link_costs_no_row(cluster: Cluster) -> None:
    cluster.start()
    submit(cluster, trials=8)
    struck = cut(cluster, cluster.one)
    cluster.head.kill_all()
    soon(lambda: not cluster.two.processes())  # Without a head for too long.
    assert sum(e.status == "completed" for e in cluster.events()) < 8
    cluster.start()
    resumed = cluster.types("resume", "hosts")
    assert resumed.returncode == 0, resumed.stderr
    all_once(cluster, trials=8, lost=struck)
