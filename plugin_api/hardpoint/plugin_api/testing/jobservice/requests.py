"""What goes in and out of the service's API, whatever it is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec


class Request(msgspec.Struct, frozen=True):
    """One HTTP request; header names in lower case."""

    verb: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def line(self) -> str:
        """What faults are matched against."""
        return f"{self.verb} {self.path}"


class Reply(msgspec.Struct, frozen=True):
    """One HTTP answer; `body` is encoded as JSON, `date` is the service's time in seconds since the epoch."""

    status: int
    body: Any
    retry_after_s: float | None = None
    date: float | None = None


Answer = Callable[[Reply], None]


class BatchBody(msgspec.Struct, forbid_unknown_fields=True):
    """Which jobs, or arrays, a batch get asks for."""

    ids: list[str]


def error(status: int, message: str, *, id: str | None = None, retry_after_s: float | None = None) -> Reply:
    """An answer that refuses."""
    return Reply(status, {"error": message} if id is None else {"error": message, "id": id}, retry_after_s)


def counter_of(request: Request) -> str:
    """The name under which a request is counted.

    >>> counter_of(Request("GET", "/v1/jobs/j7", {}, {}, b""))
    'GET /v1/jobs/ID'
    >>> counter_of(Request("POST", "/v1/arrays/a7:outputs", {}, {}, b""))
    'POST /v1/arrays/ID:outputs'
    >>> counter_of(Request("GET", "/v1/jobs", {"label": "a"}, {}, b""))
    'GET /v1/jobs?label'
    """
    kind, slash, rest = request.path.removeprefix("/v1/").partition("/")
    if slash:
        _, colon, verb = rest.partition(":")
        return f"{request.verb} /v1/{kind}/ID{colon}{verb}"
    if request.verb == "GET" and kind in ("jobs", "arrays"):
        selector = next((each for each in ("ids", "name", "label") if each in request.query), "")
        return f"GET /v1/{kind}?{selector}"
    return request.line
