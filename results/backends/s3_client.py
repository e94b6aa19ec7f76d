"""Requests to one bucket: tried again while nobody answers, told in one line where refused.

Knows nothing of stores. A write on a condition carries a token, so that one whose reply was lost is
known for one's own when the next try finds the condition broken.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, TypeVar

from results.backends.patience import Patience, Unanswered
from results.backends.s3_options import options, uninstalled
from results.errors import StorageError
from results.place import Url

__all__ = ["CHUNK", "Client"]

T = TypeVar("T")

CHUNK: Final = 8 * 2**20
"""Bytes of a large object that are sent, or taken, at a time."""
_TOKEN: Final = "cliffsweep-token"
_STATUS = re.compile(r"status code: (?P<status>\d{3}) ?(?P<words>[A-Za-z ]*)")
_CODE = re.compile(r"<Code>(?P<code>[A-Za-z0-9.]{1,80})</Code>")
_HTTP = re.compile(r"HTTP error: (?P<why>[^\n]{1,120})")
_PASSING = {"408", "425", "429"}
"""Answers that ask to come back later, besides all that begin with 5."""
_CREDENTIALS = "Look at the credentials (AWS_PROFILE, or AWS_ACCESS_KEY_ID and its secret)"
_REMEDIES = {
    "301": "The bucket is in another region: set AWS_REGION.",
    "400": "Look at AWS_REGION and AWS_ENDPOINT_URL.",
    "401": f"{_CREDENTIALS}.",
    "403": f"{_CREDENTIALS} and what they may do there.",
    "404": "Look at the bucket's name, and at AWS_ENDPOINT_URL where it is not Amazon's.",
    "501": "The service must know conditional writes (If-None-Match, If-Match): use another.",
}


class Client:
    """The objects below one prefix of a bucket.

    Every method raises `StorageError`, caused by FileNotFoundError where there is no such object.

    Attributes:
        url: the prefix.
        address: endpoint and URL, which set this place apart from all others.
    """

    def __init__(self, url: Url, *, patience: Patience | None = None) -> None:
        """Finds the credentials; sends nothing yet.

        Raises:
            StorageError: the extra is not installed, or there are no credentials.
        """
        self.url = url
        self._patience = patience or Patience()
        try:
            import obstore
            from obstore import exceptions
            from obstore.store import S3Store
        except ImportError as error:
            raise uninstalled(url, error) from None
        self._api: Any = obstore
        self._errors: Any = exceptions
        found = options(url)
        at = str(found.get("endpoint", ""))
        self.address = f"{at} {url}"
        self._store: Any = S3Store(
            url.bucket,
            prefix=url.prefix or None,
            client_options={
                "allow_http": at.startswith("http://"),
                "timeout": timedelta(seconds=self._patience.request_s),
                "connect_timeout": timedelta(seconds=self._patience.connect_s),
            },
            # Ours are: a lost reply must be told from a name that was taken.
            retry_config={"max_retries": 0},
            **found,
        )

    def get(self, name: str) -> tuple[bytes, str]:
        """The bytes of an object, and its tag."""

        def request(again: bool) -> tuple[bytes, str]:
            found = self._api.get(self._store, name)
            return bytes(found.bytes()), _tag(found.meta)

        return self._ask("read", name, request)

    def get_into(self, name: str, file: BinaryIO) -> str:
        """Writes the bytes of an object, however many, and returns its tag."""

        def request(again: bool) -> str:
            file.seek(0)
            file.truncate()
            found = self._api.get(self._store, name)
            size = 0
            for chunk in found.stream(min_chunk_size=CHUNK):
                size += file.write(chunk)
            if size != found.meta["size"]:
                raise Unanswered(f"it sent {size} bytes of {found.meta['size']}")
            return _tag(found.meta)

        return self._ask("read", name, request)

    def get_range(self, name: str, start: int, end: int) -> bytes:
        """Bytes of an object from `start` up to `end`, which is left out."""
        return self._ask(
            "read",
            name,
            lambda again: bytes(self._api.get_range(self._store, name, start=start, end=end)),
        )

    def head(self, name: str) -> tuple[int, str, float]:
        """Size in bytes, tag, and when it was written in seconds since 1970, by their clock."""

        def request(again: bool) -> tuple[int, str, float]:
            found = self._api.head(self._store, name)
            return found["size"], _tag(found), found["last_modified"].timestamp()

        return self._ask("read", name, request)

    def send(self, name: str, data: bytes) -> None:
        """Writes or replaces an object; doing it twice does no harm."""
        self._ask("write", name, lambda again: self._api.put(self._store, name, data))

    def send_parts(self, name: str, path: Path) -> None:
        """Writes or replaces a large object, which appears with its last part."""
        self._ask(
            "write",
            name,
            lambda again: self._api.put(
                self._store, name, path, use_multipart=True, chunk_size=CHUNK, max_concurrency=4
            ),
        )

    def send_if(self, name: str, data: bytes, *, mode: Literal["create"] | dict[str, str]) -> bool:
        """Writes an object on a condition.

        Args:
            name: which.
            data: the whole content.
            mode: `create` where there must be none; else `{"e_tag": tag}` of the one that is there.

        Returns:
            Whether the condition held and this very call wrote it.
        """
        token = secrets.token_hex(16)

        def request(again: bool) -> bool:
            kinds = self._errors.AlreadyExistsError, self._errors.PreconditionError
            try:
                self._api.put(self._store, name, data, mode=mode, attributes={_TOKEN: token})
            except (FileNotFoundError, *kinds) as error:
                if isinstance(error, FileNotFoundError) and "NoSuchBucket" in str(error):
                    raise
                return again and self._token(name) == token
            return True

        return self._ask("write", name, request)

    def delete(self, names: list[str]) -> None:
        """Removes objects; missing ones are fine."""
        one = names[0] if len(names) == 1 else ""
        self._ask("delete", one, lambda again: self._api.delete(self._store, names))

    def pages(self, folder: str, *, behind: str | None = None) -> Iterator[tuple[str, int, str]]:
        """(name, size, tag) of the objects below a folder, sorted by name.

        Args:
            folder: without its slash; empty for all.
            behind: leave out names up to this one.
        """
        last = behind
        while True:
            page = self._ask("list", folder, partial(self._page, folder, last))
            for entry in page:
                last = str(entry["path"])
                yield last, entry["size"], _tag(entry)
            if len(page) < 1000:
                return

    def folders(self) -> list[str]:
        """Names right below the prefix that have names below them."""
        found = self._ask("list", "", lambda again: self._api.list_with_delimiter(self._store))
        return sorted(str(name).rstrip("/").rpartition("/")[2] for name in found["common_prefixes"])

    def _page(self, folder: str, since: str | None, _again: bool) -> list[Mapping[str, Any]]:
        stream = self._api.list(self._store, folder or None, offset=since, chunk_size=1000)
        return list(next(iter(stream), []))

    def _token(self, name: str) -> str | None:
        """The token beside an object; None if it has none or is gone."""
        try:
            found: str | None = self._api.get(self._store, name).attributes.get(_TOKEN)
        except FileNotFoundError:
            return None
        return found

    def _ask(self, action: str, name: str, request: Callable[[bool], T]) -> T:
        """Sends a request until it is answered; it hears whether an earlier go may have worked."""
        place = self.url / name if name else self.url

        def once(again: bool) -> T:
            try:
                return request(again)
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise _refused(action, place, str(error)) from None
                gone = FileNotFoundError(2, "No such file or directory")
                raise StorageError(
                    f"{place}: cannot {action} it, no such object. It may have been removed while"
                    " the sweep ran.",
                    path=place,
                ) from gone
            except self._errors.BaseError as error:
                if _passes(str(error)):
                    raise Unanswered(_reason(str(error))) from None
                raise _refused(action, place, str(error)) from None

        try:
            return self._patience(once)
        except Unanswered as error:
            raise StorageError(
                f"{place}: cannot {action} it, {error}, for {self._patience.total_s:g} s. Check"
                " that storage and the way there, then resume.",
                path=place,
            ) from None


def _tag(meta: Mapping[str, Any]) -> str:
    return str(meta["e_tag"] or meta["last_modified"])


def _refused(action: str, place: Url, message: str) -> StorageError:
    status = _STATUS.search(message)
    remedy = _REMEDIES.get(status["status"] if status else "", "Check that storage.")
    return StorageError(f"{place}: cannot {action} it, {_reason(message)}. {remedy}", path=place)


def _passes(message: str) -> bool:
    """Whether an error is one that a later try may not meet."""
    status = _STATUS.search(message)
    if status is not None:
        number = status["status"]
        return number in _PASSING or (number.startswith("5") and number not in _REMEDIES)
    return "builder error" not in message


def _reason(message: str) -> str:
    """What an error says, in a few words; the service's own may repeat what it was sent."""
    status, code, http = (found.search(message) for found in (_STATUS, _CODE, _HTTP))
    if status is not None:
        words = f"{status['status']} {status['words'].strip()}".strip()
        return f"it answered {words} ({code['code']})" if code else f"it answered {words}"
    return http["why"].strip() if http else "it did not answer as S3 does"
