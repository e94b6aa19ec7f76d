"""Runs the image's commands as a container engine would, where none is: by Linux namespaces.

Knows nothing of what the commands do. The file system is read-only but for what compose.yaml
mounts; the user is nobody in particular and has no capabilities; the environment is the image's;
processes, network, host name and /tmp are the container's own. What it is not: the image. Python
and the packages are those of this machine.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Container", "container", "joined", "refusal"]

USER = 1000
KEPT = (Path(sys.prefix), Path(sys.base_prefix))
"""Python and the packages."""
NAMESPACES = ("--mount", "--pid", "--net", "--ipc", "--uts")

_NOBODY = [
    "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs",
    "--bounding-set=-all", "--inh-caps=-all",
]  # fmt: skip

HIDDEN = ("/root", "/tmp")
"""Replaced by empty folders, in which only what is kept appears again."""

# Arguments: the installed wheel, the storage, the token, the file of names, the folders that are
# kept where they are up to a `--`, then the command. What is kept is put aside before what lies
# above it is hidden.
_ENTER = """
set -eu
wheel=$1 storage=$2 token=$3 names=$4; shift 4
kept=("$storage")
while [ "$1" != -- ]; do kept+=("$1"); shift; done; shift
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
mkdir /mnt/wheel && mount --bind "$wheel" /mnt/wheel
touch /mnt/token && mount --bind "$token" /mnt/token
for i in "${!kept[@]}"; do mkdir "/mnt/$i" && mount --bind "${kept[i]}" "/mnt/$i"; done
# A copy: what is mounted on a single file goes when somebody outside puts another in its place.
cp -a /etc /mnt/etc && rm -f /mnt/etc/resolv.conf && mount --bind /mnt/etc /etc
cat "$names" > /etc/hosts && echo 'nameserver 127.0.0.1' > /etc/resolv.conf
mount -t tmpfs tmpfs /opt
mount -t tmpfs tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /root
mount -t tmpfs -o mode=1777,size=512m tmpfs /dev/shm
mount -t tmpfs -o exec,mode=1777,size=1g tmpfs /tmp
mkdir -p /opt/venv /run/secrets
mount --bind /mnt/wheel /opt/venv
touch /run/secrets/ray_token && mount --bind /mnt/token /run/secrets/ray_token
for i in "${!kept[@]}"; do
  mkdir -p "${kept[i]}" && mount --bind "/mnt/$i" "${kept[i]}"
  [ "$i" = 0 ] || mount -o remount,bind,ro "${kept[i]}"
done
for place in /opt/venv /opt /run/secrets/ray_token /run /root /etc /mnt /; do
  mount -o remount,bind,ro "$place"
done
ip link set lo up
echo ready
read -r go
# This shell stays the first process, as an engine's `init` does: the container ends with its
# command, and also when whoever made it is gone.
exec 3<&0
"$@" >&2 3<&- &
cat <&3 >/dev/null &
wait -n
"""


def refusal() -> str | None:
    """Why there can be no containers here; None where there can."""
    tools = ("unshare", "nsenter", "setpriv", "ip")
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        return f"needs {', '.join(missing)}"
    probe = ["unshare", *NAMESPACES, "--fork", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    if subprocess.run(probe, capture_output=True).returncode != 0:
        return "namespaces are not permitted here"
    above = {folder for kept in KEPT for folder in kept.parents if str(folder) not in HIDDEN}
    if not all(folder.stat().st_mode & 0o001 for folder in above):
        return "this Python stands where another user cannot read it"
    return None


@dataclass(frozen=True)
class Container:
    """One running container.

    Attributes:
        process: holds its network; ends with its command.
        inside: number of its first process, as this machine counts.
        environment: what its processes get.
        log: what its command printed.
    """

    process: subprocess.Popen[str]
    inside: int
    environment: dict[str, str]
    log: Path

    def begin(self) -> None:
        """Lets its command begin, once it has a network."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs one more command in it, and waits."""
        enter = ["nsenter", f"--target={self.inside}", *NAMESPACES]
        return subprocess.run(
            [*enter, *_clothed(command, self.environment | environment)],
            capture_output=True,
            text=True,
            timeout=120,
        )


def _clothed(command: Sequence[str], environment: dict[str, str]) -> list[str]:
    pairs = [f"{name}={value}" for name, value in environment.items()]
    return [*_NOBODY, "env", "-i", "-C", "/tmp", *pairs, *command]


@contextmanager
def container(
    *command: str,
    environment: dict[str, str],
    wheel: Path,
    storage: Path,
    token: Path,
    names: Path,
    log: Path,
) -> Iterator[Container]:
    """Prepares a container, which ends with the block."""
    places = [*map(str, (wheel, storage, token, names, *KEPT)), "--"]
    unshare = ["unshare", *NAMESPACES, "--fork", "--mount-proc"]
    with (
        log.open("w") as output,
        subprocess.Popen(
            [*unshare, "bash", "-c", _ENTER, "enter", *places, *_clothed(command, environment)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        ) as process,
    ):
        inside = 0
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", log.read_text()
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
            inside = int(children)
            yield Container(process, inside, environment, log)
        finally:
            # All others in there end with the first, and `unshare`, which waits for it, behind
            # them: so the block ends when all of them are gone.
            if not inside:
                process.kill()
            elif process.poll() is None:
                os.kill(inside, signal.SIGKILL)


def joined(one: Container, other: Container, *, addresses: tuple[str, str]) -> None:
    """Connects two containers; each takes the other for the way to everywhere."""
    cable = f"cs{os.getpid() % 100_000}"
    ends = [str(found.process.pid) for found in (one, other)]
    link = ["ip", "link", "add", cable, "netns", ends[0], "type", "veth"]
    subprocess.run([*link, "peer", "name", cable, "netns", ends[1]], check=True)
    for end, address in zip(ends, addresses, strict=True):
        network = ["nsenter", f"--target={end}", "--net", "ip"]
        for words in (
            ["address", "add", f"{address}/24", "dev", cable],
            ["link", "set", cable, "up"],
            ["route", "add", "default", "dev", cable],
        ):
            subprocess.run([*network, *words], check=True)
