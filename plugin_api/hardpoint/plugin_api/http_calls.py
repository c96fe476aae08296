"""One HTTP call to a service, with every failure classed: for handlers whose service has no Python client.

Not imported with the rest of the vocabulary: it needs a network library that a plugin with an SDK of its own
does not want to load.
"""

from __future__ import annotations

import http.client
import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from hardpoint.plugin_api.errors import (
    ContractViolation,
    HardpointError,
    PermanentSystemError,
    ThrottledError,
    TransientError,
    UserError,
)

T = TypeVar("T")

SUCCESS = range(200, 300)
WORDS_MAX = 200
"""Characters of a refusal's body that its error repeats."""


def call_json(
    gate: AbstractContextManager[None],
    verb: str,
    url: str,
    answer: type[T],
    body: object = msgspec.UNSET,
    *,
    headers: Mapping[str, str] | None = None,
    accept: tuple[int, ...] = (),
    timeout_s: float = 10.0,
) -> T:
    """Make one call inside the gate, JSON in and JSON out, over a connection of its own.

    Follows no redirect and uses no proxy: headers that hold a secret go to `url` alone.

    Args:
        gate: `context.calls.read()`, or `.write()` for a call that changes something.
        verb, url: What is called where.
        answer: What the service documents, such as a msgspec Struct.
        body: What is sent as JSON, if anything.
        headers: Never repeated in an error.
        accept: Statuses besides 2xx whose body is an `answer` too.
        timeout_s: Longest wait for a connection, and for the next bytes.

    Raises:
        ThrottledError: 429, with the seconds of `Retry-After`.
        TransientError: 408, 5xx, no answer, or one that is not what `answer` says.
        ContractViolation: 409: what we would name so exists already, and is something else.
        PermanentSystemError: 401 and 403.
        UserError: Any other status.

    Example:
        ```python
        with_key = {"Idempotency-Key": request.token}
        job = call_json(context.calls.write(), "POST", f"{url}/jobs", Job, {"sql": sql}, headers=with_key)
        ```
    """
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    call = f"`{verb} {path}` at `{parts.netloc}`"
    sent = None if body is msgspec.UNSET else msgspec.json.encode(body)
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    with gate, closing(connect(parts.netloc, timeout=timeout_s)) as connection:
        try:
            connection.request(verb, path, sent, {"Content-Type": "application/json", **(headers or {})})
            response = connection.getresponse()
            status, data = response.status, response.read()
        except (OSError, http.client.HTTPException) as failure:
            raise TransientError(f"{call} got no answer: {type(failure).__name__}") from None
    if status not in SUCCESS and status not in accept:
        raise error_of_status(status, call, _words(data), _seconds(response.headers.get("Retry-After")))
    try:
        return msgspec.json.decode(data, type=answer)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise TransientError(f"The answer to {call} cannot be read: {error}") from None


def error_of_status(
    status: int, call: str, words: str = "", retry_after_s: float | None = None
) -> HardpointError:
    """The error that a refusal means; for the errors of a vendor's SDK too.

    Args:
        status: Of HTTP, not 2xx.
        call: What was called.
        words: The service's own; left out where they may repeat credentials.
        retry_after_s: How long the service asked to wait.

    >>> error_of_status(503, "`GET /jobs/j1`")
    TransientError('`GET /jobs/j1` was answered with 503')
    >>> error_of_status(400, "`POST /jobs`", "no such table")
    UserError('`POST /jobs` was answered with 400: no such table')
    """
    bare = f"{call} was answered with {status}"
    what = f"{bare}: {words}" if words else bare
    match status:
        case 429:
            return ThrottledError(what, retry_after_s=retry_after_s)
        case 401 | 403:
            return PermanentSystemError(bare, hint="Check the secret that holds the service's credentials")
        case 409:
            return ContractViolation(what)
        case _ if status == 408 or status >= 500:
            return TransientError(what)
        case _:
            return UserError(what)


def _words(data: bytes) -> str:
    return " ".join(data.decode(errors="replace").split())[:WORDS_MAX]


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text or "")
    except ValueError:
        # Absent, or a date: then the executor waits by a rule of its own.
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
