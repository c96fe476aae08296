"""The job service's API as a client sees it: jobs, listings, slots, quotas and rates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from jobservice_raw_client import LONG_S, RawClient

from hardpoint.plugin_api.testing.jobservice import JobService, Settings


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


# --- create, get, cancel -----------------------------------------------------------------------------


def test_create_runs_at_once_and_ends_with_its_output(client: RawClient) -> None:
    status, job = client("POST", "/v1/jobs", {"duration_s": 0.02, "output": {"n": 10**30}})
    assert (status, job["state"]) == (201, "RUNNING")
    status, ended = client("GET", f"/v1/jobs/{job['id']}?wait=30")
    assert (status, ended["state"], ended["output"]) == (200, "SUCCEEDED", {"n": 10**30})


def test_failing_job_says_why(client: RawClient) -> None:
    _, job = client("POST", "/v1/jobs", {"fail": True})
    _, ended = client("GET", f"/v1/jobs/{job['id']}?wait=30")
    assert (ended["state"], ended["error"]) == ("FAILED", "the job was told to fail")


def test_long_poll_ends_without_an_end_of_the_job(client: RawClient) -> None:
    job = client.create()
    status, seen = client("GET", f"/v1/jobs/{job}?wait=0.01")
    assert (status, seen["state"]) == (200, "RUNNING")


def test_same_key_and_body_is_the_same_job(client: RawClient, service: JobService) -> None:
    first = client("POST", "/v1/jobs", {"duration_s": LONG_S}, Idempotency_Key="k")
    again = client("POST", "/v1/jobs", {"duration_s": LONG_S}, Idempotency_Key="k")
    assert (first[0], again[0], again[1]["replayed"]) == (201, 200, True)
    assert again[1]["id"] == first[1]["id"]
    assert service.stats().total.replayed == 1


def test_same_key_with_another_body_is_refused(client: RawClient, service: JobService) -> None:
    _, first = client("POST", "/v1/jobs", {"duration_s": LONG_S}, Idempotency_Key="k")
    status, refusal = client("POST", "/v1/jobs", {"duration_s": 1}, Idempotency_Key="k")
    assert (status, refusal["id"]) == (409, first["id"])
    assert refusal["error"] == "this key was used with another body"
    assert service.stats().total.conflicts == 1


def test_keys_belong_to_their_tenant(client: RawClient) -> None:
    _, red = client("POST", "/v1/jobs", {}, Idempotency_Key="k", X_Tenant="red")
    status, blue = client("POST", "/v1/jobs", {}, Idempotency_Key="k", X_Tenant="blue")
    assert status == 201
    assert client("GET", f"/v1/jobs/{red['id']}", X_Tenant="blue")[0] == 404
    assert red["id"] != blue["id"]


def test_name_is_unique_and_found(client: RawClient) -> None:
    first = client.create(name="n")
    status, refusal = client("POST", "/v1/jobs", {"name": "n"})
    assert (status, refusal) == (409, {"error": "this name is taken", "id": first})
    assert [job["id"] for job in client("GET", "/v1/jobs?name=n")[1]["jobs"]] == [first]
    assert client("GET", "/v1/jobs?name=other")[1]["jobs"] == []


def test_cancel_is_repeatable_and_ends_nothing_twice(client: RawClient, service: JobService) -> None:
    running, done = client.create(), client.create()
    service.finish(done)
    assert [client("DELETE", f"/v1/jobs/{running}")[1]["state"] for _ in range(2)] == ["CANCELLED"] * 2
    assert client("DELETE", f"/v1/jobs/{done}")[1]["state"] == "SUCCEEDED"
    assert client("DELETE", "/v1/jobs/j0") == (404, {"error": "no such job"})
    total = service.stats().total
    assert (total.cancelled, total.succeeded, total.running) == (1, 1, 0)


@pytest.mark.parametrize(
    ("verb", "path", "body", "status", "error"),
    [
        ("POST", "/v1/jobs", {"durations": 1}, 400, "Object contains unknown field `durations`"),
        ("POST", "/v1/jobs", {"duration_s": "x"}, 400, "Expected `float`, got `str` - at `$.duration_s`"),
        ("GET", "/v1/jobs?after=x", None, 400, "invalid literal for int() with base 10: 'x'"),
        ("GET", "/v1/job", None, 404, "no such call: GET /v1/job"),
        ("PUT", "/v1/jobs/j1", None, 404, "no such call: PUT /v1/jobs/j1"),
        ("GET", "/reset", None, 405, "no such call: GET /reset"),
    ],
)
def test_wrong_request_is_refused_in_words(
    client: RawClient, verb: str, path: str, body: Any, status: int, error: str
) -> None:
    assert client(verb, path, body) == (status, {"error": error})


# --- finding several -----------------------------------------------------------------------------------


def test_batch_get_leaves_out_what_it_does_not_know(client: RawClient, service: JobService) -> None:
    ids = [client.create(), "j0", client.create()]
    shown = client("GET", f"/v1/jobs?ids={','.join(ids)}")[1]["jobs"]
    assert [job["id"] for job in shown] == [ids[0], ids[2]]
    assert client("POST", "/v1/jobs:batchGet", {"ids": ids}) == (200, {"jobs": shown})
    service.configure(batch_max=2)
    assert client("POST", "/v1/jobs:batchGet", {"ids": ids}) == (413, {"error": "at most 2 ids"})


def test_listing_goes_by_label_and_state_in_pages(client: RawClient, service: JobService) -> None:
    ids = [client.create(label="a") for _ in range(3)]
    client.create(label="b")
    service.finish(ids[1])
    page = client("GET", "/v1/jobs?label=a&limit=2")[1]
    assert ([job["id"] for job in page["jobs"]], page["next"]) == (ids[:2], ids[1])
    page = client("GET", f"/v1/jobs?label=a&limit=2&after={page['next']}")[1]
    assert ([job["id"] for job in page["jobs"]], page["next"]) == (ids[2:], None)
    assert [job["id"] for job in client("GET", "/v1/jobs?state=SUCCEEDED")[1]["jobs"]] == [ids[1]]


def test_listing_lags_but_get_does_not(client: RawClient, service: JobService) -> None:
    service.configure(listing_lag_s=LONG_S)
    job = client.create(label="a", name="n")
    assert client("GET", "/v1/jobs?label=a")[1]["jobs"] == []
    assert client("GET", f"/v1/jobs/{job}")[0] == 200
    assert len(client("GET", "/v1/jobs?name=n")[1]["jobs"]) == 1
    service.configure(listing_lag_s=0)
    assert len(client("GET", "/v1/jobs?label=a")[1]["jobs"]) == 1


# --- slots, quotas, rates ------------------------------------------------------------------------------


def test_tenants_take_turns_for_slots(client: RawClient, service: JobService) -> None:
    service.configure(slots=1)
    ids = []
    for tenant in ("red", "red", "red", "blue"):
        ids.append(client("POST", "/v1/jobs", {"duration_s": LONG_S}, X_Tenant=tenant)[1]["id"])
    started = []
    for _ in ids:
        running = next(job for job in service.records() if job.state == "RUNNING")
        started.append(running.id)
        service.finish(running.id)
    assert started == [ids[0], ids[1], ids[3], ids[2]]
    assert service.stats().total.max_running == 1


def test_cancelled_job_gives_up_its_place_in_the_queue(client: RawClient, service: JobService) -> None:
    service.configure(tenant_slots=1)
    ids = [client.create() for _ in range(3)]
    client("DELETE", f"/v1/jobs/{ids[1]}")
    assert client.states(*ids) == ["RUNNING", "CANCELLED", "QUEUED"]
    client("DELETE", f"/v1/jobs/{ids[0]}")
    assert client.states(*ids) == ["CANCELLED", "CANCELLED", "RUNNING"]


def test_more_slots_start_waiting_jobs(client: RawClient, service: JobService) -> None:
    service.configure(slots=0)
    ids = [client.create() for _ in range(2)]
    assert client.states(*ids) == ["QUEUED", "QUEUED"]
    service.configure(slots=1)
    assert client.states(*ids) == ["RUNNING", "QUEUED"]


def test_quota_of_queued_jobs(client: RawClient, service: JobService) -> None:
    service.configure(slots=0, max_queued=1)
    client.create()
    status, refusal = client("POST", "/v1/jobs", {})
    assert (status, refusal) == (429, {"error": "over the quota of queued jobs"})
    assert client.headers["Retry-After"] == "1"
    assert service.stats().total.quota_refusals == 1


def test_rate_is_each_tenants_own(client: RawClient, service: JobService) -> None:
    service.configure(rate_per_s=0.001, burst=2)
    statuses = [client("GET", "/v1/jobs/j0", X_Tenant="red")[0] for _ in range(3)]
    assert statuses == [404, 404, 429]
    assert 990 < float(client.headers["Retry-After"]) <= 1000
    assert client("GET", "/v1/jobs/j0", X_Tenant="blue")[0] == 404
    assert service.stats().tenants["red"].throttled == 1


def test_token_is_asked_for(client: RawClient, service: JobService) -> None:
    service.configure(require_token="sesame")
    assert client("GET", "/v1/jobs/j0") == (401, {"error": "a bearer token is required"})
    refused = client("GET", "/v1/jobs/j0", Authorization="Bearer other")
    assert refused == (403, {"error": "this token may not do that"})
    assert client("GET", "/v1/jobs/j0", Authorization="Bearer sesame")[0] == 404
