"""Machines of their own for tests: network namespaces on one bridge, any link of which may be cut.

Knows nothing of what runs on them. Each machine has its own network, process numbers, host name
and `/tmp/ray`; it shares the other files, as machines do that mount the same storage. Nothing
that runs there can reach anything outside, and all of it ends with its machine.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

__all__ = ["Host", "Refused", "Switch", "environment", "network", "why_not"]

ROOT: Final = Path(__file__).parents[2]
_NET: Final = "10.77.0"
# The first process of a machine takes in those whose parents die, and ends when its maker does.
_FIRST: Final = """\
import os, signal, sys
def reap(*_):
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass
signal.signal(signal.SIGCHLD, reap)
print("up", flush=True)
sys.stdin.read()
"""


class Refused(Exception):
    """Machines of their own are not permitted here."""


def why_not() -> str | None:
    """Why there can be no such machines here; None if there can."""
    needed = ("unshare", "nsenter", "ip", "ss", "mount")
    absent = [name for name in needed if shutil.which(name) is None]
    if sys.platform != "linux" or absent:
        return f"network namespaces need Linux with {', '.join(absent) or 'iproute2'}"
    probe = ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--mount-proc"]
    link = "ip link set lo up && ip link add dev br0 type bridge && ip link add dev v0 type veth"
    done = subprocess.run([*probe, "sh", "-c", link], capture_output=True, text=True)
    if done.returncode:
        return f"network namespaces are not permitted here: {done.stderr.strip()}"
    return None


class Host:
    """One machine, up from the start.

    Attributes:
        name: its host name.
        address: its only address besides the loopback.
    """

    def __init__(self, name: str, number: int) -> None:
        """Boots it, with no cable in it.

        Args:
            name: its host name.
            number: the last part of its address.
        """
        self.name, self.address = name, f"{_NET}.{number}"
        self._started: list[subprocess.Popen[bytes]] = []
        Path("/tmp/ray").mkdir(exist_ok=True)
        setup = f"mount -t tmpfs tmpfs /tmp/ray && hostname {name} && ip link set lo up"
        start = f"{setup} && exec '{sys.executable}' -c '{_FIRST}'"
        self._unshare = subprocess.Popen(
            ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child"]
            + ["--mount-proc", "sh", "-c", start],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._unshare.stdout is not None
        if self._unshare.stdout.readline() != "up\n":
            raise Refused(f"{name} did not start")
        children = Path(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children")
        self.pid = int(children.read_text().split()[0])

    def command(self, words: Sequence[str]) -> list[str]:
        """The words that run a command on this machine."""
        where = ["--net", "--mount", "--uts", "--pid"]
        return ["nsenter", "--target", str(self.pid), *where, "--", *words]

    def run(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs a command there to its end."""
        return subprocess.run(self.command(words), capture_output=True, text=True, **options)

    def start(self, *words: str, log: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Starts a command there whose words go to a file."""
        with log.open("ab") as file:
            self._started.append(
                subprocess.Popen(
                    self.command(words), stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=env
                )
            )
        return self._started[-1]

    def listening(self) -> set[tuple[str, int]]:
        """(address, port) of every TCP port on which something there listens."""
        lines = self.run("ss", "--tcp", "--listening", "--numeric", "--no-header", check=True)
        places = [line.split()[3].rpartition(":") for line in lines.stdout.splitlines()]
        return {(address, int(port)) for address, _, port in places}

    def processes(self) -> list[int]:
        """Numbers, as this machine counts, of what runs there besides its first process."""
        mine = Path(f"/proc/{self.pid}/ns/pid").readlink()
        found = []
        for path in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if path.name.isdigit() and (path / "ns/pid").readlink() == mine:
                    found.append(int(path.name))
        return [pid for pid in found if pid != self.pid]

    def kill_all(self) -> None:
        """SIGKILLs whatever runs there, as if its power had failed for a moment."""
        while found := self.processes():
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def shut_down(self) -> None:
        """Ends everything that runs there, at once."""
        assert self._unshare.stdin is not None
        assert self._unshare.stdout is not None
        self._unshare.kill()
        self._unshare.wait()
        self._unshare.stdin.close()
        self._unshare.stdout.close()
        for process in self._started:
            process.wait()


class Switch:
    """What the machines' cables end in."""

    def __init__(self) -> None:
        """A bridge in a namespace of its own, so that this machine's network stays as it is."""
        self._host = Host("switch", 254)
        self._ip("link", "add", "br0", "type", "bridge")
        self._ip("link", "set", "br0", "up")

    def _ip(self, *words: str) -> None:
        subprocess.run(["nsenter", "-t", str(self._host.pid), "-n", "ip", *words], check=True)

    def plug(self, host: Host) -> None:
        """Puts a cable into a machine and this."""
        end = ["peer", "name", "eth0", "netns", str(host.pid)]
        self._ip("link", "add", host.name, "type", "veth", *end)
        self._ip("link", "set", host.name, "master", "br0", "up")
        host.run("ip", "address", "add", f"{host.address}/24", "dev", "eth0", check=True)
        host.run("ip", "link", "set", "eth0", "up", check=True)

    def cut(self, host: Host) -> None:
        """Cuts the cable of a machine, which does not notice at once."""
        self._ip("link", "set", host.name, "nomaster")

    def mend(self, host: Host) -> None:
        """Mends it."""
        self._ip("link", "set", host.name, "master", "br0")

    def shut_down(self) -> None:
        """Ends it."""
        self._host.shut_down()


@contextlib.contextmanager
def network(*names: str) -> Iterator[tuple[Switch, list[Host]]]:
    """Is a switch and machines plugged into it, as long as the block lasts."""
    with contextlib.ExitStack() as stack:
        switch = Switch()
        stack.callback(switch.shut_down)
        hosts = []
        for number, name in enumerate(names, start=1):
            host = Host(name, number)
            stack.callback(host.shut_down)
            switch.plug(host)
            hosts.append(host)
        yield switch, hosts


def environment(**more: str) -> dict[str, str]:
    """This process's environment for a command on a machine, without what Ray was told here."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    here = {
        # Jobs of a cluster run the first `python` on the path of its nodes.
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return kept | here | more
