"""What a client hears from a job, which job it takes for its own, and how a driver is followed."""

import json
import threading

import pytest

from orchestrator.cli.submitted import ending_when_asked, in_place_of_another
from orchestrator.cli.submitted import main as submitted
from orchestrator.cluster_jobs import Job
from orchestrator.clusters import Cluster
from orchestrator.control import MAKE_ROOM
from orchestrator.errors import InputError, LeaseError, RunnerError
from orchestrator.lease import Lease, holder_of
from orchestrator.options import Options
from orchestrator.parcel import Order, pack, read_order
from orchestrator.submitting import ANSWER, LONGEST_S, hear, resume, submit

ADDRESS = "http://head:8265"
SWEEP = "version: 1\nname: t\nworkload: {kind: command, run: [python, -c, 'pass']}\n"


class FakeEndpoint:
    """A job endpoint that remembers what it was given, and says what a test wants it to."""

    readable = False

    def __init__(self, words=f'{ANSWER}{{"total": 1, "left": 1}}\n', status="RUNNING"):
        self.cluster = Cluster(address=ADDRESS)
        self.known = []
        self.orders = []
        self.said = words
        self.status = status

    def jobs(self):
        return self.known

    def job(self, job_id):
        return Job(id=job_id, status=self.status, message="said by Ray", metadata={})

    def words(self, job_id):
        return self.said

    def start(self, job_id, command, *, folder, metadata):
        if any(job.id == job_id for job in self.known):
            raise RunnerError("exists")
        self.orders.append(Order(**read_order(folder)))
        self.sent = {p.name: p.read_text() for p in (folder / "sweep").iterdir()}
        self.known.append(Job(id=job_id, status="RUNNING", message="", metadata=metadata))


@pytest.fixture
def cluster(monkeypatch):
    """Every address leads to it."""
    found = FakeEndpoint()
    monkeypatch.setattr("orchestrator.cluster_jobs.Endpoint", lambda cluster: found)
    return found


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text(SWEEP)
    return path


@pytest.fixture
def place(tmp_path):
    return {"address": ADDRESS, "storage": str(tmp_path / "runs")}


@pytest.mark.parametrize("storage", ["runs", "./runs", "~/runs"])
def test_a_relative_storage_is_refused_before_anything_is_asked(file, cluster, storage):
    with pytest.raises(InputError, match="means the same here and on the cluster"):
        submit(file, address=ADDRESS, storage=storage)
    assert cluster.orders == []


def test_the_file_is_checked_here_first(file, place, cluster):
    file.write_text(SWEEP.replace("version: 1", "version: 2"))
    with pytest.raises(InputError, match="version is 1"):
        submit(file, **place)
    assert cluster.orders == []


def test_a_url_needs_no_path(file, cluster):
    assert submit(file, address=ADDRESS, storage="s3://bucket/runs").storage == "s3://bucket/runs"


def test_the_same_attaches_and_another_takes_over(file, place, cluster):
    first = submit(file, **place)
    assert (first.sweep, first.total, first.left, first.attached) == ("t", 1, 1, False)
    assert submit(file, **place).attached
    assert resume("t", **place).job == first.job
    file.write_text(SWEEP + "tags: [edited]\n")
    second = submit(file, **place)
    assert second.job != first.job
    assert [order.take_over for order in cluster.orders] == [False, True]


def test_what_ended_is_done_again_under_another_name(file, place, cluster):
    first = submit(file, **place)
    done = Job(**{s: getattr(cluster.known[0], s) for s in Job.__slots__} | {"status": "FAILED"})
    cluster.known = [done]
    again = submit(file, **place)
    assert (again.attached, again.job != first.job) == (False, True)
    assert cluster.orders[-1].take_over is False


def test_some_trials_never_push_a_driver_aside(file, place, cluster):
    submit(file, **place)
    resume("t", **place, options=Options(only=("ab",)))
    assert cluster.orders[-1].only == ("ab",)
    assert cluster.orders[-1].take_over is False


def test_another_storage_is_another_sweep(file, place, cluster):
    submit(file, **place)
    assert not submit(file, **place | {"storage": "/elsewhere"}).attached


@pytest.mark.parametrize(("code", "kind"), [(1, RunnerError), (2, InputError), (4, LeaseError)])
def test_what_a_job_refuses_is_raised_here(code, kind):
    words = f"noise\n{ANSWER}{json.dumps({'refused': 'because', 'exit_code': code})}\n"
    with pytest.raises(kind, match="because"):
        hear(FakeEndpoint(words, "FAILED"), "j", wait=lambda s: None)


