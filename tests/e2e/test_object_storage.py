"""A sweep whose run directory is a prefix of a bucket: run, asked, killed, resumed, struck."""

import random
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from orchestrator import actions, reading
from orchestrator.cluster import nodes
from orchestrator.errors import RunnerError
from orchestrator.runners.ray_seen import refuse_unseen
from results.ledger import Ledger
from results.store import Store
from tests.bucket import SECRET, Proxy, new_bucket, use
from tests.e2e.conftest import COMMAND, KINDS, rows, wait_for
from tests.orchestrator.sweeps import trivial


@pytest.fixture
def storage(s3, monkeypatch, tmp_path):
    """A URL below which nothing is yet; this process and those it starts reach it."""
    use(s3, monkeypatch=monkeypatch, copies=tmp_path / "copies")
    return new_bucket(s3)


@pytest.fixture
def rays_folder(monkeypatch):
    """Where Ray keeps its logs and all else."""
    with tempfile.TemporaryDirectory(prefix="cs-") as folder:  # Short: sockets lie in it.
        monkeypatch.setenv("RAY_TMPDIR", folder)
        yield Path(folder)


@pytest.fixture
def sweep(tmp_path):
    """Writes a sweep of trivial trials that save a checkpoint after each step."""

    def write(*, steps=3, **keys):
        path = tmp_path / "t.yaml"
        path.write_text(trivial(checkpoint={"every": "1 step"}, workload={"steps": steps}, **keys))
        return path

    return write


@pytest.fixture
def cliffsweep(tmp_path):
    """Runs the command in a process of its own."""

    def run(*words):
        command = [*COMMAND, *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=240)
        assert done.returncode == 0, done.stderr
        assert SECRET not in done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def _undisturbed(path, tmp_path):
    calm = tmp_path / "calm"
    actions.run(path, storage=str(calm), kinds=[str(KINDS)], runner="inline")
    return rows(calm / "t")


def _ends(store):
    """How often each trial ended well."""
    ended = [e.trial_id for e in Ledger(store, sweep="t").events() if e.status == "completed"]
    return sorted(Counter(ended).values())


def test_every_verb_finds_in_a_bucket_what_a_run_stored(storage, sweep, cliffsweep, tmp_path):
    path = str(sweep(values=[1.0, 2.0, 3.0]))
    there = ("--storage", storage)
    said = cliffsweep("run", path, "--inline", "--kinds", str(KINDS), *there)
    assert "3 completed of 3" in said
    assert actions.status("t", storage=storage).driver is None
    table = cliffsweep("sql", "t", "SELECT status, total FROM trials ORDER BY total", *there)
    assert table.split()[2:] == ["completed", "3", "completed", "6", "completed", "9"]
    assert "all 3 cells are done" in cliffsweep("resume", "t", "--inline", *there)
    assert [found.sweep for found in reading.ls(storage=storage)] == ["t"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copies", "t.yaml"]
    stored = Store(f"{storage}/t")
    assert not any(SECRET.encode() in data for data in stored.read_all(stored.list()))


@pytest.mark.long  # The contract tests hold what it rests on for each storage, in milliseconds.
def test_a_driver_that_is_killed_loses_nothing_in_a_bucket(storage, sweep, tmp_path):
    path = sweep(steps=40, values=[1.0, 2.0])
    words = ["run", str(path), "--inline", "--kinds", str(KINDS), "--storage", storage]
    process = subprocess.Popen([*COMMAND, *words], stdout=subprocess.DEVNULL, stderr=-3)
    store = Store(f"{storage}/t")
    saved = set()

    def saved_often():
        assert process.poll() is None, "it ended before it could be killed"
        saved.update(store.list("checkpoints/"))
        return len(saved) >= 3

    try:
        wait_for(saved_often, seconds=240)
    finally:
        process.kill()
        process.wait()
    summary = actions.resume("t", storage=storage, runner="inline")
    assert summary.counts == {"completed": 2}
    resumed = [e.resumed_from for e in Ledger(store, sweep="t").events() if e.attempt == 1]
    assert any(resumed)
    assert rows(store.root) == _undisturbed(path, tmp_path)
    assert _ends(store) == [1, 1]


@pytest.mark.ray
def test_workers_of_ray_bear_a_storage_that_fails_now_and_then(
    s3, storage, sweep, cliffsweep, monkeypatch, tmp_path, rays_folder
):
    path = sweep(values=[float(n) for n in range(1, 6)])
    draw = random.Random(0)
    struck = Counter()

    def fault(method, _path):
        what = draw.choice(["500", "busy", "cut", "lost"]) if draw.random() < 0.08 else None
        struck[what] += 1
        return what

    with Proxy(s3) as proxy:
        proxy.fault = fault
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        said = cliffsweep("run", str(path), "--kinds", str(KINDS), "--storage", storage)
        assert "5 completed of 5" in said
        assert min(struck[what] for what in ("500", "busy", "cut", "lost")) > 0
        proxy.fault = lambda _method, _path: None
        store = Store(f"{storage}/t")
        assert _ends(store) == [1] * 5
        assert {event.attempt for event in Ledger(store, sweep="t").events()} == {0}
        assert rows(store.root) == _undisturbed(path, tmp_path)
    written = [path for path in rays_folder.rglob("*") if path.is_file()]
    assert any(path.name.startswith("worker-") for path in written), "Ray wrote elsewhere"
    assert [path for path in written if SECRET.encode() in path.read_bytes()] == []


@pytest.mark.ray
def test_a_path_that_workers_do_not_see_is_refused_with_the_way_out(cluster, tmp_path, monkeypatch):
    shared = tmp_path / "shared" / "t"
    refuse_unseen(str(shared), nodes())
    assert Store(shared).list() == []
    monkeypatch.chdir(tmp_path)  # The same words name another folder in each process from here on.
    with pytest.raises(RunnerError, match=r"got 1 of 1 that do not .*s3://bucket/prefix"):
        refuse_unseen("/proc/self/cwd/runs/t", nodes())
    assert Store(tmp_path / "runs" / "t").list() == []
