"""The handlers of the job service's task types: network calls and what they mean."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
from hardpoint_jobservice_client import Address, JobPage, JobView, Refusal, ServiceClient

from hardpoint.plugin_api import (
    Context,
    ContractViolation,
    CreateRequest,
    ErrorInfo,
    JobRef,
    Outputs,
    PermanentSystemError,
    Phase,
    Prepared,
    ResourceClaim,
    Status,
)

BATCH_MAX = 500

PHASES = {
    "QUEUED": Phase.QUEUED,
    "RUNNING": Phase.RUNNING,
    "SUCCEEDED": Phase.SUCCEEDED,
    "FAILED": Phase.FAILED,
    "CANCELLED": Phase.CANCELLED,
}


class JobConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Config of all three task types.

    Args:
        url: Of the service.
        duration_s: How long the job runs.
        fail: It fails at its end.
        fail_attempts: It fails at its end in that many first attempts.
        returns: Outputs by name; None: the inputs, in order.
        tenant: As whom to call.
        units: Units of the pool `<task type>:<tenant>` that the attempt holds.
        token_secret: Name of the secret that holds the service's bearer token, if it wants one.
        http_timeout_s: Longest wait for one answer.
    """

    url: str
    duration_s: float = 0.0
    fail: bool = False
    fail_attempts: int = 0
    returns: dict[str, Any] | None = None
    tenant: str = "default"
    units: int = 1
    token_secret: str = ""
    http_timeout_s: float = 10.0


def status_of(job: JobView) -> Status:
    """The service's word on a job, mapped by a table; an unknown word counts as running.

    >>> status_of(JobView("j1", "PAUSED")).reason
    'PAUSED, a state this plugin does not know'
    """
    phase = PHASES.get(job.state)
    if phase is None:
        return Status(Phase.RUNNING, f"{job.state}, a state this plugin does not know")
    if phase is Phase.FAILED:
        return Status(phase, job.error, ErrorInfo("JobFailed", f"Job `{job.id}` failed: {job.error}"))
    return Status(phase)


class _JobServiceHandler:
    """What the three handlers share: all but how a repeated create finds the first job."""

    task_type = "jobservice"

    def __init__(self) -> None:
        self.client = ServiceClient()

    def prepare(self, context: Context, request: CreateRequest) -> Prepared:
        config = _config(request)
        claim = ResourceClaim(f"{self.task_type}:{config.tenant}", config.units)
        return Prepared(_account(config), (claim,))

    def find(self, context: Context, request: CreateRequest) -> JobRef | None:
        found = self.search(context, request, f"label={quote(request.token)}&limit=1000")
        return _adopt(request, found[0]) if found else None

    def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
        statuses = {}
        for start in range(0, len(jobs), BATCH_MAX):
            some = jobs[start : start + BATCH_MAX]
            body = msgspec.json.encode({"ids": [job.id for job in some]})
            address, secret = _address_of_job(context, some[0])
            with context.calls.read():
                answer = self.client.call(address, "POST", "/v1/jobs:batchGet", body, token_secret=secret)
            known = {view.id: view for view in answer.read(JobPage).jobs}
            for job in some:
                statuses[job.id] = status_of(known[job.id]) if job.id in known else Status(Phase.ABSENT)
                if job.id in known and known[job.id].state not in PHASES:
                    context.logger.warning("job %s is in the unknown state %s", job.id, known[job.id].state)
        return statuses

    def outputs(self, context: Context, request: CreateRequest, job: JobRef) -> Outputs:
        address, secret = _address_of_job(context, job)
        with context.calls.read():
            answer = self.client.call(
                address, "GET", f"/v1/jobs/{job.id}", accept=(404,), token_secret=secret
            )
        if answer.status == 404:
            raise PermanentSystemError(f"The service forgot job `{job.id}` before its outputs were read")
        found = answer.read(JobView).output
        wanted = [variable.name for variable in request.spec.interface.outputs]
        if not isinstance(found, dict) or sorted(found) != sorted(wanted):
            raise ContractViolation(
                f"Job `{job.id}` returned `{found}`, not the outputs `{', '.join(wanted)}`"
            )
        return found

    def cancel(self, context: Context, job: JobRef, reason: str) -> None:
        address, secret = _address_of_job(context, job)
        with context.calls.write():
            self.client.call(address, "DELETE", f"/v1/jobs/{job.id}", accept=(404,), token_secret=secret)

    def search(self, context: Context, request: CreateRequest, query: str) -> list[JobView]:
        """Jobs that the service lists, oldest first."""
        config = _config(request)
        address = _address(context, config)
        with context.calls.read():
            answer = self.client.call(address, "GET", f"/v1/jobs?{query}", token_secret=config.token_secret)
        return answer.read(JobPage).jobs

    def post(
        self, context: Context, request: CreateRequest, *, key: str = "", name: str | None = None
    ) -> JobRef:
        """Start the job, or adopt the one that is in the way."""
        config = _config(request)
        address = _address(context, config)
        body = msgspec.json.encode({**_body(request, config), "name": name})
        with context.calls.write():
            answer = self.client.call(
                address, "POST", "/v1/jobs", body, key=key, accept=(409,), token_secret=config.token_secret
            )
        if answer.status != 409:
            return _adopt(request, answer.read(JobView))
        job_id = answer.read(Refusal).id
        with context.calls.read():
            taken = self.client.call(address, "GET", f"/v1/jobs/{job_id}", token_secret=config.token_secret)
        return _adopt(request, taken.read(JobView))