def test_a_job_that_ends_without_a_word_is_told_with_its_own():
    with pytest.raises(RunnerError, match="got: python: not found"):
        hear(FakeEndpoint("python: not found\n", "FAILED"), "j", wait=lambda s: None)
    with pytest.raises(RunnerError, match="said by Ray"):
        hear(FakeEndpoint("", "FAILED"), "j", wait=lambda s: None)
    words = "/usr/bin/python: No module named orchestrator\n"
    with pytest.raises(InputError, match=r"cliffsweep \S+ is needed on the cluster"):
        hear(FakeEndpoint(words, "FAILED"), "j", wait=lambda s: None)


def test_a_job_that_waits_its_turn_is_left_alone_after_two_minutes(clock):
    slept = []

    def wait(seconds):
        slept.append(seconds)
        clock.forward(seconds)

    assert hear(FakeEndpoint("", "PENDING"), "j", monotonic=clock, wait=wait) == {}
    assert sum(slept) == pytest.approx(LONGEST_S, abs=1)


def test_the_cluster_refuses_another_version_before_it_does_anything(tmp_path, capsys):
    pack(tmp_path, Order(version="0.0.1", sweep="t", storage=str(tmp_path / "runs")))
    assert submitted(tmp_path) == 2
    out = capsys.readouterr().out
    answer = json.loads(out.removeprefix(ANSWER))
    assert answer["exit_code"] == 2
    assert "got 0.0.1 here and" in answer["refused"]
    assert not (tmp_path / "runs").exists()


def test_a_newer_order_is_refused_for_its_version_not_its_keys(tmp_path, capsys):
    (tmp_path / "parcel.json").write_text('{"version": "99", "sweep": "t", "unknown": 1}')
    assert submitted(tmp_path) == 2
    assert "got 99 here and" in capsys.readouterr().out


def test_a_driver_is_asked_to_end_and_then_followed(store, clock):
    lease = Lease(store)
    lease.acquire()

    def wait(seconds):
        clock.forward(seconds)
        if store.exists(MAKE_ROOM):
            lease.release()

    def go():
        assert holder_of(store) is None
        return "done"

    assert in_place_of_another(go, store, limit_s=90, monotonic=clock, wait=wait) == "done"


def test_a_driver_that_does_not_end_keeps_the_sweep(store, clock):
    with Lease(store):

        def go():
            raise LeaseError("held")

        with pytest.raises(LeaseError, match="held"):
            in_place_of_another(go, store, limit_s=3, monotonic=clock, wait=clock.forward)


def test_a_driver_ends_when_another_asks_for_room(store, monkeypatch):
    monkeypatch.setattr("orchestrator.cli.running.stop_on_signals", lambda queue: None)
    stopped = threading.Event()
    ending_when_asked(store, wait=lambda s: store.put(MAKE_ROOM, b""))(Queue(stopped))
    assert stopped.wait(timeout=30)


class Queue:
    """A queue of trials that only stops."""

    def __init__(self, stopped):
        self.stop = stopped.set


def test_submit_prints_the_name_alone(file, place, cluster, typed):
    words = [word for name, value in place.items() for word in (f"--{name}", value)]
    code, out, err = typed("submit", str(file), *words)
    assert (code, out) == (0, "t\n")
    assert "1 cells, 1 to run" in err
    assert f"cliffsweep watch t --storage {place['storage']}" in err
    code, out, err = typed("submit", str(file), *words, "--json")
    told = json.loads(out)
    assert (code, told["sweep"], told["attached"], told["storage"]) == (
        0,
        "t",
        True,
        place["storage"],
    )
    code, out, err = typed("resume", "t", *words)
    assert (code, out) == (0, "t\n")
    assert "is at work on it already" in err
    assert len(cluster.orders) == 1


def test_what_the_command_line_adds_travels(file, place, cluster, typed):
    words = [word for name, value in place.items() for word in (f"--{name}", value)]
    given = ("--gpu", "0.5", "--cpu", "2", "--data", "/data", "--only", "ab", "--steal")
    assert typed("submit", str(file), *words, *given)[0] == 0
    (order,) = cluster.orders
    assert (order.gpu, order.cpu, order.data_dir) == (0.5, 2.0, "/data")
    assert (order.only, order.steal, order.file) == (("ab",), True, "t.yaml")


def test_what_changed_the_file_on_the_way_is_what_is_sent(file, place, cluster):
    file.write_text(
        "version: 1\nname: t\nworkload: {task: random_data, model: {kind: mlp}}\n"
        "grids: [{name: g, parameters: {seed: [1]}}]\n"
    )
    submit(file, **place, overrides=["seed=7,8"])
    assert "7" in cluster.sent["t.yaml"]
    keys = {"version": 1, "name": "t", "workload": {"task": "random_data", "model": "mlp"}}
    assert submit(keys, **place).job
    assert "random_data" in cluster.sent["t.yaml"]


def test_run_does_not_take_a_job_endpoint_for_a_cluster_to_join(file, place, typed):
    code, out, err = typed("run", str(file), "--address", place["address"])
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "`cliffsweep submit` hands the sweep to it" in err
