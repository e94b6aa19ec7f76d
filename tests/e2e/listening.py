"""Finds where processes listen, as `ss` would, from the kernel's own tables.

Knows nothing of who they are. Linux only.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterable
from pathlib import Path

__all__ = ["beyond_loopback", "listening"]

_LISTEN = "0A"


def listening(pids: Iterable[int]) -> list[tuple[str, int, int]]:
    """(address, port, pid) of every TCP socket on which one of the processes listens."""
    owners = {inode: pid for pid in pids for inode in _sockets(pid)}
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTEN and fields[9] in owners:
                address, port = fields[1].split(":")
                found.append((_address(address), int(port, 16), owners[fields[9]]))
    return sorted(set(found))


def beyond_loopback(pids: Iterable[int]) -> list[tuple[str, int, int]]:
    """Those that other machines can reach."""
    return [one for one in listening(pids) if not ipaddress.ip_address(_plain(one[0])).is_loopback]


def _plain(address: str) -> str:
    return address.removeprefix("::ffff:") if address.startswith("::ffff:") else address


def _sockets(pid: int) -> list[str]:
    inodes = []
    try:
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            target = str(handle.readlink())
            if target.startswith("socket:["):
                inodes.append(target[8:-1])
    except OSError:  # It ended meanwhile.
        return inodes
    return inodes


def _address(text: str) -> str:
    words = [struct.pack("=I", int(text[i : i + 8], 16)) for i in range(0, len(text), 8)]
    return socket.inet_ntop(socket.AF_INET if len(text) == 8 else socket.AF_INET6, b"".join(words))
