"""The fault proxy breaks just the calls it is told to break, over real connections."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardpoint.plugin_api.testing.fault_proxy import FaultProxy, ProxySwitch
from hardpoint.plugin_api.testing.http_dialect import Answer, Call, Fault, FaultKind, HttpDialect, json_answer

LATE_S = 0.3


class Service(ThreadingHTTPServer):
    """Tells back what it got; counts calls and connections."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.got: list[tuple[str, str, bytes]] = []
        self.connections = 0


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Service

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.got.append((self.command, self.path, body))
        told = json.dumps({"path": self.path, "key": self.headers.get("X-Key"), "bytes": len(body)}).encode()
        self.send_response(404 if self.path == "/nothing" else 200)
        self.send_header("X-Kept", "yes")
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    do_POST = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


class Bank(HttpDialect):
    """A service with names of its own, where one signs in."""

    spared = frozenset({"sign in"})

    def name(self, call: Call) -> str:
        return "sign in" if call.path == "/login" else call.headers.get("x-action", "")

    def writes(self, call: Call) -> bool:
        return self.name(call) == "pay"

    def refusal(self, fault: Fault) -> Answer:
        return json_answer(fault.status, {"fault": fault.code or f"E{fault.status}"})

    def own_answer(self, call: Call) -> Answer | None:
        return json_answer(200, {"token": "t1"}) if call.path == "/token" else None

    def carry_out(self, call: Call, forward: Callable[[Call], Answer]) -> Answer:
        answer = forward(call)
        return json_answer(answer.status, {**json.loads(answer.body), "bank": True})


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as service:
        thread = threading.Thread(target=service.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield service
        finally:
            service.shutdown()
            thread.join()


def url_of(service: Service) -> str:
    return f"http://127.0.0.1:{service.server_port}"


@pytest.fixture
def proxy(service: Service) -> Iterator[FaultProxy]:
    with FaultProxy(url_of(service), late_s=LATE_S) as proxy:
        yield proxy


def ask(
    proxy: FaultProxy, verb: str = "GET", path: str = "/jobs", body: bytes = b"", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    with closing(http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=10)) as connection:
        connection.request(verb, path, body or None, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()


def told(answer: tuple[int, dict[str, str], bytes]) -> Any:
    return json.loads(answer[2])


def test_without_faults_calls_and_answers_pass_unchanged(service: Service, proxy: FaultProxy) -> None:
    status, headers, _ = answer = ask(proxy, "POST", "/jobs?a=1", b"abc", X_Key="k")
    assert (status, headers["x-kept"]) == (200, "yes")
    assert told(answer) == {"path": "/jobs?a=1", "key": "k", "bytes": 3}
    assert ask(proxy, path="/nothing")[0] == 404
    assert service.got == [("POST", "/jobs?a=1", b"abc"), ("GET", "/nothing", b"")]
    assert proxy.calls() == ["POST /jobs", "GET /nothing"]
    proxy.reset()
    assert proxy.calls() == []


@pytest.mark.parametrize(
    ("kind", "arrivals", "error"),
    [
        (FaultKind.LOSE, 1, (ConnectionError, http.client.HTTPException)),
        (FaultKind.RESET, 0, (ConnectionError, http.client.HTTPException)),
        (FaultKind.CUT, 1, http.client.IncompleteRead),
    ],
)
def test_an_answer_that_does_not_arrive_is_a_broken_connection(
    service: Service, proxy: FaultProxy, kind: FaultKind, arrivals: int, error: type[Exception]
) -> None:
    proxy.script(Fault(kind))
    with pytest.raises(error):
        ask(proxy, "POST")
    assert (len(service.got), proxy.calls(), proxy.scripted()) == (arrivals, ["POST /jobs"], [])
    assert ask(proxy, "POST")[0] == 200


def test_a_garbled_answer_is_no_json(service: Service, proxy: FaultProxy) -> None:
    proxy.script(Fault(FaultKind.GARBLE))
    with pytest.raises(json.JSONDecodeError):
        told(ask(proxy))
    assert len(service.got) == 1


def test_a_late_answer_is_right(service: Service, proxy: FaultProxy) -> None:
    proxy.script(Fault(FaultKind.STALL))
    began = time.monotonic()
    assert told(ask(proxy))["path"] == "/jobs"
    assert time.monotonic() - began >= LATE_S


def test_a_repeated_call_arrives_twice_and_counts_once(service: Service, proxy: FaultProxy) -> None:
    proxy.script(Fault(FaultKind.REPEAT))
    assert ask(proxy, "POST", body=b"x")[0] == 200
    assert service.got == [("POST", "/jobs", b"x")] * 2 and proxy.calls() == ["POST /jobs"]


def test_a_refused_call_never_arrives(service: Service, proxy: FaultProxy) -> None:
    proxy.script(Fault(FaultKind.REFUSE, status=429, code="slow", retry_after_s=2.5))
    status, headers, _ = answer = ask(proxy)
    assert (status, headers["retry-after"], told(answer)["error"]) == (429, "2.5", "slow")
    assert service.got == []


def test_a_fault_waits_for_the_call_that_fits(proxy: FaultProxy) -> None:
    writes = Fault(FaultKind.REFUSE, status=500, writes_only=True)
    named = Fault(FaultKind.REFUSE, ("GET /b",), 501)
    proxy.script(writes, named)
    assert [ask(proxy, path=path)[0] for path in ("/a", "/b", "/b")] == [200, 501, 200]
    assert proxy.scripted() == [writes]
    assert [ask(proxy, "DELETE")[0] for _ in range(2)] == [500, 200]


FAULTS = st.builds(
    Fault,
    st.just(FaultKind.REFUSE),
    st.lists(st.sampled_from(["GET /a", "POST /a", "GET /b"]), max_size=2).map(tuple),
    st.integers(500, 510),
    writes_only=st.booleans(),
)


@given(st.lists(FAULTS, max_size=6), st.lists(st.sampled_from(["GET /a", "POST /a", "GET /b"]), max_size=8))
def test_each_fault_happens_at_most_once_to_the_first_call_that_fits(
    faults: list[Fault], names: list[str]
) -> None:
    class Silent(HttpDialect):
        def carry_out(self, call: Call, forward: Callable[[Call], Answer]) -> Answer:
            return Answer(200, {}, b"")

    waiting = list(faults)
    with FaultProxy("http://127.0.0.1:9", Silent()) as proxy:
        proxy.script(*faults)
        for name in names:
            fits = [
                each
                for each in waiting
                if name in (each.names or (name,)) and (name[0] == "P" or not each.writes_only)
            ]
            verb, path = name.split()
            answer = proxy.answer(Call(verb, path, {}, b""))
            assert answer is not None and answer.status == (fits[0].status if fits else 200)
            if fits:
                waiting.remove(fits[0])
        assert (proxy.scripted(), proxy.calls()) == (waiting, names)


def test_a_dialect_says_what_differs(service: Service) -> None:
    with FaultProxy(url_of(service), Bank()) as proxy:
        proxy.script(Fault(FaultKind.REFUSE, status=401))
        assert told(ask(proxy, path="/token")) == {"token": "t1"}
        assert told(ask(proxy, path="/login"))["bank"]
        assert told(ask(proxy, X_Action="read")) == {"fault": "E401"}
        proxy.script(Fault(FaultKind.REFUSE, ("sign in",), 200, "390318"))
        assert told(ask(proxy, X_Action="read"))["bank"]
        assert told(ask(proxy, path="/login")) == {"fault": "390318"}
        assert proxy.calls() == ["sign in", "read", "read", "sign in"]


def test_a_switch_breaks_the_next_call_that_fits(service: Service) -> None:
    with FaultProxy(url_of(service), Bank()) as proxy:
        switch = ProxySwitch(proxy)
        switch.lose_next_reply()
        assert ask(proxy, X_Action="read")[0] == 200
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            ask(proxy, X_Action="pay")
        switch.repeat_next_call()
        switch.fail_next(429, retry_after_s=1.0)
        assert ask(proxy, X_Action="read")[0] == 429
        assert ask(proxy, X_Action="pay")[0] == 200
        assert (len(service.got), switch.calls_received()) == (4, 4)


def test_calls_share_connections_to_the_service(service: Service, proxy: FaultProxy) -> None:
    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(lambda _: ask(proxy)[0], range(100))) == {200}
    assert len(service.got) == 100 and service.connections <= 8


def test_a_service_that_is_not_there_is_a_bad_gateway() -> None:
    with FaultProxy("http://127.0.0.1:9") as proxy:
        status, _, body = ask(proxy)
    assert status == 502 and b"`http://127.0.0.1:9` does not answer" in body


def test_nobody_listens_once_it_has_ended(service: Service) -> None:
    with FaultProxy(url_of(service)) as proxy:
        ask(proxy)
    with pytest.raises(ConnectionError):
        ask(proxy)
