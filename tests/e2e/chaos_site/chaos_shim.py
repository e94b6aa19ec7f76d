"""Lets file system calls below a store's folder fail, stall or break off half way.

Knows nothing of what is stored. `install` wraps the constructor of `Store`: from the first store of
a process on, its calls below that store's folder are looked at, and go wrong as long as a file, the
plan, says so:

    {"seed": 3, "kind": "fail", "rate": 0.02}

    fail    the call does nothing and raises
    stall   the call takes up to two seconds more
    tear    a write stops half way, raising or not; any other call is done, and yet raises

Each call that went wrong adds a line to `<plan>.log`.
"""

import builtins
import errno
import functools
import io
import json
import os
import random
import sys
import time

LOOK_EVERY_S = 0.02
"""Between two looks at the plan."""
ERRORS = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT)
LONGEST_STALL_S = 2.0
PATH_CALLS = ("mkdir", "unlink", "rmdir", "replace", "rename", "link", "scandir", "listdir", "stat")
_real = {name: getattr(os, name) for name in (*PATH_CALLS, "open", "write", "close", "fsync")}


class Shim:
    """What goes wrong in this process, and when."""

    def __init__(self, plan):
        self.plan = plan
        self.roots = ()
        self._next = 0.0
        self._seen = None
        self._active = None
        self._random = random.Random()

    def watch(self, root):
        """Begins to look at the calls below a folder."""
        prefix = f"{root}/"
        if prefix not in self.roots:
            self.roots = (*self.roots, prefix)

    def covers(self, path):
        """Whether a path lies below one of the folders."""
        return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self.roots)

    def strike(self, call, path):
        """Lets one call go wrong, or not.

        Returns:
            Whether the call should break off half way.
        """
        active = self._look()
        if active is None or self._random.random() >= active["rate"]:
            return False
        self._log(active["kind"], call, path)
        if active["kind"] == "fail":
            raise self.error(path)
        if active["kind"] == "stall":
            time.sleep(self._random.uniform(0.1, LONGEST_STALL_S))
        return active["kind"] == "tear"

    def error(self, path):
        """One of the errors that a storage answers with when it is out of order."""
        number = self._random.choice(ERRORS)
        return OSError(number, os.strerror(number), os.fspath(path))

    def half(self, size):
        """How many of `size` bytes a write takes before it breaks off, and whether it says so."""
        return self._random.randrange(size) if size else 0, self._random.random() < 0.5

    def _look(self):
        now = time.monotonic()
        if now < self._next:
            return self._active
        self._next = now + LOOK_EVERY_S
        try:
            handle = _real["open"](self.plan, os.O_RDONLY)
        except FileNotFoundError:
            self._active = self._seen = None
            return None
        try:
            text = os.read(handle, 4096).decode()
        finally:
            _real["close"](handle)
        if text != self._seen:
            self._seen, self._active = text, json.loads(text)
            self._random = random.Random(f"{self._active['seed']} {' '.join(sys.argv)}")
        return self._active

    def _log(self, kind, call, path):
        handle = _real["open"](f"{self.plan}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            _real["write"](handle, f"{os.getpid()} {kind} {call} {path}\n".encode())
        finally:
            _real["close"](handle)


def install(store, *, plan):
    """Wraps the constructor of a class of stores; the first store brings the shim into force.

    Args:
        store: the class.
        plan: path of the file that says what goes wrong; nothing does while it is missing.
    """
    shim = Shim(plan)
    construct = store.__init__

    @functools.wraps(construct)
    def watched(self, root):
        construct(self, root)
        if not shim.roots:
            _patch(shim)
        shim.watch(self.root)

    store.__init__ = watched


def _patch(shim):
    for name in PATH_CALLS:
        setattr(os, name, _path_call(shim, name))
    os.open = _open(shim)
    os.write = _write(shim)
    os.fsync = _fsync(shim)
    io.open = _file(shim)


def _path_call(shim, name):
    real = _real[name]

    @functools.wraps(real)
    def call(*args, **kwargs):
        # Of a rename or a link the new name tells where it happens.
        path = args[-1] if args else None
        if not shim.covers(path) or not shim.strike(name, path):
            return real(*args, **kwargs)
        real(*args, **kwargs)
        raise shim.error(path)

    return call


def _open(shim):
    real = _real["open"]

    @functools.wraps(real)
    def open(path, *args, **kwargs):
        if shim.covers(path) and shim.strike("open", path):
            raise shim.error(path)
        return real(path, *args, **kwargs)

    return open


def _path_of(handle):
    try:
        return os.readlink(f"/proc/self/fd/{handle}")  # noqa: PTH115
    except OSError:
        return ""


def _write(shim):
    real = _real["write"]

    @functools.wraps(real)
    def write(handle, data):
        path = _path_of(handle)
        if not shim.covers(path) or not shim.strike("write", path):
            return real(handle, data)
        size, raises = shim.half(len(data))
        written = real(handle, data[:size]) if size else 0
        if raises or not written:
            raise shim.error(path)
        return written

    return write


def _fsync(shim):
    real = _real["fsync"]

    @functools.wraps(real)
    def fsync(handle):
        path = _path_of(handle)
        torn = shim.covers(path) and shim.strike("fsync", path)
        real(handle)
        if torn:
            raise shim.error(path)

    return fsync


def _file(shim):
    class File(io.FileIO):
        """A file whose reads and writes go wrong."""

        def write(self, data):
            if not shim.strike("write", self.name):
                return super().write(data)
            size, raises = shim.half(len(data))
            written = super().write(data[:size]) if size else 0
            if raises or not written:
                raise shim.error(self.name)
            return written

        def readall(self):
            if shim.strike("read", self.name):
                raise shim.error(self.name)
            return super().readall()

    @functools.wraps(builtins.open)
    def open(path, mode="r", *args, **kwargs):
        if "b" not in mode or not shim.covers(path):
            return builtins.open(path, mode, *args, **kwargs)  # noqa: PTH123
        if shim.strike("open", path):
            raise shim.error(path)
        raw = File(os.fspath(path), mode.replace("b", ""))
        if kwargs.get("buffering") == 0 or args[:1] == (0,):
            return raw
        return io.BufferedWriter(raw) if "r" not in mode else io.BufferedReader(raw)

    return open
