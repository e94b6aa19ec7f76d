"""Talks to the job endpoint of a cluster: starts jobs there, asks for their state and their words.

Must never know what a job does. The token goes into a header, which nothing here prints.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from orchestrator.cluster_token import token_of
from orchestrator.clusters import Cluster
from orchestrator.errors import InputError, RunnerError

__all__ = ["Endpoint", "Job"]

ANSWER_S: Final = 15.0
"""Seconds after which an endpoint that says nothing counts as not there."""
_ALIVE: Final = ("PENDING", "RUNNING")
_TALKATIVE: Final = ("ray.dashboard.modules.dashboard_sdk", "ray._private.runtime_env.packaging")
_RAY_ADDRESSES: Final = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as the cluster knows it.

    Attributes:
        id: its name there.
        status: PENDING, RUNNING, SUCCEEDED, STOPPED or FAILED.
        message: what Ray says of it.
        metadata: what its submitter wrote beside it.
    """

    id: str
    status: str
    message: str
    metadata: Mapping[str, str]

    @property
    def alive(self) -> bool:
        """Whether it runs or is going to."""
        return self.status in _ALIVE


class Endpoint:
    """The job endpoint of one cluster."""

    def __init__(self, cluster: Cluster, *, environ: Mapping[str, str] = os.environ) -> None:
        """Finds the token and asks the endpoint for its version.

        Raises:
            InputError: the address is no job endpoint, there is no token, or it is the wrong one.
            RunnerError: nobody answers.
        """
        if not cluster.takes_jobs:
            raise InputError(
                f"--address: the job endpoint of a cluster is needed, got {cluster}. Write"
                " http://HOST:8265, or https."
            )
        self.cluster = cluster
        token = token_of(cluster, environ=environ)
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._verify = environ.get("REQUESTS_CA_BUNDLE") or environ.get("SSL_CERT_FILE") or True
        self._client: Any = None
        self.ray_version = str(self.get("/api/version").get("ray_version", "unknown"))

    @property
    def readable(self) -> bool:
        """Whether a token travels to another machine so that others can read it."""
        parts = urlsplit(self.cluster.address)
        near = parts.hostname in ("localhost", "127.0.0.1", "::1")
        return bool(self._headers) and parts.scheme == "http" and not near

    def get(self, path: str) -> dict[str, Any]:
        """Asks for a JSON document.

        Raises:
            InputError: the token is not the cluster's.
            RunnerError: nobody answers, or nothing that can be used.
        """
        request = Request(self.cluster.address + path, headers=self._headers)
        try:
            with self._opener().open(request, timeout=ANSWER_S) as answer:
                document = json.load(answer)
        except HTTPError as error:
            error.close()
            raise self._refused(error.code) from None
        except (OSError, ValueError) as error:
            raise self._silent(error) from None
        if not isinstance(document, dict):
            raise self._silent(ValueError("no JSON object"))
        return document

    def _opener(self) -> Any:  # noqa: ANN401
        file = None if self._verify is True else self._verify
        context = ssl.create_default_context(
            cafile=file if file and Path(file).is_file() else None,
            capath=file if file and Path(file).is_dir() else None,
        )
        return build_opener(HTTPSHandler(context=context), _NoRedirect())

    def _refused(self, code: int) -> InputError | RunnerError:
        if code in (401, 403):
            what = "it asks for one" if code == 401 else "another"
            return InputError(
                f"token: the one of the cluster {self.cluster} is needed, got"
                f" {'none' if code == 401 else 'a wrong one'} ({what}: HTTP {code})."
                " Compare its file with the cluster's."
            )
        return RunnerError(
            f"{self.cluster}: the job endpoint of a Ray cluster answers, got HTTP {code}."
            " Check the address, and that the head has the package ray[default]."
        )

    def _silent(self, error: Exception) -> RunnerError:
        reason = error.reason if isinstance(error, URLError) else error
        text = " ".join(str(reason).split())[:200]
        return RunnerError(
            f"{self.cluster}: the job endpoint of a Ray cluster answers, got: {text}."
            " Check the address; an endpoint on another machine's loopback is reached through"
            " `ssh -L 8265:127.0.0.1:8265 HOST`."
        )

    def jobs(self) -> list[Job]:
        """All jobs that were submitted to the cluster and that it remembers."""
        with self._asked() as client:
            found = client.list_jobs()
        return [_job(one) for one in found if one.submission_id]

    def job(self, job_id: str) -> Job:
        """One of them."""
        with self._asked() as client:
            return _job(client.get_job_info(job_id))

    def words(self, job_id: str) -> str:
        """What it printed so far, which is nothing before it began."""
        with self._asked() as client:
            return str(client.get_job_logs(job_id) or "")

    def start(
        self, job_id: str, command: str, *, folder: Path, metadata: Mapping[str, str]
    ) -> None:
        """Starts a job under a name that nobody had before.

        Args:
            job_id: the name.
            command: what its shell runs.
            folder: is copied to the cluster; the job finds itself in it.
            metadata: written beside the job for everybody to read.

        Raises:
            RunnerError: the cluster did not take it, or knows a job of that name.
        """
        with self._asked() as client:
            client.submit_job(
                entrypoint=command,
                submission_id=job_id,
                runtime_env={"working_dir": str(folder)},
                metadata=dict(metadata),
            )

    @contextlib.contextmanager
    def _asked(self) -> Iterator[Any]:
        """Is Ray's own client; what it raises becomes a sentence."""
        from ray.exceptions import RayError
        from ray.job_submission import JobSubmissionClient

        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.WARNING)
        # Ray lets these two overrule the address that its client is given.
        hidden = {name: os.environ.pop(name) for name in _RAY_ADDRESSES if name in os.environ}
        try:
            if self._client is None:
                self._client = JobSubmissionClient(
                    self.cluster.address, headers=dict(self._headers), verify=self._verify
                )
            yield self._client
        except (RayError, RuntimeError, OSError, ValueError) as error:
            raise self._silent(error) from None
        finally:
            os.environ.update(hidden)


def _job(details: Any) -> Job:  # noqa: ANN401
    return Job(
        id=str(details.submission_id),
        status=str(getattr(details.status, "value", details.status)),
        message=str(details.message or ""),
        metadata=details.metadata or {},
    )


class _NoRedirect(HTTPRedirectHandler):
    """Follows nobody: the header with the token would go along."""

    def redirect_request(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401
        """Lets the answer stand as the error that it is."""
