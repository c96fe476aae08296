"""Faults between connector and service, over HTTP: answers lost, late, broken or repeated, and refusals."""

from __future__ import annotations

import enum
import gzip
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


class Step(enum.Enum):
    """What a request is."""

    SIGN_IN = enum.auto()
    READ = enum.auto()
    CHANGE = enum.auto()


class Kind(enum.Enum):
    """What goes wrong with one request."""

    LOSE = enum.auto()
    """It takes effect; the connection is reset in place of an answer."""
    GARBLE = enum.auto()
    """It takes effect; the answer is no JSON."""
    STALL = enum.auto()
    """It takes effect; the answer is late."""
    REPEAT = enum.auto()
    """It arrives twice."""
    REFUSE = enum.auto()
    """It never arrives."""


class Fault(msgspec.Struct, frozen=True):
    """One fault, for the next request that fits.

    Args:
        kind: What goes wrong.
        steps: Which requests it fits.
        status, retry_after_s: Of a refusal.
        code: Of a refusal: what the service answers with in its own form.
    """

    kind: Kind
    steps: tuple[Step, ...] = (Step.READ, Step.CHANGE)
    status: int = 200
    code: str = ""
    retry_after_s: float | None = None


class FaultProxy:
    """In front of a service on loopback; listens until its context ends."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._steps: list[Step] = []
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

    def steps(self) -> list[Step]:
        """Requests that arrived, in order, whatever came of them."""
        with self._lock:
            return list(self._steps)

    def fault_of(self, step: Step) -> Fault | None:
        """Count a request; the fault that hits it."""
        with self._lock:
            self._steps.append(step)
            found = next((each for each in self._faults if step in each.steps), None)
            if found is not None:
                self._faults.remove(found)
            return found


class _Handler(BaseHTTPRequestHandler):
    faults: FaultProxy

    def do_GET(self) -> None:
        self._serve("GET", b"")

    def do_POST(self) -> None:
        self._serve("POST", self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _serve(self, verb: str, body: bytes) -> None:
        fault = self.faults.fault_of(self._step(body))
        if fault is not None and fault.kind is Kind.REFUSE:
            self._refuse(fault)
            return
        status, headers, answer = self._pass_on(verb, body)
        match fault.kind if fault else None:
            case Kind.REPEAT:
                status, headers, answer = self._pass_on(verb, body)
            case Kind.LOSE:
                self._reset()
                return
            case Kind.GARBLE:
                answer = b'{"unexpected": tru'
            case Kind.STALL:
                time.sleep(LATE_S)
        self._answer(status, headers, answer)

    def _step(self, body: bytes) -> Step:
        if "login-request" in self.path:
            return Step.SIGN_IN
        plain = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
        if "abort-request" in self.path or (plain and json.loads(plain).get("asyncExec")):
            return Step.CHANGE
        return Step.READ

    def _pass_on(self, verb: str, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        connection = HTTPConnection("127.0.0.1", self.faults.upstream, timeout=60)
        try:
            connection.request(verb, self.path, body, dict(self.headers))
            response = connection.getresponse()
            return response.status, dict(response.headers), response.read()
        finally:
            connection.close()

    def _refuse(self, fault: Fault) -> None:
        headers = {} if fault.retry_after_s is None else {"Retry-After": f"{fault.retry_after_s:g}"}
        told = {"data": {}, "code": fault.code, "message": "Refused on purpose", "success": False}
        body = json.dumps(told).encode() if fault.code else b"<html>Refused on purpose</html>"
        self._answer(fault.status, headers, body)

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        try:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() in ("content-type", "retry-after"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
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
