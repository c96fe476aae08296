"""HTTP/1.1 over an asyncio protocol: keep-alive, one request at a time on each connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

import msgspec

from hardpoint.plugin_api.testing.jobservice.requests import Reply, Request

LONGEST_HEAD_BYTES = 65536

_encoder = msgspec.json.Encoder()


class Sent(msgspec.Struct, frozen=True):
    """How a reply leaves: as it is, broken (`malformed`), or not at all when `reply` is None."""

    reply: Reply | None
    malformed: bool = False


Respond = Callable[[Sent], None]
Serve = Callable[[Request, Respond], None]


class Traffic:
    """Connections open and requests waiting for their answer, with the maxima of both."""

    def __init__(self) -> None:
        self.connections = self.in_flight = 0
        self.reset()

    def reset(self) -> None:
        """Start the maxima anew."""
        self.max_connections, self.max_in_flight = self.connections, self.in_flight

    def connected(self, change: int) -> None:
        """Count a connection in (1) or out (-1)."""
        self.connections += change
        self.max_connections = max(self.max_connections, self.connections)

    def flying(self, change: int) -> None:
        """Count a request in (1) or out (-1)."""
        self.in_flight += change
        self.max_in_flight = max(self.max_in_flight, self.in_flight)


class HttpConnection(asyncio.Protocol):
    """One client's connection; requests that arrive early wait until the one before them is answered."""

    _transport: asyncio.Transport

    def __init__(self, serve: Serve, traffic: Traffic) -> None:
        self._serve = serve
        self._traffic = traffic
        self._buffer = b""
        self._busy = False
        self._keep_alive = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._traffic.connected(1)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self._traffic.connected(-1)
        if self._busy:
            self._busy = False
            self._traffic.flying(-1)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._buffer += data
        if not self._busy:
            self._next_request()

    def _next_request(self) -> None:
        try:
            parsed = parse(self._buffer)
        except (ValueError, UnicodeDecodeError):
            self._transport.abort()
            return
        if parsed is None:
            return
        request, length = parsed
        self._buffer = self._buffer[length:]
        self._keep_alive = request.headers.get("connection", "").lower() != "close"
        self._busy = True
        self._traffic.flying(1)
        self._serve(request, self._respond)

    def _respond(self, sent: Sent) -> None:
        # The client may have gone while its answer was delayed.
        if not self._busy:
            return
        self._busy = False
        self._traffic.flying(-1)
        if sent.reply is None:
            self._transport.abort()
            return
        self._transport.write(encode(sent.reply, malformed=sent.malformed, keep_alive=self._keep_alive))
        if not self._keep_alive:
            self._transport.close()
        elif self._buffer:
            self._next_request()


def parse(buffer: bytes) -> tuple[Request, int] | None:
    """The first request in the buffer and its length in bytes; None while it is incomplete.

    >>> request, length = parse(b"GET /v1/jobs?label=a%20b HTTP/1.1\\r\\nX-Tenant: red\\r\\n\\r\\nGET")
    >>> request.path, request.query, request.headers, length
    ('/v1/jobs', {'label': 'a b'}, {'x-tenant': 'red'}, 52)
    >>> parse(b"GET / HTTP/1.1\\r\\n")
    """
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        if len(buffer) > LONGEST_HEAD_BYTES:
            raise ValueError("the head of the request is too long")
        return None
    first, *lines = buffer[:end].decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    length = end + 4 + int(headers.get("content-length", "0"))
    if len(buffer) < length:
        return None
    verb, target, _ = first.split(" ")
    path, _, query = target.partition("?")
    request = Request(
        verb,
        unquote(path) if "%" in path else path,
        dict(parse_qsl(query, keep_blank_values=True)) if query else {},
        headers,
        buffer[end + 4 : length],
    )
    return request, length


def encode(reply: Reply, *, malformed: bool, keep_alive: bool) -> bytes:
    """A reply as bytes; a malformed one loses the second half of its JSON.

    >>> encode(Reply(200, {"ok": 1}), malformed=True, keep_alive=True).rpartition(b"\\r\\n")[2]
    b'{"ok'
    """
    body = _encoder.encode(reply.body)
    if malformed:
        body = body[: len(body) // 2]
    head = f"HTTP/1.1 {reply.status} {_reason(reply.status)}\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\n"
    if reply.retry_after_s is not None:
        head += f"Retry-After: {reply.retry_after_s:g}\r\n"
    if reply.date is not None:
        head += f"Date: {formatdate(reply.date, usegmt=True)}\r\n"
    if not keep_alive:
        head += "Connection: close\r\n"
    return head.encode() + b"\r\n" + body


_REASONS = {status.value: status.phrase for status in HTTPStatus}


def _reason(status: int) -> str:
    return _REASONS.get(status, "Unknown")
