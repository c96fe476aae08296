"""The handlers of the job service's task types: network calls and what they mean."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
from hardpoint_jobservice_client import Address, Changes, JobPage, JobView, Refusal, ServiceClient

from hardpoint.plugin_api import (
    Context,
    ContractViolation,
    CreateRequest,
    ErrorInfo,
    Estimate,
    JobRef,
    Kept,
    Outputs,
    PermanentSystemError,
    Phase,
    Prepared,
    ResourceClaim,
    Status,
    StatusSink,
    TransientError,
)

BATCH_MAX = 500
RECENT_CHANGES = 1000
"""Where a stream begins: jobs that moved just before it was open are not missed."""

PHASES = {
    "QUEUED": Phase.QUEUED,
    "RUNNING": Phase.RUNNING,
    "SUCCEEDED": Phase.SUCCEEDED,
    "FAILED": Phase.FAILED,
    "CANCELLED": Phase.CANCELLED,
}


# Nearly all that a poll brings: not made anew for each job.
_PLAIN = {word: Status(phase) for word, phase in PHASES.items() if not phase.terminal}
_ABSENT = Status(Phase.ABSENT)


class JobConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Config of all task types.

    Args:
        url: Of the service.
        duration_s: How long the job runs.
        fail: It fails at its end.
        fail_attempts: It fails at its end in that many first attempts.
        fail_values: A job or an item fails at its end if one of its inputs is among these.
        returns: Outputs by name; None: the inputs, in order.
        tenant: As whom to call.
        units: Units of the pool `<task type>:<tenant>` that the attempt holds.
        usage: What the service says that the job, or the array, used.
        token_secret: Name of the secret that holds the service's bearer token, if it wants one.
        http_timeout_s: Longest wait for one answer.
    """

    url: str
    duration_s: float = 0.0
    fail: bool = False
    fail_attempts: int = 0
    fail_values: tuple[Any, ...] = ()
    returns: dict[str, Any] | None = None
    tenant: str = "default"
    units: int = 1
    usage: dict[str, float] = {}
    token_secret: str = ""
    http_timeout_s: float = 10.0


def status_of(job: JobView) -> Status:
    """The service's word on a job, mapped by a table; an unknown word counts as running.

    What the job returned comes with it, if the service told.

    >>> status_of(JobView("j1", "PAUSED")).reason
    'PAUSED, a state this plugin does not know'
    """
    plain = _PLAIN.get(job.state)
    if plain is not None:
        return plain
    phase = PHASES.get(job.state)
    if phase is None:
        return Status(Phase.RUNNING, f"{job.state}, a state this plugin does not know")
    if phase is Phase.FAILED:
        error = ErrorInfo("JobFailed", f"Job `{job.id}` failed: {job.error}")
        return Status(phase, job.error, error, usage=job.usage)
    told = phase is Phase.SUCCEEDED and isinstance(job.output, dict)
    return Status(phase, outputs=job.output if told else None, usage=job.usage)


