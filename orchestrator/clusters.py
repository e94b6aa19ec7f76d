"""Knows the user's clusters by name, and which one a verb means.

Must never contact one, nor read a token. Names stand in `~/.config/cliffsweep/config.toml`:

    [clusters.lab]
    address = "https://head.example:8265"    # the job endpoint; or HOST:PORT, which `run` joins
    storage = "/shared/runs"                 # instead of --storage
    token_file = "~/.config/cliffsweep/lab"  # mode 600; instead of RAY_AUTH_TOKEN_PATH
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from orchestrator.errors import InputError

__all__ = ["CLUSTER_VARIABLE", "Cluster", "config_file", "find", "known", "needed", "storage_of"]

CLUSTER_VARIABLE: Final = "CLIFFSWEEP_CLUSTER"
"""Names the cluster, or its address, where no flag does."""
_AUTO: Final = "auto"
_HERE: Final = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where a cluster is and what goes with it.

    Attributes:
        address: of its job endpoint (http or https), or HOST:PORT of its head, or `auto`.
        name: in the user's configuration; None: only its address was given.
        storage: where its sweeps stand; None: not said.
        token_file: holds its token; None: wherever Ray looks.
    """

    address: str
    name: str | None = None
    storage: str | None = None
    token_file: Path | None = None

    @property
    def takes_jobs(self) -> bool:
        """Whether the address is that of a job endpoint."""
        return self.address.startswith(("http://", "https://"))

    def __str__(self) -> str:
        return self.address if self.name is None else f"{self.name} ({self.address})"


def _address(value: str) -> str:
    if value == _AUTO:
        return value
    if "://" not in value:
        host, _, port = value.rpartition(":")
        if host and port.isdigit():
            return value
    else:
        parts = urlsplit(value)
        if parts.username is not None or parts.password is not None:
            raise ValueError("an address holds no password, got one. Name a token_file instead.")
        if parts.scheme in ("http", "https") and parts.hostname:
            return value.rstrip("/")
    raise ValueError(
        f"an address is http://HOST:8265, https://HOST or HOST:6379, got {value!r}. Correct it."
    )


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    address: Annotated[str, AfterValidator(_address)]
    storage: str | None = Field(default=None, min_length=1)
    token_file: str | None = Field(default=None, min_length=1)


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    clusters: dict[str, _Entry] = Field(default_factory=dict)


def config_file(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's configuration; it need not exist."""
    base = environ.get("XDG_CONFIG_HOME")
    return Path(base or "~/.config").expanduser() / "cliffsweep" / "config.toml"


def known(*, environ: Mapping[str, str] = os.environ) -> dict[str, Cluster]:
    """The clusters of the user's configuration by name; none where there is no such file.

    Raises:
        InputError: the file cannot be read or says what cannot be, all problems together.
    """
    path = config_file(environ)
    try:
        found = _Config.model_validate(tomllib.loads(path.read_text()))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            f"{path}: TOML that can be read is needed, got '{error}'. Correct it."
        ) from None
    except ValidationError as error:
        raise InputError("\n".join(_problems(path, error))) from None
    return {
        name: Cluster(
            name=name,
            address=entry.address,
            storage=entry.storage,
            token_file=None if entry.token_file is None else Path(entry.token_file).expanduser(),
        )
        for name, entry in found.clusters.items()
    }


def _problems(path: Path, error: ValidationError) -> list[str]:
    keys = ", ".join(_Entry.model_fields)
    told = []
    for detail in error.errors(include_url=False):
        where = ".".join(map(str, detail["loc"]))
        reason = detail["msg"].removeprefix("Value error, ")
        if detail["type"] == "extra_forbidden":
            reason = f"a cluster has the keys {keys}, got another. Remove it."
        elif detail["type"] == "missing":
            reason = 'an address is needed, got none. Write address = "http://HOST:8265".'
        told.append(f"{path}: {where}: {reason}")
    return told


def find(given: str | None, *, environ: Mapping[str, str] = os.environ) -> Cluster | None:
    """The cluster that a flag, else the environment, names or is the address of.

    Args:
        given: `--address`: a name of the configuration or an address.
        environ: the environment.

    Returns:
        None where nobody says, or `local` is said.

    Raises:
        InputError: it is neither, or the configuration is wrong.
    """
    chosen = given or environ.get(CLUSTER_VARIABLE)
    if not chosen or chosen == _HERE:
        return None
    clusters = known(environ=environ)
    if chosen in clusters:
        return clusters[chosen]
    try:
        return Cluster(address=_address(chosen))
    except ValueError as error:
        close = get_close_matches(chosen, clusters, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        names = ", ".join(clusters) or "none"
        raise InputError(
            f"--address: {error} Clusters in {config_file(environ)}: {names}.{hint}"
        ) from None


def needed(given: str | None, *, environ: Mapping[str, str] = os.environ) -> Cluster:
    """As `find`; the only cluster of the configuration where nobody says which.

    Raises:
        InputError: also where nobody says and there is none, or several.
    """
    found = find(given, environ=environ)
    if found is not None:
        return found
    clusters = known(environ=environ)
    if len(clusters) == 1:
        return next(iter(clusters.values()))
    raise InputError(
        f"--address: a cluster is needed, got none. Give http://HOST:8265, or one of those in"
        f" {config_file(environ)}: {', '.join(clusters) or 'none yet'}."
    )


def storage_of(address: str | None) -> str | None:
    """The storage that goes with the cluster at an address, or of that name, if any does.

    Raises:
        InputError: as `find`.
    """
    found = find(address)
    return None if found is None else found.storage
