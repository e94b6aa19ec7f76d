"""The machines that tests build: a cut link cuts, a mended one mends, nothing is left behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import wait_for
from tests.e2e.hosts import Host, environment, network, why_not

ASK = "import socket, sys; socket.create_connection((sys.argv[1], 8000), timeout=1).close()"


def reaches(host: Host, other: Host) -> bool:
    """Whether one machine gets through to a server on another."""
    return host.run(sys.executable, "-c", ASK, other.address).returncode == 0


def test_machines_reach_each_other_until_a_link_is_cut_and_end_with_all_they_run(
    tmp_path: Path,
) -> None:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with network("server", "client") as (switch, (server, client)):
        words = [sys.executable, "-m", "http.server", "8000", "--directory", str(tmp_path)]
        process = server.start(*words, log=tmp_path / "log", env=environment())
        wait_for(lambda: ("0.0.0.0", 8000) in server.listening())
        assert client.listening() == set()
        assert server.run("hostname").stdout == "server\n"
        assert reaches(client, server)
        switch.cut(server)
        assert not reaches(client, server)
        switch.mend(server)
        assert reaches(client, server)
        assert len(server.processes()) == 1
        server.kill_all()
        assert process.wait() != 0
        again = server.start(*words, log=tmp_path / "log", env=environment())
        wait_for(lambda: bool(server.listening()))
        first = client.pid
    assert again.poll() is not None
    wait_for(lambda: not Path(f"/proc/{first}").exists())
