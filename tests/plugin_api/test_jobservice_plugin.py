"""The test plugin: its errors, its adoption, its outputs, and `JobTask`."""

from __future__ import annotations

import socket
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hardpoint_jobservice
import msgspec
import pytest
from hardpoint_jobservice import JobServicePlugin, JobTask, NameHandler, SearchHandler, TokenHandler, plugin
from hardpoint_jobservice_client import error_of
from jobservice_raw_client import RawClient

from hardpoint.plugin_api import (
    ENTRY_POINT_GROUP,
    ContractViolation,
    CreateRequest,
    ErrorInfo,
    HardpointError,
    Interface,
    JobHandler,
    JobRef,
    Kept,
    PermanentSystemError,
    Phase,
    ResourceClaim,
    ResourcePool,
    SimpleKind,
    SimpleType,
    TaskSpec,
    TransientError,
    UsageError,
    Variable,
)
from hardpoint.plugin_api.testing.fakes import FakeContext, fake_request
from hardpoint.plugin_api.testing.jobservice import JobService, JobState, ScriptedFault, Settings

INT = SimpleType(SimpleKind.INT)


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
def context() -> FakeContext:
    return FakeContext({"TOKEN": "sesame"})


def request_for(service: JobService, **config: Any) -> CreateRequest:
    interface = Interface((Variable("value", INT),), (Variable("result", INT),))
    settings = {"url": service.url, "duration_s": 3600.0, **config}
    return fake_request(TaskSpec("flow.py:t", "jobservice", "v1", interface, settings), {"value": 7})


# --- errors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, "UserError: `GET /x` was answered with 400: why"),
        (401, "PermanentSystemError: `GET /x` was answered with 401: why"),
        (413, "UserError: `GET /x` was answered with 413: why"),
        (429, "ThrottledError: `GET /x` was answered with 429: why"),
        (503, "TransientError: `GET /x` was answered with 503: why"),
    ],
)
def test_each_status_has_its_error(status: int, expected: str) -> None:
    error = error_of("`GET /x`", status, "why", None)
    assert error is not None
    assert f"{type(error).__name__}: {error.message}" == expected


def test_refused_token_names_its_secret(service: JobService, context: FakeContext) -> None:
    service.configure(require_token="another")
    with pytest.raises(PermanentSystemError) as caught:
        TokenHandler().create(context, request_for(service, token_secret="TOKEN"))
    assert str(caught.value) == (
        f"`POST /v1/jobs` at `{service.url}` was answered with 403: this token may not do that\n\n"
        "hint: Check the secret that holds the service's token: `TOKEN`"
    )


def test_answer_that_does_not_come_in_time(service: JobService, context: FakeContext) -> None:
    service.script(ScriptedFault("*", "slow"))
    with pytest.raises(TransientError) as caught:
        TokenHandler().create(context, request_for(service, http_timeout_s=0.05))
    assert str(caught.value) == f"`POST /v1/jobs` at `{service.url}` got no answer: TimeoutError"


def test_service_that_is_not_there(context: FakeContext) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    absent = JobService()
    absent._url = url
    with pytest.raises(TransientError) as caught:
        TokenHandler().create(context, request_for(absent))
    assert str(caught.value) == f"`POST /v1/jobs` at `{url}` got no answer: ConnectionRefusedError"


def test_connection_that_the_service_closed_is_not_used_again(context: FakeContext) -> None:
    handler = TokenHandler()
    service = JobService().start()
    handler.create(context, request_for(service))
    port = int(service.url.rpartition(":")[2])
    service.stop()
    service.start(port)
    handler.create(context, request_for(service))
    assert service.stats().total.created == 1
    service.stop()


# --- adoption --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("handler", [TokenHandler(), NameHandler(), SearchHandler()])
def test_job_of_another_configuration_is_not_adopted(
    service: JobService, context: FakeContext, handler: JobHandler
) -> None:
    job = handler.create(context, request_for(service))
    changed = request_for(service, duration_s=1.0)
    again = handler.find if isinstance(handler, SearchHandler) else handler.create
    with pytest.raises(ContractViolation) as caught:
        again(context, changed)
    assert str(caught.value) == (
        f"Job `{job.id}` carries the token `{changed.token}` of node `node`, but was started with another "
        "configuration or other inputs"
    )
    assert service.stats().total.created == 1


def test_oldest_of_two_jobs_is_found_and_the_other_is_a_duplicate(
    service: JobService, context: FakeContext
) -> None:
    service.configure(listing_lag_s=3600.0)
    handler, request = SearchHandler(), request_for(service)
    first, second = handler.create(context, request), handler.create(context, request)
    assert first != second
    service.configure(listing_lag_s=0.0)
    assert handler.find(context, request) == first
    assert handler.duplicates(context, [Kept(request, first)]) == [second]
    assert [record.state for record in service.records()] == ["RUNNING", "RUNNING"]
    service.finish(second.id)
    assert handler.duplicates(context, [Kept(request, first)]) == []


