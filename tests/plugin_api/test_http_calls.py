"""`call_json`: what it sends, what it makes of each answer, and what it keeps to itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardpoint.plugin_api import (
    ContractViolation,
    HardpointError,
    PermanentSystemError,
    ThrottledError,
    TransientError,
    UserError,
)
from hardpoint.plugin_api.http_calls import call_json, error_of_status
from hardpoint.plugin_api.testing.fakes import FakeCalls
from hardpoint.plugin_api.testing.jobservice import JobService

SECRET = "sesame"


class Job(msgspec.Struct):
    id: str


class Service(BaseHTTPRequestHandler):
    """Answers every call with what the test wants, and keeps what it got."""

    answer: ClassVar[tuple[int, bytes, dict[str, str]]]
    got: ClassVar[list[tuple[str, str, bytes, dict[str, str]]]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        type(self).got.append((self.command, self.path, body, dict(self.headers)))
        status, data, headers = type(self).answer
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def nothing_yet() -> None:
    Service.answer, Service.got = (200, b'{"id": "j1"}', {}), []


def call(url: str, path: str = "/v1/jobs?label=a%20b", **options: Any) -> Job:
    headers = {"Authorization": f"Bearer {SECRET}"}
    return call_json(nullcontext(), "POST", url + path, Job, {"n": 1}, headers=headers, **options)


def test_a_call_sends_json_and_reads_it_typed(url: str) -> None:
    assert call(url) == Job("j1")
    [(verb, path, body, headers)] = Service.got
    assert (verb, path, body) == ("POST", "/v1/jobs?label=a%20b", b'{"n":1}')
    assert (headers["Content-Type"], headers["Authorization"]) == ("application/json", f"Bearer {SECRET}")


def test_a_call_without_a_body_sends_none(url: str) -> None:
    assert call_json(nullcontext(), "GET", url, Job) == Job("j1")
    assert Service.got[0][:3] == ("GET", "/", b"")


def test_a_call_is_made_inside_the_gate(url: str) -> None:
    calls = FakeCalls()
    refusal = TransientError("The run was taken over")
    call_json(calls.read(), "GET", url, Job)
    calls.refuse_writes(refusal)
    with pytest.raises(TransientError) as caught:
        call_json(calls.write(), "POST", url, Job)
    assert caught.value is refusal
    assert (calls.reads, len(Service.got)) == (1, 1)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, UserError),
        (400, UserError),
        (401, PermanentSystemError),
        (403, PermanentSystemError),
        (404, UserError),
        (408, TransientError),
        (409, ContractViolation),
        (429, ThrottledError),
        (500, TransientError),
        (503, TransientError),
    ],
)
def test_a_refusal_is_classed_and_names_the_call(url: str, status: int, kind: type[HardpointError]) -> None:
    Service.answer = (status, b'{"error": "no paper"}', {"Location": "http://127.0.0.1:1/elsewhere"})
    with pytest.raises(HardpointError) as caught:
        call(url)
    assert type(caught.value) is kind
    assert f"`POST /v1/jobs?label=a%20b` at `{url[7:]}` was answered with {status}" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert len(Service.got) == 1


def test_words_of_a_refusal_are_repeated_unless_they_may_hold_credentials(url: str) -> None:
    for status, repeated in ((400, True), (503, True), (401, False), (403, False)):
        Service.answer = (status, b"no\n  paper" + b"!" * 1000, {})
        with pytest.raises(HardpointError) as caught:
            call(url)
        assert ("no paper!" in str(caught.value)) is repeated
        assert len(caught.value.message) < 400
        assert bool(caught.value.hint) is not repeated


@pytest.mark.parametrize(
    ("text", "wait_s"), [("7", 7.0), ("0.5", 0.5), ("inf", None), ("-1", None), ("Fri", None)]
)
def test_the_wait_that_a_service_asks_for_is_told(url: str, text: str, wait_s: float | None) -> None:
    Service.answer = (429, b"", {"Retry-After": text})
    with pytest.raises(ThrottledError) as caught:
        call(url)
    assert caught.value.retry_after_s == wait_s


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"id": 1}', b'{"id": "\xff"}', b"<html>"])
def test_an_answer_that_cannot_be_read_may_pass(url: str, data: bytes) -> None:
    Service.answer = (200, data, {})
    with pytest.raises(TransientError, match="cannot be read"):
        call(url)


def test_a_status_that_is_accepted_is_an_answer(url: str) -> None:
    Service.answer = (404, b'{"id": "gone"}', {})
    assert call(url, accept=(404,)) == Job("gone")


def test_no_answer_may_pass(url: str) -> None:
    Service.answer = (200, b"{", {"Content-Length": "100"})
    with pytest.raises(TransientError, match="got no answer: IncompleteRead"):
        call(url)
    with pytest.raises(TransientError, match="got no answer: ConnectionRefusedError"):
        call("http://127.0.0.1:1")


def test_an_answer_that_takes_too_long_may_pass() -> None:
    with JobService(latency_s=5.0) as service, pytest.raises(TransientError, match="no answer: TimeoutError"):
        call(service.url, timeout_s=0.1)


@given(st.integers(300, 599))
def test_every_status_has_a_class(status: int) -> None:
    assert str(status) in error_of_status(status, "`GET /`").message
