"""Calls to the job service over `http.client`, with its errors mapped to hardpoint's."""

from __future__ import annotations

import http.client
import select
import threading
import weakref
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from hardpoint.plugin_api import (
    HardpointError,
    PermanentSystemError,
    ThrottledError,
    TransientError,
    UserError,
)

T = TypeVar("T")


class JobView(msgspec.Struct, frozen=True):
    """What the service shows of a job."""

    id: str
    state: str
    label: str | None = None
    tags: dict[str, str] = {}
    error: str = ""
    output: Any = None
    usage: dict[str, float] = {}


class JobPage(msgspec.Struct, frozen=True):
    """What the service shows of several."""

    jobs: list[JobView]


class Changes(msgspec.Struct, frozen=True):
    """What happened to jobs, oldest first; `next` is where to go on."""

    changes: list[JobView]
    next: int


class Quota(msgspec.Struct, frozen=True):
    """What a tenant uses, and what it may."""

    running: int
    slots: int
    queued: int
    max_queued: int


class Refusal(msgspec.Struct, frozen=True):
    """The body of an answer that refuses; `id` names the job that is in the way."""

    error: str = ""
    id: str = ""


class Address(msgspec.Struct, frozen=True):
    """Where and as whom to call."""

    url: str
    tenant: str
    timeout_s: float
    token: str = ""

    def __repr__(self) -> str:
        return f"Address({self.url}, {self.tenant})"


class Answer(msgspec.Struct, frozen=True):
    """A status and the bytes that came with it; `date` is the header."""

    call: str
    status: int
    body: bytes
    date: str = ""

    def read(self, type: type[T]) -> T:
        """The body; raises `TransientError` when it is not what the service documents."""
        try:
            return msgspec.json.decode(self.body, type=type)
        except msgspec.MsgspecError as error:
            raise TransientError(f"The answer to {self.call} cannot be read: {error}") from None


def error_of(
    call: str, status: int, message: str, retry_after_s: float | None, token_secret: str = ""
) -> HardpointError | None:
    """The error that a status means; None for success.

    >>> error_of("`GET /v1/jobs/j1`", 503, "", None)
    TransientError('`GET /v1/jobs/j1` was answered with 503')
    """
    what = f"{call} was answered with {status}" + (f": {message}" if message else "")
    match status:
        case 200 | 201:
            return None
        case 429:
            return ThrottledError(what, retry_after_s=retry_after_s)
        case 401 | 403:
            shown = f"`{token_secret}`" if token_secret else "one, by `token_secret` in the task's config"
            return PermanentSystemError(
                what, hint=f"Check the secret that holds the service's token: {shown}"
            )
        case _ if status >= 500:
            return TransientError(what)
        case _:
            return UserError(what)


class _Connections:
    """The open connections of one thread, closed with the thread."""

    def __init__(self) -> None:
        self._open: dict[str, http.client.HTTPConnection] = {}
        # Not `__del__`: in a reference cycle it may come after the sockets' own.
        weakref.finalize(self, _close, self._open)

    def get(self, address: Address) -> http.client.HTTPConnection:
        connection = self._open.get(address.url)
        if connection is None:
            connection = http.client.HTTPConnection(urlsplit(address.url).netloc)
            self._open[address.url] = connection
        connection.timeout = address.timeout_s
        if connection.sock is not None:
            # Readable before we asked anything: the service closed it. Sending would lose the request.
            if _readable(connection.sock.fileno()):
                connection.close()
            else:
                connection.sock.settimeout(address.timeout_s)
        return connection


def _close(connections: dict[str, http.client.HTTPConnection]) -> None:
    for connection in connections.values():
        connection.close()


def _readable(descriptor: int) -> bool:
    poller = select.poll()
    poller.register(descriptor, select.POLLIN | select.POLLHUP | select.POLLERR)
    return bool(poller.poll(0))


class ServiceClient:
    """Calls from any thread; each keeps its own connection."""

    def __init__(self) -> None:
        self._of_thread = threading.local()

    def call(
        self,
        address: Address,
        verb: str,
        path: str,
        body: bytes | None = None,
        *,
        key: str = "",
        accept: tuple[int, ...] = (),
        token_secret: str = "",
    ) -> Answer:
        """One call; statuses other than success and those in `accept` are raised."""
        call = f"`{verb} {path}` at `{address.url}`"
        headers = {"X-Tenant": address.tenant}
        if key:
            headers["Idempotency-Key"] = key
        if address.token:
            headers["Authorization"] = f"Bearer {address.token}"
        connection = self._connections().get(address)
        try:
            connection.request(verb, path, body, headers)
            response = connection.getresponse()
            answer = Answer(call, response.status, response.read(), response.headers.get("Date", ""))
        except (OSError, http.client.HTTPException) as failure:
            connection.close()
            raise TransientError(f"{call} got no answer: {type(failure).__name__}") from None
        if answer.status not in accept:
            retry_after = _seconds(response.headers.get("Retry-After"))
            error = error_of(call, answer.status, _message(answer), retry_after, token_secret)
            if error is not None:
                raise error
        return answer

    def _connections(self) -> _Connections:
        found: _Connections | None = getattr(self._of_thread, "connections", None)
        if found is None:
            found = self._of_thread.connections = _Connections()
        return found


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _message(answer: Answer) -> str:
    if answer.status in (200, 201):
        return ""
    try:
        return answer.read(Refusal).error
    except TransientError:
        return ""