class _JobServiceHandler:
    """What the three handlers share: all but how a repeated create finds the first job."""

    task_type = "jobservice"

    def __init__(self) -> None:
        self.client = ServiceClient()

    def prepare(self, context: Context, request: CreateRequest) -> Prepared:
        config = config_of(request)
        claim = ResourceClaim(f"{self.task_type}:{config.tenant}", config.units)
        return Prepared(account_of(config), (claim,))

    def find(self, context: Context, request: CreateRequest) -> JobRef | None:
        found = self.search(context, request, f"label={quote(request.token)}&limit=1000")
        return adopt(request, found[0]) if found else None

    def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
        statuses = {}
        for start in range(0, len(jobs), BATCH_MAX):
            some = jobs[start : start + BATCH_MAX]
            body = msgspec.json.encode({"ids": [job.id for job in some]})
            address, secret = address_of_job(context, some[0])
            with context.calls.read():
                answer = self.client.call(
                    address, "POST", "/v1/jobs:batchGet?outputs", body, token_secret=secret
                )
            known = {view.id: view for view in answer.read(JobPage).jobs}
            for job in some:
                view = known.get(job.id)
                statuses[job.id] = _ABSENT if view is None else status_of(view)
                if view is not None and view.state not in PHASES:
                    context.logger.warning("job %s is in the unknown state %s", job.id, view.state)
        return statuses

    def outputs(self, context: Context, request: CreateRequest, job: JobRef) -> Outputs:
        address, secret = address_of_job(context, job)
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
        address, secret = address_of_job(context, job)
        with context.calls.write():
            self.client.call(address, "DELETE", f"/v1/jobs/{job.id}", accept=(404,), token_secret=secret)

    def estimate(self, context: Context, request: CreateRequest) -> Estimate:
        config = config_of(request)
        body = msgspec.json.encode(_body(request, config))
        address, secret = address_of(context, config), config.token_secret
        with context.calls.read():
            answer = self.client.call(address, "POST", "/v1/jobs:estimate", body, token_secret=secret)
        return answer.read(Estimate)

    def search(self, context: Context, request: CreateRequest, query: str) -> list[JobView]:
        """Jobs that the service lists, oldest first."""
        config = config_of(request)
        address = address_of(context, config)
        with context.calls.read():
            answer = self.client.call(address, "GET", f"/v1/jobs?{query}", token_secret=config.token_secret)
        return answer.read(JobPage).jobs

    def post(
        self, context: Context, request: CreateRequest, *, key: str = "", name: str | None = None
    ) -> JobRef:
        """Start the job, or adopt the one that is in the way."""
        config = config_of(request)
        address = address_of(context, config)
        body = msgspec.json.encode({**_body(request, config), "name": name})
        with context.calls.write():
            answer = self.client.call(
                address, "POST", "/v1/jobs", body, key=key, accept=(409,), token_secret=config.token_secret
            )
        if answer.status != 409:
            return adopt(request, answer.read(JobView))
        job_id = answer.read(Refusal).id
        if not job_id:
            raise TransientError(
                f"{answer.call} was answered with 409, and not with the job that is in the way"
            )
        with context.calls.read():
            taken = self.client.call(address, "GET", f"/v1/jobs/{job_id}", token_secret=config.token_secret)
        return adopt(request, taken.read(JobView))


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
        return adopt(request, found[0]) if found else None


class SearchHandler(_JobServiceHandler):
    """The service takes no identity of ours: the oldest job with our label is the one."""

    task_type = "jobservice_search"

    def create(self, context: Context, request: CreateRequest) -> JobRef:
        return self.post(context, request)

    def duplicates(self, context: Context, kept: Sequence[Kept]) -> Sequence[JobRef]:
        # The service lists one label at a time.
        return [
            adopt(each.request, job)
            for each in kept
            for job in self.search(context, each.request, f"label={quote(each.request.token)}&limit=1000")
            if job.id != each.job.id and not PHASES.get(job.state, Phase.RUNNING).terminal
        ]


class PushHandler(TokenHandler):
    """The service tells of changes by itself, in answers that it holds back until there are some."""

    task_type = "jobservice_push"

    def watch(self, context: Context, job: JobRef, sink: StatusSink) -> None:
        address, secret = address_of_job(context, job)
        path = f"/v1/events?after=-{RECENT_CHANGES}"
        while True:
            with context.calls.read():
                answer = self.client.call(address, "GET", path, token_secret=secret)
            page = answer.read(Changes)
            for change in page.changes:
                sink(change.id, status_of(change))
            path = f"/v1/events?after={page.next}&wait={address.timeout_s / 2:g}"


def config_of(request: CreateRequest) -> JobConfig:
    return msgspec.convert(request.spec.config, type=JobConfig)


def account_of(config: JobConfig) -> str:
    return f"{config.tenant}@{urlsplit(config.url).netloc}"


def address_of(context: Context, config: JobConfig) -> Address:
    token = context.secret(config.token_secret) if config.token_secret else ""
    return Address(config.url, config.tenant, config.http_timeout_s, token)


def address_of_job(context: Context, job: JobRef) -> tuple[Address, str]:
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
    fail = config.fail or any(value in config.fail_values for value in request.inputs.values())
    work = {
        "duration_s": config.duration_s,
        "fail": fail or request.attempt <= config.fail_attempts,
        "output": output,
    }
    usage = {"usage": config.usage} if config.usage else {}
    return {**work, **usage, "label": request.token, "tags": {"spec": digest(work)}}


def adopt(request: CreateRequest, found: JobView) -> JobRef:
    """A reference to a job of ours; raises `ContractViolation` if it was started for something else."""
    config = config_of(request)
    if found.tags != _body(request, config)["tags"]:
        raise ContractViolation(
            f"Job `{found.id}` carries the token `{request.token}` of node `{request.node}`, but was started "
            "with another configuration or other inputs"
        )
    return JobRef(
        found.id,
        account_of(config),
        (config.token_secret,) if config.token_secret else (),
        {"url": config.url, "tenant": config.tenant, "http_timeout_s": config.http_timeout_s},
    )


def digest(value: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()[:16]
