"""Faults, and what a proxy must know of a service to play them: names of calls, and how it refuses."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Mapping

import msgspec


class FaultKind(enum.Enum):
    """What goes wrong with one call."""

    LOSE = enum.auto()
    """It takes effect; the connection is reset in place of an answer."""
    CUT = enum.auto()
    """It takes effect; the answer ends in the middle."""
    GARBLE = enum.auto()
    """It takes effect; the answer is no JSON."""
    STALL = enum.auto()
    """It takes effect; the answer is late."""
    REPEAT = enum.auto()
    """It arrives twice."""
    RESET = enum.auto()
    """It never arrives; the connection is reset."""
    REFUSE = enum.auto()
    """It never arrives; the answer is a refusal."""


class Fault(msgspec.Struct, frozen=True):
    """One fault, for the next call that fits.

    Args:
        kind: What goes wrong.
        names: Of calls that it fits, as the dialect names them; empty for all that it does not spare.
        status: HTTP status of a refusal.
        code: The service's own word for a refusal; empty for what the dialect says of the status.
        retry_after_s: Seconds that a refusal asks to wait, in a `Retry-After`.
        writes_only: Whether calls that change nothing pass it by.

    >>> Fault(FaultKind.REFUSE, ("StartQuery",), 429, retry_after_s=3.0).status
    429
    """

    kind: FaultKind
    names: tuple[str, ...] = ()
    status: int = 503
    code: str = ""
    retry_after_s: float | None = None
    writes_only: bool = False


class Call(msgspec.Struct, frozen=True):
    """A request as the client sent it; names of headers are in lower case, `path` is with its query."""

    verb: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Answer(msgspec.Struct, frozen=True):
    """A response, without the headers that say how it is sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def json_answer(status: int, told: object) -> Answer:
    """An answer of JSON.

    >>> json_answer(404, {"error": "no such job"}).body
    b'{"error": "no such job"}'
    """
    return Answer(status, {"Content-Type": "application/json"}, json.dumps(told).encode())


class HttpDialect:
    """What differs between services; this one is of a plain REST API, and a subclass changes what it must.

    All methods are called from several threads.

    >>> call = Call("DELETE", "/v1/jobs/7?now", {}, b"")
    >>> HttpDialect().name(call), HttpDialect().writes(call)
    ('DELETE /v1/jobs/7', True)
    """

    spared: frozenset[str] = frozenset()
    """Names of calls that only a fault with their name hits, such as signing in."""

    def name(self, call: Call) -> str:
        """What faults and `FaultProxy.calls` call it: by default `VERB /path`, without the query."""
        return f"{call.verb} {call.path.partition('?')[0]}"

    def writes(self, call: Call) -> bool:
        """Whether it may change something: by default, whatever is no GET."""
        return call.verb != "GET"

    def refusal(self, fault: Fault) -> Answer:
        """A refusal in the service's form; the proxy adds `Retry-After`."""
        return json_answer(fault.status, {"error": fault.code or "refused", "message": "Refused on purpose"})

    def own_answer(self, call: Call) -> Answer | None:
        """The answer of the proxy itself, such as a token; such a call is neither counted nor broken."""
        return None

    def carry_out(self, call: Call, forward: Callable[[Call], Answer]) -> Answer:
        """Let a call take effect: by default forward it. Here calls and answers are rewritten."""
        return forward(call)