class TokenHandler(_JobServiceHandler):
    """The service drops a repeated `Idempotency-Key`."""

    def create(self, context: Context, request: CreateRequest) -> JobRef:
        return self.post(context, request, key=request.token)


class NameHandler(_JobServiceHandler):
    """The service refuses a second job of the same name."""

    task_type = "jobservice_name"

    def create(self, context: Context, request: CreateRequest) -> JobRef:
        return self.post(context, request, name=request.token)

    def find(self, context: Context, request: CreateRequest) -> JobRef | None:
        found = self.search(context, request, f"name={quote(request.token)}")
        return _adopt(request, found[0]) if found else None


class SearchHandler(_JobServiceHandler):
    """The service takes no identity of ours: the oldest job with our label is the one."""

    task_type = "jobservice_search"

    def create(self, context: Context, request: CreateRequest) -> JobRef:
        return self.find(context, request) or self.post(context, request)

    def find(self, context: Context, request: CreateRequest) -> JobRef | None:
        found = self.search(context, request, f"label={quote(request.token)}&limit=1000")
        if not found:
            return None
        oldest = _adopt(request, found[0])
        for duplicate in found[1:]:
            if not PHASES.get(duplicate.state, Phase.RUNNING).terminal:
                context.logger.warning("job %s is a duplicate of %s: cancelled", duplicate.id, oldest.id)
                self.cancel(context, _adopt(request, duplicate), "duplicate")
        return oldest


def _config(request: CreateRequest) -> JobConfig:
    return msgspec.convert(request.spec.config, type=JobConfig)


def _account(config: JobConfig) -> str:
    return f"{config.tenant}@{urlsplit(config.url).netloc}"


def _address(context: Context, config: JobConfig) -> Address:
    token = context.secret(config.token_secret) if config.token_secret else ""
    return Address(config.url, config.tenant, config.http_timeout_s, token)


def _address_of_job(context: Context, job: JobRef) -> tuple[Address, str]:
    """Where a job lives and the name of the secret that reaches it: all from its reference."""
    secret = job.secrets[0] if job.secrets else ""
    token = context.secret(secret) if secret else ""
    extra = job.extra
    return Address(extra["url"], extra["tenant"], extra["http_timeout_s"], token), secret


def _body(request: CreateRequest, config: JobConfig) -> dict[str, Any]:
    """The same bytes for the same attempt, whoever asks: the service compares them."""
    wanted = [variable.name for variable in request.spec.interface.outputs]
    given = [request.inputs.get(variable.name) for variable in request.spec.interface.inputs]
    output = dict(zip(wanted, given, strict=False)) if config.returns is None else config.returns
    work = {
        "duration_s": config.duration_s,
        "fail": config.fail or request.attempt <= config.fail_attempts,
        "output": output,
    }
    return {**work, "label": request.token, "tags": {"spec": digest(work)}}


def _adopt(request: CreateRequest, found: JobView) -> JobRef:
    """A reference to a job of ours; raises `ContractViolation` if it was started for something else."""
    config = _config(request)
    if found.tags != _body(request, config)["tags"]:
        raise ContractViolation(
            f"Job `{found.id}` carries the token `{request.token}` of node `{request.node}`, but was started "
            "with another configuration or other inputs"
        )
    return JobRef(
        found.id,
        _account(config),
        (config.token_secret,) if config.token_secret else (),
        {"url": config.url, "tenant": config.tenant, "http_timeout_s": config.http_timeout_s},
    )


def digest(value: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()[:16]
