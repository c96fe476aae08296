"""The handler of the job service's arrays: N items in one create, N states in one answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from hardpoint_jobservice_client import Refusal, ServiceClient
from hardpoint_jobservice_handlers import (
    BATCH_MAX,
    PHASES,
    JobConfig,
    account_of,
    address_of,
    address_of_job,
    config_of,
    digest,
)

from hardpoint.plugin_api import (
    ArrayStatus,
    Context,
    ContractViolation,
    CreateRequest,
    ErrorInfo,
    Inputs,
    ItemStates,
    JobRef,
    Outputs,
    Phase,
    Prepared,
    ResourceClaim,
    TransientError,
)


class ArrayView(msgspec.Struct, frozen=True):
    """What the service shows of an array."""

    id: str
    state: str
    items: str
    label: str | None = None
    tags: dict[str, str] = {}
    errors: dict[int, str] = {}
    usage: dict[str, float] = {}


class ArrayPage(msgspec.Struct, frozen=True):
    """What the service shows of several."""

    arrays: list[ArrayView]


class OutputsPage(msgspec.Struct, frozen=True):
    """What items returned, by index."""

    outputs: dict[int, dict[str, Any]]


class ArrayHandler:
    """The service drops a repeated `Idempotency-Key` of an array as it does of a job."""

    task_type = "jobservice_array"

    def __init__(self) -> None:
        self.client = ServiceClient()

    def prepare(self, context: Context, request: CreateRequest) -> Prepared:
        config = config_of(request)
        claim = ResourceClaim(f"{self.task_type}:{config.tenant}", config.units)
        return Prepared(account_of(config), (claim,))

    def create_array(self, context: Context, request: CreateRequest, items: Sequence[Inputs]) -> JobRef:
        config = config_of(request)
        address = address_of(context, config)
        work = [_work(request, config, inputs) for inputs in items]
        tags = {"spec": digest([request.spec.name, config])}
        told = {"label": request.token, "tags": tags, "usage": config.usage}
        body = msgspec.json.encode({"items": work, **told})
        with context.calls.write():
            answer = self.client.call(
                *(address, "POST", "/v1/arrays", body),
                key=request.token,
                accept=(409,),
                token_secret=config.token_secret,
            )
        if answer.status != 409:
            return _adopt(request, config, answer.read(ArrayView))
        array_id = answer.read(Refusal).id
        if not array_id:
            raise TransientError(f"{answer.call} was answered with 409, and not with what is in the way")
        with context.calls.read():
            taken = self.client.call(
                address, "GET", f"/v1/arrays/{array_id}", token_secret=config.token_secret
            )
        return _adopt(request, config, taken.read(ArrayView))

    def find(self, context: Context, request: CreateRequest) -> JobRef | None:
        config = config_of(request)
        path = f"/v1/arrays?label={quote(request.token)}"
        with context.calls.read():
            answer = self.client.call(
                address_of(context, config), "GET", path, token_secret=config.token_secret
            )
        found = answer.read(ArrayPage).arrays
        return _adopt(request, config, found[0]) if found else None

    def poll_arrays(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, ArrayStatus]:
        statuses = {}
        for start in range(0, len(jobs), BATCH_MAX):
            some = jobs[start : start + BATCH_MAX]
            body = msgspec.json.encode({"ids": [job.id for job in some]})
            address, secret = address_of_job(context, some[0])
            with context.calls.read():
                answer = self.client.call(address, "POST", "/v1/arrays:batchGet", body, token_secret=secret)
            known = {view.id: view for view in answer.read(ArrayPage).arrays}
            for job in some:
                statuses[job.id] = array_status(known.get(job.id))
        return statuses

    def item_outputs(self, context: Context, job: JobRef, indices: Iterable[int]) -> Mapping[int, Outputs]:
        address, secret = address_of_job(context, job)
        body = msgspec.json.encode({"items": list(indices)})
        path = f"/v1/arrays/{job.id}:outputs"
        with context.calls.read():
            answer = self.client.call(address, "POST", path, body, token_secret=secret)
        return answer.read(OutputsPage).outputs

    def cancel(self, context: Context, job: JobRef, reason: str) -> None:
        address, secret = address_of_job(context, job)
        with context.calls.write():
            self.client.call(address, "DELETE", f"/v1/arrays/{job.id}", accept=(404,), token_secret=secret)


def _work(request: CreateRequest, config: JobConfig, inputs: Inputs) -> dict[str, Any]:
    wanted = [variable.name for variable in request.spec.interface.outputs]
    given = [inputs.get(variable.name) for variable in request.spec.interface.inputs]
    output = dict(zip(wanted, given, strict=False)) if config.returns is None else config.returns
    fail = config.fail or any(value in config.fail_values for value in inputs.values())
    return {"duration_s": config.duration_s, "fail": fail, "output": output}


def array_status(view: ArrayView | None) -> ArrayStatus:
    if view is None:
        return ArrayStatus(Phase.ABSENT, ItemStates(""))
    errors = {
        index: ErrorInfo("JobFailed", f"Item {index} of array `{view.id}` failed: {why}")
        for index, why in view.errors.items()
    }
    reason = "" if view.state in PHASES else f"{view.state}, a state this plugin does not know"
    phase = PHASES.get(view.state, Phase.RUNNING)
    return ArrayStatus(phase, ItemStates(view.items), reason, errors, view.usage)


def _adopt(request: CreateRequest, config: JobConfig, found: ArrayView) -> JobRef:
    if found.tags != {"spec": digest([request.spec.name, config])}:
        raise ContractViolation(
            f"Array `{found.id}` carries the token `{request.token}` of node `{request.node}`, but was "
            "started with another configuration"
        )
    return JobRef(
        found.id,
        account_of(config),
        (config.token_secret,) if config.token_secret else (),
        {"url": config.url, "tenant": config.tenant, "http_timeout_s": config.http_timeout_s},
    )
