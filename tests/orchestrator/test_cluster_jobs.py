"""Talking to a job endpoint: who is believed, what is shown to whom, how failures are told."""

import json
import logging
import shutil
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from orchestrator.cluster_jobs import Endpoint
from orchestrator.clusters import Cluster
from orchestrator.errors import InputError, RunnerError

TOKEN = "5e5ce3ec54325e5306e7"
JOB = {
    "type": "SUBMISSION",
    "submission_id": "cliffsweep-t-1",
    "status": "RUNNING",
    "entrypoint": "x",
    "metadata": {"sweep": "t"},
}


class Server:
    """Answers as Ray's head does, and keeps what it was shown."""

    def __init__(self, context=None):
        shown = self.shown = []
        answers = self.answers = {
            "/api/version": (200, {"ray_version": "2.60.0", "version": "4"}),
            "/api/jobs/": (200, [JOB]),
        }

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                shown.append((self.path, self.headers.get("Authorization")))
                status, document = answers.get(self.path, (404, {}))
                if document == "refuse":
                    status = 401 if shown[-1][1] is None else 403
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", document)
                body = json.dumps(document).encode()
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server():
    started = Server()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that nobody knows, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    command = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", "/CN=cliffsweep test", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(["openssl", *command.split(), *names, *files], check=True, capture_output=True)
    return folder


@pytest.fixture
def secure(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    started = Server(context)
    yield started
    started.stop()


def at(server, *, scheme="http"):
    return Cluster(address=f"{scheme}://127.0.0.1:{server.port}")


def test_every_question_shows_the_token(server):
    endpoint = Endpoint(at(server), environ={"RAY_AUTH_TOKEN": TOKEN})
    (job,) = endpoint.jobs()
    assert (job.id, job.alive, dict(job.metadata)) == ("cliffsweep-t-1", True, {"sweep": "t"})
    assert endpoint.ray_version == "2.60.0"
    assert {shown for _, shown in server.shown} == {f"Bearer {TOKEN}"}
    assert {path for path, _ in server.shown} == {"/api/version", "/api/jobs/"}


def test_rays_own_addresses_do_not_overrule_the_one_that_was_given(server, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:9")
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:9")
    assert len(Endpoint(at(server), environ={"RAY_AUTH_MODE": "disabled"}).jobs()) == 1


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"RAY_AUTH_MODE": "disabled"}, "got none"),
        ({"RAY_AUTH_TOKEN": TOKEN}, "got a wrong one"),
    ],
)
def test_a_refusal_says_why_and_not_what(server, environ, told):
    server.answers["/api/version"] = (0, "refuse")
    with pytest.raises(InputError, match=told) as refused:
        Endpoint(at(server), environ=environ)
    assert TOKEN not in str(refused.value)


def test_nobody_is_led_elsewhere_with_the_token(server):
    other = Server()
    server.answers["/api/version"] = (302, f"http://127.0.0.1:{other.port}/api/version")
    with pytest.raises(RunnerError, match="got HTTP 302"):
        Endpoint(at(server), environ={"RAY_AUTH_TOKEN": TOKEN})
    other.stop()
    assert other.shown == []


@pytest.mark.parametrize("document", [[], "text"])
def test_what_is_no_head_is_told(server, document):
    server.answers["/api/version"] = (200, document)
    with pytest.raises(RunnerError, match="the job endpoint of a Ray cluster answers, got"):
        Endpoint(at(server), environ={"RAY_AUTH_MODE": "disabled"})


def test_an_address_to_join_takes_no_jobs():
    with pytest.raises(InputError, match="the job endpoint of a cluster is needed, got head:6379"):
        Endpoint(Cluster(address="head:6379"))


def test_https_asks_for_a_certificate_that_is_known(secure, certificate):
    environ = {"RAY_AUTH_TOKEN": TOKEN}
    with pytest.raises(RunnerError, match="certificate verify failed"):
        Endpoint(at(secure, scheme="https"), environ=environ)
    assert secure.shown == []
    known = environ | {"REQUESTS_CA_BUNDLE": str(certificate / "cert.pem")}
    endpoint = Endpoint(at(secure, scheme="https"), environ=known)
    assert len(endpoint.jobs()) == 1
    assert not endpoint.readable
    assert {shown for _, shown in secure.shown} == {f"Bearer {TOKEN}"}


def test_a_token_over_http_to_elsewhere_is_remarked(server):
    near = Endpoint(at(server), environ={"RAY_AUTH_TOKEN": TOKEN})
    assert not near.readable
    near.cluster = Cluster(address="http://head.example:8265")
    assert near.readable


def test_nothing_is_logged_that_was_shown(server, caplog):
    with caplog.at_level(logging.DEBUG):
        Endpoint(at(server), environ={"RAY_AUTH_TOKEN": TOKEN}).jobs()
    assert TOKEN not in caplog.text
