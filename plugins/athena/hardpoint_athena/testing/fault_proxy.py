"""Faults between a client and a service, over HTTP: answers lost, late, broken or repeated, and refusals."""

from __future__ import annotations

import enum
import json
import socket
import struct
import threading
import time
from collections.abc import Mapping
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec

LATE_S = 1.5
"""How long an answer takes that comes too late."""


class Kind(enum.Enum):
    """What goes wrong with one call."""

    LOSE = enum.auto()
    """The call takes effect; the connection is reset in place of an answer."""
    CUT = enum.auto()
    """The call takes effect; the answer ends in the middle."""
    GARBLE = enum.auto()
    """The call takes effect; the answer is no JSON."""
    STALL = enum.auto()
    """The call takes effect; the answer is late."""
    REPEAT = enum.auto()
    """The call arrives twice."""
    REFUSE = enum.auto()
    """The call never arrives."""


class Fault(msgspec.Struct, frozen=True):
    """One fault, for the next call that fits.

    Args:
        kind: What goes wrong.
        operations: Of which operations; empty for any.
        status, code: Of a refusal.
        retry_after_s: What a refusal asks for.
    """

    kind: Kind
    operations: tuple[str, ...] = ()
    status: int = 0
    code: str = ""
    retry_after_s: float | None = None


class FaultProxy:
    """In front of a service on loopback; listens until its context ends."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._calls: list[str] = []
        proxy = self

        class Handler(_Handler):
            faults = proxy

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where clients call."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def script(self, *faults: Fault) -> None:
        """Let these happen, each once."""
        with self._lock:
            self._faults.extend(faults)

    def scripted(self) -> list[Fault]:
        """Those that have not happened yet."""
        with self._lock:
            return list(self._faults)

    def reset(self) -> None:
        """Forget faults and calls."""
        with self._lock:
            self._faults.clear()
            self._calls.clear()

    def calls(self) -> list[str]:
        """Operations that were called, in order, whatever came of them."""
        with self._lock:
            return list(self._calls)

    def fault_of(self, operation: str) -> Fault | None:
        """Count a call; the fault that hits it."""
        with self._lock:
            self._calls.append(operation)
            fits = (each for each in self._faults if not each.operations or operation in each.operations)
            found = next(fits, None)
            if found is not None:
                self._faults.remove(found)
            return found


class _Handler(BaseHTTPRequestHandler):
    faults: FaultProxy

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        fault = self.faults.fault_of(operation)
        if fault is not None and fault.kind is Kind.REFUSE:
            self._refuse(fault)
            return
        status, headers, answer = self._pass_on(body)
        match fault.kind if fault else None:
            case Kind.REPEAT:
                status, headers, answer = self._pass_on(body)
            case Kind.LOSE:
                self._reset()
                return
            case Kind.CUT:
                self._answer(status, headers, answer[: len(answer) // 2], length=len(answer))
                return
            case Kind.GARBLE:
                answer = b'{"Unexpected": tru'
            case Kind.STALL:
                time.sleep(LATE_S)
        self._answer(status, headers, answer)

    def _pass_on(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        connection = HTTPConnection("127.0.0.1", self.faults.upstream, timeout=60)
        try:
            connection.request("POST", self.path, body, dict(self.headers))
            response = connection.getresponse()
            return response.status, dict(response.headers), response.read()
        finally:
            connection.close()

    def _refuse(self, fault: Fault) -> None:
        headers = {"Content-Type": "application/x-amz-json-1.1"}
        if fault.retry_after_s is not None:
            headers["Retry-After"] = f"{fault.retry_after_s:g}"
        words = {"__type": fault.code, "message": "Refused on purpose"}
        body = json.dumps(words).encode() if fault.code else b"<html>Refused on purpose</html>"
        self._answer(fault.status, headers, body)

    def _answer(
        self, status: int, headers: Mapping[str, str], body: bytes, *, length: int | None = None
    ) -> None:
        try:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in (
                    "content-length",
                    "connection",
                    "transfer-encoding",
                    "server",
                    "date",
                ):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            # The client stopped waiting.
            self.close_connection = True

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: tests read what is printed."""
