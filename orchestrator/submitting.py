"""The verb that hands a sweep to a cluster: submit, and resume and retry from afar.

Must never train, and needs no storage within reach: what is done is done by a job on the cluster.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from orchestrator import clusters, parcel
from orchestrator.code import kinds_folders, sweep_files
from orchestrator.errors import InputError, LeaseError, RunnerError
from orchestrator.options import Options
from orchestrator.parcel import Order
from orchestrator.paths import run_directory, storage_named
from orchestrator.spec_load import load_sweep

if TYPE_CHECKING:
    from orchestrator.cluster_jobs import Endpoint, Job

__all__ = ["ANSWER", "LONGEST_S", "Submitted", "resume", "submit"]

COMMAND: Final = "exec python -P -m orchestrator.cli.submitted"
"""What the job runs: the `python` of the environment in which the head was started."""
ANSWER: Final = "cliffsweep-answer "
"""Begins the line of a job's output that is meant for the client; JSON follows."""
LONGEST_S: Final = 120.0
"""Seconds after which the client leaves a job alone that has not said anything."""
LOOK_EVERY_S: Final = 0.25
_DIGEST: Final = "digest"
_VERSION: Final = "cliffsweep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A sweep in the hands of a cluster.

    Attributes:
        sweep: its name.
        job: the name of its driver's job.
        address: of the cluster.
        storage: where its run directory stands.
        attached: whether the job was at work already.
        total: wanted cells; None: the job has not said yet.
        left: of them to run; None: the job has not said yet.
        notes: what the user should know.
    """

    sweep: str
    job: str
    address: str
    storage: str
    attached: bool = False
    total: int | None = None
    left: int | None = None
    notes: tuple[str, ...] = ()


def submit(
    path: str | Path | Mapping[str, Any],
    *,
    address: str | None = None,
    storage: str | None = None,
    kinds: Sequence[str] = (),
    overrides: Sequence[str] = (),
    options: Options | None = None,
) -> Submitted:
    """Checks a sweep file here, and lets a job of a cluster run it.

    The same file again finds the job at work; an edited one takes the sweep over from it.

    Args:
        path: the sweep file, or its keys.
        address: of the cluster's job endpoint, or its name in the configuration.
        storage: where run directories stand, the same for the cluster and for who reads them.
        kinds: more folders with the user's kinds.
        overrides: words such as `activation.share=0.5,0.9` that change the file's axes.
        options: overrides of the file.

    Raises:
        InputError: the file, the address, the storage or the token; or versions differ.
        LeaseError: a driver that was not submitted works on the sweep.
        RunnerError: the cluster does not answer, or its job could not begin.
    """
    from orchestrator.actions import cells_of
    from orchestrator.cluster_jobs import Endpoint

    loaded = load_sweep(path, overrides=overrides)
    cluster = clusters.needed(address)
    where = _shared(
        storage_named(storage, of_cluster=cluster.storage, in_file=loaded.sweep.storage)
    )
    folders = kinds_folders(loaded.sweep.kinds, base=loaded.folder, given=kinds)
    sweep_files(loaded.sweep.files, base=loaded.folder)
    cells_of(loaded, folders)
    order = _order(loaded.sweep.name, where, options, file=f"{loaded.sweep.name}.yaml")
    endpoint = Endpoint(cluster)
    with TemporaryDirectory(prefix="cliffsweep-") as folder:
        parcel.pack(Path(folder), order, loaded=loaded, kinds=folders)
        return _hand_over(endpoint, order, Path(folder))


def resume(
    name: str,
    *,
    address: str | None = None,
    storage: str | None = None,
    options: Options | None = None,
) -> Submitted:
    """Lets a job of a cluster run what is unfinished of a sweep, from its run directory alone.

    Raises:
        InputError: as `submit`, or the cluster finds no such sweep.
        LeaseError: a driver works on the sweep, and only some trials were asked for.
        RunnerError: as `submit`.
    """
    from orchestrator.cluster_jobs import Endpoint

    cluster = clusters.needed(address)
    where = _shared(storage_named(storage, of_cluster=cluster.storage))
    run_directory(Path(), name)  # Refuses what is no sweep's name.
    order = _order(name, where, options)
    endpoint = Endpoint(cluster)
    with TemporaryDirectory(prefix="cliffsweep-") as folder:
        parcel.pack(Path(folder), order)
        return _hand_over(endpoint, order, Path(folder))


def _shared(storage: str) -> str:
    """A storage that means the same on every machine."""
    if "://" not in storage and not Path(storage).is_absolute():
        raise InputError(
            f"storage: a path that means the same here and on the cluster is needed, got the"
            f" relative {storage!r}. Give --storage /shared/runs, or s3://bucket/prefix."
        )
    return storage


def _order(sweep: str, storage: str, options: Options | None, *, file: str | None = None) -> Order:
    chosen = options or Options()
    return Order(
        version=version("cliffsweep"),
        sweep=sweep,
        storage=storage,
        file=file,
        cpu=chosen.cpu,
        gpu=chosen.gpu,
        data_dir=chosen.data_dir,
        only=tuple(chosen.only),
        steal=chosen.steal,
    )


def _hand_over(endpoint: Endpoint, order: Order, folder: Path) -> Submitted:
    """Finds the job that does this already, or starts one and hears what it says."""
    content = parcel.digest(folder)
    known = [
        job
        for job in endpoint.jobs()
        if (job.metadata.get("sweep"), job.metadata.get("storage")) == (order.sweep, order.storage)
    ]
    at_work = [job for job in known if job.alive]
    same = _same(at_work, order, content)
    if same is not None:
        return _submitted(endpoint, order, same.id, {"attached": True})
    if at_work and not order.only and not order.steal:
        order = replace(order, take_over=True)
        parcel.write_order(folder, order)
    job_id = f"cliffsweep-{order.sweep}-{content}-{len(known)}"
    told = {_DIGEST: content, _VERSION: order.version}
    metadata = {"sweep": order.sweep, "storage": order.storage, **told}
    try:
        endpoint.start(job_id, COMMAND, folder=folder, metadata=metadata)
    except RunnerError:
        if not any(job.id == job_id for job in endpoint.jobs()):
            raise
        return _submitted(endpoint, order, job_id, {"attached": True})  # Somebody was quicker.
    return _submitted(endpoint, order, job_id, hear(endpoint, job_id))


def _same(at_work: Sequence[Job], order: Order, content: str) -> Job | None:
    """The job at work that does what is asked for; resuming is what each of them does."""
    resuming = order.file is None and not order.only
    fitting = [
        job
        for job in at_work
        if job.metadata.get(_DIGEST) == content
        or (resuming and job.metadata.get(_VERSION) == order.version)
    ]
    return fitting[-1] if fitting else None


def _submitted(endpoint: Endpoint, order: Order, job_id: str, answer: dict[str, Any]) -> Submitted:
    notes = list(answer.get("notes", ()))
    if not answer:
        notes.append(f"{job_id} has not begun after {LONGEST_S:g} s; it does when it is its turn")
    if endpoint.readable:
        notes.append(
            "the token travels so that others can read it; use an https address or an SSH tunnel"
        )
    return Submitted(
        sweep=order.sweep,
        job=job_id,
        address=endpoint.cluster.address,
        storage=order.storage,
        attached=bool(answer.get("attached")),
        total=answer.get("total"),
        left=answer.get("left"),
        notes=tuple(notes),
    )


def hear(
    endpoint: Endpoint,
    job_id: str,
    *,
    monotonic: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """What a job answers, once it does; empty where it says nothing for two minutes.

    Raises:
        InputError, LeaseError, RunnerError: what the job refused, or why it could not begin.
    """
    until = monotonic() + LONGEST_S
    while True:
        over = not endpoint.job(job_id).alive
        words = endpoint.words(job_id)
        answer = _answer(words)
        # A job that refused is waited for: nobody should find it at work a moment later.
        if answer is not None and "refused" not in answer:
            return answer
        if over or (answer is not None and monotonic() > until):
            raise _never_began(endpoint, job_id, words) if answer is None else _refusal(answer)
        if monotonic() > until:
            return {}
        wait(LOOK_EVERY_S)


def _answer(words: str) -> dict[str, Any] | None:
    """The first line of a job's output that is meant for the client."""
    for line in words.splitlines():
        if line.startswith(ANSWER):
            found: dict[str, Any] = json.loads(line.removeprefix(ANSWER))
            return found
    return None


def _refusal(answer: dict[str, Any]) -> Exception:
    kind = {2: InputError, 4: LeaseError}.get(answer.get("exit_code", 1), RunnerError)
    return kind(str(answer["refused"]))


def _never_began(endpoint: Endpoint, job_id: str, words: str) -> Exception:
    """Why a job ended without a word of ours."""
    ours = version("cliffsweep")
    if "No module named" in words and "orchestrator" in words:
        return InputError(
            f"version: cliffsweep {ours} is needed on the cluster, got none or another in the"
            " `python` with which its head was started. Install it on every node."
        )
    reason = " ".join((words.strip() or endpoint.job(job_id).message).split())[-400:]
    return RunnerError(
        f"{job_id}: a job on {endpoint.cluster} begins, got: {reason}."
        f" `ray job logs {job_id}` has all of it."
    )
