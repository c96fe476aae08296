"""The job service's faults, its accounting, and what it makes of broken HTTP."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import msgspec
import pytest
from jobservice_raw_client import LONG_S, RawClient

from hardpoint.plugin_api import UsageError
from hardpoint.plugin_api.testing.jobservice import JobService, JobState, ScriptedFault, Settings


@pytest.fixture(scope="module")
def running() -> Iterator[JobService]:
    with JobService() as service:
        yield service


@pytest.fixture
def service(running: JobService) -> JobService:
    running.reset()
    running.configure(**msgspec.structs.asdict(Settings()))
    return running


@pytest.fixture
def client(service: JobService) -> RawClient:
    return RawClient(service)


# --- faults --------------------------------------------------------------------------------------------


def test_lost_reply_has_its_effect(client: RawClient, service: JobService) -> None:
    service.script(ScriptedFault("POST /v1/jobs", "lost"))
    assert client("POST", "/v1/jobs", {}, Idempotency_Key="k") == (0, None)
    status, job = client("POST", "/v1/jobs", {}, Idempotency_Key="k")
    assert (status, job["replayed"]) == (200, True)
    assert service.stats().total.faults == {"lost": 1}


def test_cut_connection_has_none(client: RawClient, service: JobService) -> None:
    service.script(ScriptedFault("*", "cut"))
    assert client("POST", "/v1/jobs", {}) == (0, None)
    assert service.stats().total.created == 0


def test_malformed_reply_has_its_effect(client: RawClient, service: JobService) -> None:
    service.script(ScriptedFault("POST *", "malformed"))
    with pytest.raises(json.JSONDecodeError):
        client("POST", "/v1/jobs", {})
    assert service.stats().total.created == 1


def test_request_processed_twice(client: RawClient, service: JobService) -> None:
    service.script(ScriptedFault("POST /v1/jobs", "dup", times=3))
    assert client("POST", "/v1/jobs", {"label": "a"})[0] == 201
    assert client("POST", "/v1/jobs", {"label": "b"}, Idempotency_Key="k")[1]["replayed"]
    assert client("POST", "/v1/jobs", {"label": "c", "name": "n"})[0] == 409
    total = service.stats().total
    assert (total.created, total.double_submits) == (4, 1)


def test_slow_answer_and_latency_still_arrive(client: RawClient, service: JobService) -> None:
    service.configure(slow_s=0.01, latency_s=0.001, jitter=0.5)
    service.script(ScriptedFault("GET *", "slow"))
    assert [client("GET", "/v1/jobs/j0")[0] for _ in range(2)] == [404, 404]


def test_scripted_status_comes_after_skipped_requests(client: RawClient, service: JobService) -> None:
    service.script(ScriptedFault("GET *", "503", times=2, skip=1, retry_after_s=0.5))
    client.create()
    assert [client("GET", "/v1/jobs/j0")[0] for _ in range(4)] == [404, 503, 503, 404]


def test_outage_cuts_every_connection(client: RawClient, service: JobService) -> None:
    service.configure(outage_s=LONG_S)
    assert client("GET", "/v1/jobs/j0") == (0, None)
    service.configure(outage_s=0)
    assert client("GET", "/v1/jobs/j0")[0] == 404


# --- accounting ----------------------------------------------------------------------------------------


def test_counters_tell_doubles_and_orphans(client: RawClient, service: JobService) -> None:
    first, second, third = client.create(label="a"), client.create(label="a"), client.create(label="a")
    client("DELETE", f"/v1/jobs/{second}")
    service.finish(third)
    total = service.stats().total
    assert (total.double_submits, total.double_survivors) == (2, 1)
    assert (total.never_read, total.unfinished, total.orphans) == (1, 1, 2)
    client("GET", f"/v1/jobs/{third}")
    client("DELETE", f"/v1/jobs/{first}")
    total = service.stats().total
    assert (total.orphans, total.max_unfinished) == (0, 3)
    assert total.calls == {"POST /v1/jobs": 3, "DELETE /v1/jobs/ID": 2, "GET /v1/jobs/ID": 1}
    assert total.requests == 6


def test_records_tell_when_each_job_ended(client: RawClient, service: JobService) -> None:
    job = client.create(label="a", name="n")
    service.finish(job, JobState.FAILED)
    (record,) = service.records()
    assert (record.id, record.label, record.name, record.state) == (job, "a", "n", "FAILED")
    assert record.started is not None
    assert record.ended is not None
    assert record.created <= record.started <= record.ended


def test_reset_forgets_jobs_but_not_numbers(client: RawClient, service: JobService) -> None:
    before = client.create()
    service.script(ScriptedFault("*", "cut"))
    service.reset()
    assert service.stats().total.requests == 0
    assert client("GET", f"/v1/jobs/{before}")[0] == 404
    assert client.create() != before


def test_unknown_setting_is_named(service: JobService) -> None:
    with pytest.raises(UsageError) as caught:
        service.configure(slot=1)
    assert str(caught.value) == (
        "The job service refused `POST /config`: Object contains unknown field `slot`"
    )


def test_finishing_an_unknown_job_is_refused(service: JobService) -> None:
    with pytest.raises(UsageError) as caught:
        service.finish("j0")
    assert str(caught.value) == "The job service refused `POST /finish`: No job `j0`"


# --- the protocol --------------------------------------------------------------------------------------


def test_requests_that_arrive_together_are_answered_in_order(service: JobService) -> None:
    address = urlsplit(service.url)
    request = b"GET /healthz HTTP/1.1\r\n\r\nGET /v1/jobs/j0 HTTP/1.1\r\nConnection: close\r\n\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(request)
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    first, second = answers.index(b"HTTP/1.1 200 OK"), answers.index(b"HTTP/1.1 404 Not Found")
    assert first < second


def test_request_may_arrive_in_pieces(service: JobService) -> None:
    address = urlsplit(service.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (
            b"POST /v1/jobs HTTP/1.1\r\nConte",
            b"nt-Length: 2\r\nConnection: close\r\n\r\n{",
            b"}",
        ):
            connection.sendall(piece)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 201 Created")


def test_nonsense_closes_the_connection(service: JobService) -> None:
    address = urlsplit(service.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        with suppress(ConnectionResetError):
            assert connection.recv(100) == b""
    assert service.stats().connections == 1
