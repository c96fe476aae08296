"""An HTTP proxy in front of the stand-in: it loses, garbles, refuses and repeats calls, and checks tokens."""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import msgspec

from hardpoint.plugin_api import Phase
from hardpoint_bigquery.testing.job_book import JobBook

LATE_S = 1.5
"""How long an answer takes that comes too late."""
TOKEN_PATH = "/token"  # noqa: S105 - where tokens are fetched
REASONS = {
    400: "invalid",
    401: "authError",
    403: "accessDenied",
    404: "notFound",
    409: "duplicate",
    429: "rateLimitExceeded",
    500: "internalError",
}


class Fault(msgspec.Struct, frozen=True):
    """What happens to the next call that fits.

    Args:
        kind: `lost`, `garbled`, `late`, `repeated`, `reset` (before any effect) or `refused`.
        writes_only: Whether calls that change nothing pass it by.
        status, retry_after_s, reason: Of a refusal.
    """

    kind: str
    writes_only: bool = False
    status: int = 0
    retry_after_s: float | None = None
    reason: str = ""


class FaultProxy:
    """State that the handlers of requests share.

    Args:
        upstream: URL of the stand-in.
        book: What is said of jobs.
    """

    def __init__(self, upstream: str, book: JobBook) -> None:
        self.upstream, self.book, self.url = upstream, book, ""
        self._lock, self._inserting = threading.Lock(), threading.Lock()
        self._faults: list[Fault] = []
        self._calls: list[str] = []
        self._tokens: set[str] = set()
        self.checks_tokens = False

    def add(self, *faults: Fault) -> None:
        """Further faults, behind those that still wait."""
        with self._lock:
            self._faults.extend(faults)

    @property
    def calls(self) -> list[str]:
        """`VERB /path` of every call of the API so far."""
        with self._lock:
            return list(self._calls)

    def new_token(self) -> str:
        """A token that is accepted until `expire_tokens`."""
        token = secrets.token_hex(16)
        with self._lock:
            self._tokens.add(token)
        return token

    def expire_tokens(self) -> None:
        """Refuse all tokens of before."""
        with self._lock:
            self._tokens.clear()

    def accepts(self, header: str) -> bool:
        """Whether a call with this `Authorization` may pass."""
        with self._lock:
            return not self.checks_tokens or header.removeprefix("Bearer ") in self._tokens

    def draw(self, call: str, *, writes: bool) -> Fault | None:
        """Count a call; the fault that hits it."""
        with self._lock:
            self._calls.append(call)
            for fault in self._faults:
                if writes or not fault.writes_only:
                    self._faults.remove(fault)
                    return fault
        return None

    def forward(self, verb: str, path: str, body: bytes) -> tuple[int, bytes]:
        """The stand-in's answer, jobs in it as the book has them."""
        # Two inserts of one name at the same time are an error of its database, where Google says 409.
        with self._inserting if verb == "POST" else nullcontext():
            status, data = self._exchange(verb, path, body)
        if status != 200:
            return status, data
        answer = json.loads(data)
        if verb == "POST" and "jobReference" in answer and not answer["configuration"].get("dryRun"):
            self.book.started(answer["jobReference"]["jobId"])
        return status, json.dumps(self.book.rewritten(answer)).encode()

    def _exchange(self, verb: str, path: str, body: bytes) -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection(urlsplit(self.upstream).netloc, timeout=60)) as connection:
            connection.request(verb, path, body or None, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()


def refusal(fault: Fault) -> bytes:
    """The body of a refusal in Google's form."""
    reason = fault.reason or REASONS.get(fault.status, "backendError")
    message = f"The proxy refuses this call with {fault.status}"
    inner = [{"message": message, "domain": "global", "reason": reason}]
    return json.dumps({"error": {"code": fault.status, "message": message, "errors": inner}}).encode()


class _Requests(BaseHTTPRequestHandler):
    proxy: FaultProxy

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        if path == TOKEN_PATH:
            answer = {"access_token": self.proxy.new_token(), "expires_in": 3600, "token_type": "Bearer"}
            self._answer(200, json.dumps(answer).encode())
            return
        writes = self.command == "POST" and b'"dryRun": true' not in body
        fault = self.proxy.draw(f"{self.command} {path}", writes=writes)
        if fault is None and not self.proxy.accepts(self.headers.get("Authorization", "")):
            fault = Fault("refused", status=401)
        if fault is not None and fault.kind in ("refused", "reset"):
            self._refuse(fault)
            return
        if path.endswith("/cancel"):
            self._cancelled(path)
        status, data = self.proxy.forward(self.command, self.path, body)
        if fault is not None and fault.kind == "repeated":
            status, data = self.proxy.forward(self.command, self.path, body)
        self._late_or_broken(fault, status, data)

    def _late_or_broken(self, fault: Fault | None, status: int, data: bytes) -> None:
        match fault:
            case Fault(kind="lost"):
                self.close_connection = True
            case Fault(kind="garbled"):
                self._answer(200, data[: len(data) // 2])
            case Fault(kind="late"):
                time.sleep(LATE_S)
                self._answer(status, data)
            case _:
                self._answer(status, data)

    def _cancelled(self, path: str) -> None:
        job_id = path.split("/")[-2]
        if self.proxy.book.phase(job_id) is not None:
            self.proxy.book.end(job_id, Phase.CANCELLED)

    def _refuse(self, fault: Fault) -> None:
        if fault.kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        extra = {} if fault.retry_after_s is None else {"Retry-After": f"{fault.retry_after_s:g}"}
        self._answer(fault.status, refusal(fault), extra)

    def _answer(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        try:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            self.close_connection = True  # whoever asked waits no longer

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: tests print what matters."""


@contextmanager
def in_front_of(upstream: str, book: JobBook) -> Iterator[FaultProxy]:
    """A proxy on a loopback port of its own, until the end of the block."""
    proxy = FaultProxy(upstream, book)
    requests = type("Requests", (_Requests,), {"proxy": proxy})
    with ThreadingHTTPServer(("127.0.0.1", 0), requests) as server:
        server.daemon_threads = True
        proxy.url = f"http://127.0.0.1:{server.server_port}"
        serving = threading.Thread(target=server.serve_forever, args=(0.01,), name="fault-proxy")
        serving.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            serving.join()