def test_each_thread_has_its_own_connection(service: JobService, context: FakeContext) -> None:
    handler = TokenHandler()
    request = request_for(service)
    jobs = [handler.create(context, request)]
    thread = threading.Thread(target=lambda: jobs.append(handler.create(context, request)))
    thread.start()
    thread.join()
    assert jobs[0] == jobs[1]
    assert service.stats().max_connections >= 2


# --- statuses and outputs ----------------------------------------------------------------------------------


def finished(service: JobService, job: JobRef, state: JobState = JobState.SUCCEEDED) -> JobRef:
    service.finish(job.id, state)
    return job


def test_outputs_are_the_inputs(service: JobService, context: FakeContext) -> None:
    handler, request = TokenHandler(), request_for(service)
    job = finished(service, handler.create(context, request))
    assert handler.outputs(context, request, job) == {"result": 7}


def test_outputs_are_what_the_config_returns(service: JobService, context: FakeContext) -> None:
    handler, request = TokenHandler(), request_for(service, returns={"result": 10**40})
    job = finished(service, handler.create(context, request))
    assert handler.outputs(context, request, job) == {"result": 10**40}


def test_outputs_of_another_name_are_a_violation(service: JobService, context: FakeContext) -> None:
    handler, request = TokenHandler(), request_for(service, returns={"other": 1})
    job = finished(service, handler.create(context, request))
    with pytest.raises(ContractViolation) as caught:
        handler.outputs(context, request, job)
    assert str(caught.value) == f"Job `{job.id}` returned `{{'other': 1}}`, not the outputs `result`"


def test_failed_job_is_the_authors_error(service: JobService, context: FakeContext) -> None:
    handler = TokenHandler()
    job = finished(service, handler.create(context, request_for(service)), JobState.FAILED)
    status = handler.poll_many(context, [job])[job.id]
    assert (status.phase, status.error) == (
        Phase.FAILED,
        ErrorInfo("JobFailed", f"Job `{job.id}` failed: the job was told to fail"),
    )


def test_first_attempts_may_fail(service: JobService, context: FakeContext) -> None:
    handler = TokenHandler()
    first = request_for(service, fail_attempts=2, duration_s=0.0)
    for attempt in (1, 2, 3):
        handler.create(context, msgspec.structs.replace(first, attempt=attempt, token=f"t{attempt}"))
    ended = [RawClient(service)("GET", f"/v1/jobs/{job.id}?wait=30")[1] for job in service.records()]
    assert [job["state"] for job in ended] == ["FAILED", "FAILED", "SUCCEEDED"]


# --- declarations and tasks --------------------------------------------------------------------------------


def test_entry_points_name_the_task_types() -> None:
    pyproject = Path(hardpoint_jobservice.__file__).with_name("pyproject.toml")
    declared = tomllib.loads(pyproject.read_text())["project"]["entry-points"][ENTRY_POINT_GROUP]
    assert declared == {each.name: "hardpoint_jobservice:plugin" for each in plugin.task_types()}


def test_plugin_declares_what_it_is_told() -> None:
    mine = JobServicePlugin(slots=3, calls_per_s=5.0, settling_delay_s=2.0)
    assert ResourcePool("jobservice_name:*", 3) in mine.resource_pools()
    assert {each.writes_per_s for each in mine.rate_limits()} == {5.0}
    assert [each.settling_delay_s for each in mine.task_types()] == [2.0, 0.0, 2.0, 2.0, 2.0]


def test_claims_are_of_the_tenants_pool(service: JobService, context: FakeContext) -> None:
    prepared = SearchHandler().prepare(context, request_for(service, tenant="red", units=2))
    assert prepared.account == f"red@{service.url.removeprefix('http://')}"
    assert prepared.claims == (ResourceClaim("jobservice_search:red", 2),)


def test_job_task_describes_itself() -> None:
    task = JobTask("double", url="http://x", type="jobservice_name", duration_s=2.0, tenant="red")
    assert task.task_type == "jobservice_name"
    assert (list(task.inputs), task.outputs) == (["value"], {"result": int})
    assert task.config == {"url": "http://x", "duration_s": 2.0, "tenant": "red"}
    assert task.file == Path(__file__)
    assert task.version != JobTask("double", url="http://x").version


def test_job_task_refuses_an_unknown_setting() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        JobTask("double", url="http://x", duration=2)
    assert str(caught.value) == "Object contains unknown field `duration`"


def test_job_task_cannot_be_called_as_a_function() -> None:
    with pytest.raises(UsageError):
        JobTask("double", url="http://x")(value=1)


def test_errors_are_hardpoints() -> None:
    errors = [error_of("`GET /x`", status, "", None) for status in range(400, 600)]
    assert all(isinstance(error, HardpointError) for error in errors)
