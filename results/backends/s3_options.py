"""Finds endpoint, region and credentials of S3 as all AWS tools find them.

Never keeps a secret: what is found goes into requests alone. Each machine uses its own.
"""

from __future__ import annotations

import os
from typing import Any

from results.errors import StorageError
from results.place import Url

__all__ = ["options", "uninstalled"]

_ANYWHERE = "us-east-1"
"""The region of requests where none is named; services other than Amazon's take any."""


def options(url: Url) -> dict[str, Any]:
    """What obstore's `S3Store` is to be given besides the bucket.

    Where AWS_ACCESS_KEY_ID is set obstore reads it and its secret by itself; else boto3 looks where
    AWS tools look: profiles, single sign-on, roles, the machine's own.

    Raises:
        StorageError: there are no credentials, or no boto3 to find them.
    """
    at = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if os.environ.get("AWS_ACCESS_KEY_ID"):
        return {"region": region or _ANYWHERE} | ({"endpoint": at} if at else {})
    try:
        import boto3
        from botocore.exceptions import BotoCoreError
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError as error:
        raise uninstalled(url, error) from None
    try:
        session = boto3.Session()
        provider = Boto3CredentialProvider(session)
        service = session.client("s3", region_name=region or session.region_name or _ANYWHERE).meta
    except (BotoCoreError, ValueError) as error:
        raise StorageError(
            f"{url}: credentials are needed, got none ({type(error).__name__}). Set AWS_PROFILE,"
            " or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, on every machine that works on it.",
            path=url,
        ) from None
    return {
        "endpoint": str(service.endpoint_url),
        "region": str(service.region_name),
        "credential_provider": provider,
    }


def uninstalled(url: Url, error: ImportError) -> StorageError:
    """The error for a package that is not there."""
    return StorageError(
        f"{url}: object stores need the extra s3, got no {error.name}."
        " Install it: pip install 'cliffsweep[s3]'.",
        path=url,
    )
