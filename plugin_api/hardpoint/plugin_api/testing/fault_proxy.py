"""Faults between a client and a service, over HTTP: answers lost, late, broken or repeated, and refusals.

An emulator of a service has no faults to offer. A proxy in front of it has, and the plugin's client still
talks over a real connection.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import urlsplit

import msgspec

from hardpoint.plugin_api.testing.http_dialect import Answer, Call, Fault, FaultKind, HttpDialect

LATE_S = 1.5
IDLE_AT_MOST_S = 1.0
"""Older connections are not used again: the service may be closing them right now."""
FORWARDED_WITHIN_S = 60.0
BROKEN = b'{"garbled": tru'
OF_A_CONNECTION = frozenset(
    ("content-length", "connection", "keep-alive", "transfer-encoding", "server", "date")
)


class FaultProxy:
    """A proxy on a free port of 127.0.0.1 in front of a service; it listens until its context ends.

    Faults wait in a queue. A call draws the first that fits, and each happens once.

    Args:
        upstream: URL of the service, without a path: `http://127.0.0.1:4566`.
        dialect: What to know of the service; a plain REST API if left out.
        late_s: How long an answer takes that comes too late.

    >>> from hardpoint.plugin_api.testing.jobservice import JobService
    >>> from urllib.request import urlopen
    >>> with JobService() as service, FaultProxy(service.url) as proxy:
    ...     proxy.script(Fault(FaultKind.GARBLE, ("GET /v1/quota",)))
    ...     urlopen(f"{proxy.url}/v1/quota").read(), proxy.calls(), proxy.scripted()
    (b'{"garbled": tru', ['GET /v1/quota'], [])
    """

    def __init__(self, upstream: str, dialect: HttpDialect | None = None, *, late_s: float = LATE_S) -> None:
        self.upstream = upstream
        self.dialect = dialect or HttpDialect()
        self.late_s = late_s
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._calls: list[str] = []
        self._idle: list[tuple[float, HTTPConnection]] = []
        self._closed = False
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="fault-proxy", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        with self._lock:
            self._closed = True
            for _since, connection in self._idle:
                connection.close()

    @property
    def url(self) -> str:
        """Where clients call."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def script(self, *faults: Fault) -> None:
        """Further faults, behind those that still wait."""
        with self._lock:
            self._faults.extend(faults)

    def scripted(self) -> list[Fault]:
        """Those that have not happened yet."""
        with self._lock:
            return list(self._faults)

    def calls(self) -> list[str]:
        """Names of the calls that arrived, in order, whatever came of them."""
        with self._lock:
            return list(self._calls)

    def reset(self) -> None:
        """Forget faults and calls."""
        with self._lock:
            self._faults.clear()
            self._calls.clear()

    def answer(self, call: Call) -> Answer | None:
        """What the client gets; None for a reset connection."""
        own = self.dialect.own_answer(call)
        if own is not None:
            return own
        fault = self._draw(call)
        if fault is None:
            return self._carried_out(call)
        if fault.kind is FaultKind.RESET:
            return None
        if fault.kind is FaultKind.REFUSE:
            return _refusal(self.dialect, fault)
        if fault.kind is FaultKind.REPEAT:
            self._carried_out(call)
        return self._broken(fault.kind, self._carried_out(call))

    def _broken(self, kind: FaultKind, answer: Answer) -> Answer | None:
        match kind:
            case FaultKind.LOSE:
                return None
            case FaultKind.CUT:
                whole = {**answer.headers, "Content-Length": str(len(answer.body))}
                return Answer(answer.status, whole, answer.body[: len(answer.body) // 2])
            case FaultKind.GARBLE:
                return Answer(answer.status, {"Content-Type": "application/json"}, BROKEN)
            case FaultKind.STALL:
                time.sleep(self.late_s)
        return answer

    def _carried_out(self, call: Call) -> Answer:
        try:
            return self.dialect.carry_out(call, self._forward)
        except (OSError, HTTPException) as error:
            told = f"`{self.upstream}` does not answer the proxy: {error!r}"
            return Answer(502, {"Content-Type": "text/plain"}, told.encode())

    def _draw(self, call: Call) -> Fault | None:
        name, writes = self.dialect.name(call), self.dialect.writes(call)
        spared = name in self.dialect.spared
        with self._lock:
            self._calls.append(name)
            for fault in self._faults:
                named = name in fault.names if fault.names else not spared
                if named and (writes or not fault.writes_only):
                    self._faults.remove(fault)
                    return fault
        return None

    def _forward(self, call: Call) -> Answer:
        connection = self._connection()
        try:
            connection.request(call.verb, call.path, call.body or None, dict(call.headers))
            response = connection.getresponse()
            body = response.read()
        except BaseException:
            connection.close()
            raise
        with self._lock:
            if self._closed:
                connection.close()
            else:
                self._idle.append((time.monotonic(), connection))
        kept = {name: value for name, value in response.headers.items() if _is_passed_on(name)}
        return Answer(response.status, kept, body)

    def _connection(self) -> HTTPConnection:
        with self._lock:
            while self._idle:
                since, connection = self._idle.pop()
                if time.monotonic() - since < IDLE_AT_MOST_S:
                    return connection
                connection.close()
        return HTTPConnection(urlsplit(self.upstream).netloc, timeout=FORWARDED_WITHIN_S)


class ProxySwitch:
    """What a proxy can do of `FaultSwitch`; a plugin's switch adds `settle`, `finish` and `jobs_for`.

    Args:
        proxy: Between the plugin and the service.

    >>> with FaultProxy("http://127.0.0.1:9") as proxy:
    ...     ProxySwitch(proxy).lose_next_reply()
    ...     [fault.kind.name for fault in proxy.scripted()]
    ['LOSE']
    """

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy

    @property
    def url(self) -> str:
        """Where the plugin calls."""
        return self.proxy.url

    def lose_next_reply(self) -> None:
        """See `FaultSwitch`."""
        self.proxy.script(Fault(FaultKind.LOSE, writes_only=True))

    def garble_next_reply(self) -> None:
        """See `FaultSwitch`."""
        self.proxy.script(Fault(FaultKind.GARBLE))

    def stall_next_reply(self) -> None:
        """See `CanStall`."""
        self.proxy.script(Fault(FaultKind.STALL))

    def repeat_next_call(self) -> None:
        """See `CanRepeat`."""
        self.proxy.script(Fault(FaultKind.REPEAT, writes_only=True))

    def fail_next(self, status: int, *, retry_after_s: float | None = None) -> None:
        """See `FaultSwitch`."""
        self.proxy.script(Fault(FaultKind.REFUSE, status=status, retry_after_s=retry_after_s))

    def calls_received(self) -> int:
        """See `FaultSwitch`."""
        return len(self.proxy.calls())


def _refusal(dialect: HttpDialect, fault: Fault) -> Answer:
    answer = dialect.refusal(fault)
    if fault.retry_after_s is None:
        return answer
    headers = {**answer.headers, "Retry-After": f"{fault.retry_after_s:g}"}
    return msgspec.structs.replace(answer, headers=headers)


def _is_passed_on(header: str) -> bool:
    return header.lower() not in OF_A_CONNECTION


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Requests)


class _Requests(BaseHTTPRequestHandler):
    server: _Server
    # Or the body of an answer waits until the client has confirmed its headers.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        headers.pop("connection", None)
        answer = self.server.proxy.answer(Call(self.command, self.path, headers, body))
        if answer is None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        length = {"Content-Length": str(len(answer.body))}
        # The client may have stopped waiting.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._send(answer.status, {**length, **answer.headers}, answer.body)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: tests read what is printed."""
