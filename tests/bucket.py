"""A bucket on the loopback address, and a proxy before it that fails when a test says so."""

import contextlib
import http.client
import http.server
import itertools
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

from results import backends

_NUMBERS = itertools.count()
_HOP = {"connection", "transfer-encoding", "keep-alive"}


@contextlib.contextmanager
def s3_service():
    """Is the address of an S3 as long as the block lasts."""
    command = [sys.executable, str(Path(__file__).with_name("s3_service.py"))]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(20)


def new_bucket(address):
    """Makes a bucket that nobody used before, and returns its URL."""
    name = f"lab{next(_NUMBERS)}"
    with urllib.request.urlopen(urllib.request.Request(f"{address}/{name}", method="PUT")):
        return f"s3://{name}/sweeps"


def use(address, *, monkeypatch, copies):
    """Lets this process, and those that it starts, take an address for S3."""
    for variable in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "AWS_REGION"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("CLIFFSWEEP_CACHE", str(copies))
    backends.backend_of.cache_clear()


SECRET = "kept-by-the-environment-alone"


class Proxy:
    """Passes requests on, but for those that a test wants to fail.

    Attributes:
        address: where it listens.
        target: host and port of the service behind it.
        fault: given method and path of each request, names what happens to it: `500`; `busy`
            (503); `silence` (no answer until the client leaves); `cut` (the connection ends, the
            request unheard); `lost` (the request is done, the connection ends without an answer);
            `short` (half of the answer's body); `unconditional` (conditions are passed over);
            None: nothing.
        seen: (method, path, what happened) of every request.
    """

    def __init__(self, target):
        self.fault = lambda method, path: None
        self.seen = []
        self.over = threading.Event()
        self.target = target.removeprefix("http://")
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def once(self, what, *, method=None, times=1):
        """The next requests, of one method or of any, fail so; later ones do not."""
        left = iter(range(times))

        def fault(asked, path):
            wanted = method in (None, asked)
            return what if wanted and next(left, None) is not None else None

        self.fault = fault


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers one connection for the proxy that its server belongs to."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *parts):
        """Says nothing."""

    def handle_one_request(self):
        with contextlib.suppress(ConnectionError, TimeoutError):
            super().handle_one_request()

    def _any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        what = self.server.proxy.fault(self.command, self.path)
        self.server.proxy.seen.append((self.command, self.path, what))
        if what == "silence":
            self.connection.settimeout(0.05)
            while not self.server.proxy.over.is_set():
                with contextlib.suppress(TimeoutError):
                    if not self.connection.recv(1):
                        break
            self.close_connection = True
        elif what == "cut":
            self.close_connection = True
        elif what in ("500", "busy"):
            self._reply(500 if what == "500" else 503, {}, b"")
        else:
            self._pass_on(body, what)

    def _pass_on(self, body, what):
        headers = dict(self.headers.items())
        if what == "unconditional":
            headers = {n: v for n, v in headers.items() if not n.lower().startswith("if-")}
        connection = http.client.HTTPConnection(self.server.proxy.target, timeout=30)
        connection.request(self.command, self.path, body or None, headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        if what == "lost":
            self.close_connection = True
            return
        self._reply(answer.status, dict(answer.getheaders()), data, short=what == "short")

    def _reply(self, status, headers, data, *, short=False):
        self.send_response_only(status)
        length = headers.pop("Content-Length", None) if self.command == "HEAD" else None
        for name, value in headers.items():
            if name.lower() not in _HOP | {"content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[: len(data) // 2] if short else data)
        if short:
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _any  # noqa: N815
