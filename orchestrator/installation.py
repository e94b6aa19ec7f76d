"""Looks at what is installed here: kinds, packages, the machine, whether Ray starts.

Must never touch a sweep.
"""

from __future__ import annotations

import importlib
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo

from orchestrator.cluster import connect, local_cpus
from orchestrator.errors import CliffsweepError, InputError
from orchestrator.paths import storage_root
from orchestrator.probe import check_conditions
from orchestrator.provenance import package_versions
from results.errors import ResultsError
from results.place import absolute
from results.store import Store

__all__ = ["examine", "kind_fields", "list_kinds"]

_FAMILIES: Final = {
    "programs": "workloads.programs",
    "tasks": "workloads.tasks",
    "models": "workloads.models",
    "activations": "workloads.activations",
    "norms": "workloads.norms",
    "optimizers": "workloads.optimizers",
    "schedules": "workloads.schedules",
    "search": "orchestrator.search",
    "stopping": "orchestrator.stopping",
}


def _package(family: str, folders: Sequence[str]) -> str:
    from workloads.kinds import add_folder

    for folder in folders:
        try:
            add_folder(folder)
        except ValueError as error:
            raise InputError(f"kinds: {error}") from None
    if family not in _FAMILIES:
        known = ", ".join(_FAMILIES)
        raise InputError(f"family: one of {known} is needed, got {family!r}.")
    return _FAMILIES[family]


def list_kinds(family: str | None = None, *, folders: Sequence[str] = ()) -> list[dict[str, str]]:
    """Every kind with the first sentence of its file.

    Args:
        family: only that one.
        folders: of the user's kinds.

    Raises:
        InputError: there is no such family.
    """
    from workloads.kinds import names

    found = []
    for one in [family] if family is not None else list(_FAMILIES):
        package = _package(one, folders)
        for name in names(package):
            module = importlib.import_module(f"{package}.{name}")
            what = (module.__doc__ or "").strip().partition("\n")[0]
            found.append({"family": one, "kind": name, "what": what})
    return found


def kind_fields(family: str, kind: str, *, folders: Sequence[str] = ()) -> list[dict[str, str]]:
    """The keys of one kind: name, type, default, meaning with unit and range.

    Raises:
        InputError: there is no such family or kind.
    """
    from workloads.kinds import UnknownKind, load

    try:
        config = load(_package(family, folders), kind)
    except UnknownKind as error:
        raise InputError(str(error)) from None
    return [
        {
            "key": name,
            "type": _type_name(field.annotation),
            "default": "needed"
            if field.is_required()
            else repr(field.get_default(call_default_factory=True)),
            "meaning": field.description or "",
        }
        for name, field in config.model_fields.items()
    ]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    return repr(field.get_default(call_default_factory=True))


def _type_name(annotation: Any) -> str:  # noqa: ANN401
    return getattr(annotation, "__name__", str(annotation)).replace("typing.", "")


def examine(storage: str | None = None) -> list[dict[str, Any]]:
    """Checks what a sweep needs; each check is `{what, ok, found}`.

    Args:
        storage: the folder in which run directories would stand.
    """
    checks = [_check("python", platform.python_version)]
    versions = package_versions()
    checks += [
        {"what": name, "ok": name in versions, "found": versions.get(name, "not installed")}
        for name in ("cliffsweep", "ray", "torch", "pyarrow", "duckdb", "pydantic")
    ]
    checks.append(_check("cores", lambda: str(local_cpus())))
    checks.append(_check("memory", _memory))
    checks.append(_check("gpus", _gpus))
    checks.append(_check("ray starts", _ray))
    checks.append(_check("storage", lambda: _storage(storage)))
    return checks


def _check(what: str, look: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"what": what, "ok": True, "found": look()}
    except (CliffsweepError, ResultsError, OSError, ImportError, RuntimeError) as error:
        return {"what": what, "ok": False, "found": " ".join(str(error).split())}


def _memory() -> str:
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return f"{pages * size / 2**30:.1f} GiB"


def _gpus() -> str:
    from workloads.devices import gpus

    return ", ".join(gpus()) or "none; trials train on the CPU"


def _ray() -> str:
    begun = time.monotonic()
    with connect() as nodes:
        found = sum(node.cpus for node in nodes)
        return f"in {time.monotonic() - begun:.1f} s, {found:g} cores, on the loopback address"


def _storage(storage: str | None) -> str:
    root = absolute(storage_root(storage))
    probe = Store(root / ".cliffsweep-doctor")
    check_conditions(probe)
    if isinstance(probe.root, Path):
        (probe.root / "control").rmdir()
        probe.root.rmdir()
    return f"{root} can be written"
