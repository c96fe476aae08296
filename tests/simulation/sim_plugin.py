"""The plugin of the simulated service: real handlers, as an author writes them, over calls that may fail.

One plugin object serves every world of a process: a handler finds its world through the clock it is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from tests.simulation.plan_strategy import POOLS
from tests.simulation.plans import End, result_of
from tests.simulation.sim_client import Client, client_of
from tests.simulation.sim_service import Job, NameTakenError

from hardpoint.plugin_api import (
    ArrayStatus,
    Context,
    CreateRequest,
    ErrorInfo,
    ErrorKind,
    FunctionContext,
    Idempotency,
    Inputs,
    ItemStates,
    JobRef,
    Kept,
    Outputs,
    Phase,
    PollPolicy,
    Prepared,
    ResourceClaim,
    ResourcePool,
    Shape,
    Status,
    StatusSink,
    TaskType,
    hookimpl,
)

SETTLING_S = {
    "sim_token": 10.0,
    "sim_name": 2.0,
    "sim_search": 10.0,
    "sim_push": 3.0,
    "sim_array": 5.0,
    "sim_rough": 10.0,
}
ACCOUNT = "one-account"


class SimConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a job is asked to compute, and what it claims."""

    salt: int
    pool: str = ""
    units: int = 1


class SimFunctionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a function is asked to compute, and what it claims."""

    salt: int
    pool: str = ""


def claims_of(config: SimFunctionConfig) -> tuple[ResourceClaim, ...]:
    """One unit of a pool that jobs claim too."""
    return (ResourceClaim(config.pool),) if config.pool else ()


def status_of(job: Job, now_s: float) -> Status:
    """The service's word on a job."""
    phase = job.phase(now_s)
    usage = job.usage if phase.terminal else {}
    if phase is not Phase.FAILED:
        return Status(phase, usage=usage)
    error = error_of(job, job.items[0].end)
    return Status(phase, error.message, error, usage=usage)


def error_of(job: Job, end: End) -> ErrorInfo:
    """Why a job, or an item of it, failed."""
    match end:
        case End.USER:
            return ErrorInfo("ValueError", f"job {job.id} was asked for nonsense")
        case End.THROTTLED:
            text = f"job {job.id} was pushed out"
            return ErrorInfo("Throttled", text, ErrorKind.THROTTLED, retry_after_s=2.0)
        case _:
            return ErrorInfo("Preempted", f"job {job.id} was taken away", ErrorKind.TRANSIENT)


class SimHandler:
    """What the handlers share: all but how a repeated create finds the first job."""

    def prepare(self, context: Context, request: CreateRequest) -> Prepared:
        pool, units = request.spec.config["pool"], request.spec.config["units"]
        return Prepared(ACCOUNT, (ResourceClaim(pool, units),) if pool else ())

    def create(self, context: Context, request: CreateRequest) -> JobRef:
        client = client_of(context)
        with context.calls.write():
            return self.reference(client.create_once(request))

    def find(self, context: Context, request: CreateRequest) -> JobRef | None:
        found = self.listed(context, client_of(context), request)
        return self.reference(found[0]) if found else None

    def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
        client = client_of(context)
        with context.calls.read():
            known = client.get([job.id for job in jobs])
        return {
            job.id: status_of(known[job.id], client.now_s) if job.id in known else Status(Phase.ABSENT)
            for job in jobs
        }

    def outputs(self, context: Context, request: CreateRequest, job: JobRef) -> Outputs:
        client = client_of(context)
        with context.calls.read():
            known = client.known(job.id)
        return {"result": result_of(known.salt, known.items[0].inputs)}

    def cancel(self, context: Context, job: JobRef, reason: str) -> None:
        client = client_of(context)
        with context.calls.write():
            client.cancel(job.id)

    def listed(self, context: Context, client: Client, request: CreateRequest) -> list[Job]:
        """What the service lists for a token, oldest first."""
        with context.calls.read():
            return client.listed(request.token)

    def reference(self, job: Job) -> JobRef:
        """What is kept of a job."""
        return JobRef(job.id, ACCOUNT)


class NameHandler(SimHandler):
    """The service refuses a second job of the same name."""

    def create(self, context: Context, request: CreateRequest) -> JobRef:
        client = client_of(context)
        try:
            with context.calls.write():
                return self.reference(client.create_named(request))
        except NameTakenError:
            with context.calls.read():
                return self.reference(client.named(request.token))


class SearchHandler(SimHandler):
    """The service takes no identity of ours: the oldest job with our token as its label is the one."""

    def create(self, context: Context, request: CreateRequest) -> JobRef:
        client = client_of(context)
        with context.calls.write():
            return self.reference(client.create(request))

    def duplicates(self, context: Context, kept: Sequence[Kept]) -> Sequence[JobRef]:
        client = client_of(context)
        ours = {each.job.id for each in kept}
        listed = [job for each in kept for job in self.listed(context, client, each.request)]
        return [self.reference(job) for job in listed if job.id not in ours and not job.is_over(client.now_s)]


class PushingHandler(SimHandler):
    """The service tells what becomes of its jobs."""

    def watch(self, context: Context, job: JobRef, sink: StatusSink) -> None:
        client = client_of(context)

        def tell(job: Job) -> None:
            sink(job.id, status_of(job, client.now_s))

        with context.calls.read():
            client.subscribe("sim_push", tell)


class ManyHandler(SimHandler):
    """The service computes many items in one job."""

    def create_array(self, context: Context, request: CreateRequest, items: Sequence[Inputs]) -> JobRef:
        client = client_of(context)
        with context.calls.write():
            return self.reference(client.create_once(request, items))

    def poll_arrays(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, ArrayStatus]:
        client = client_of(context)
        with context.calls.read():
            known = client.get([job.id for job in jobs])
        gone = ArrayStatus(Phase.ABSENT, ItemStates(""))
        return {job.id: _states(known[job.id], client.now_s) if job.id in known else gone for job in jobs}

    def item_outputs(self, context: Context, job: JobRef, indices: Iterable[int]) -> Mapping[int, Outputs]:
        client = client_of(context)
        with context.calls.read():
            known = client.known(job.id)
        return {index: {"result": result_of(known.salt, known.items[index].inputs)} for index in indices}


def _states(job: Job, now_s: float) -> ArrayStatus:
    letters = job.letters(now_s)
    errors = {
        index: error_of(job, item.end)
        for index, (item, letter) in enumerate(zip(job.items, letters, strict=True))
        if letter == "F"
    }
    phase = job.phase(now_s)
    usage = job.usage if phase.terminal else {}
    return ArrayStatus(phase, ItemStates(letters), errors=errors, usage=usage)


class RoughHandler(SimHandler):
    """Made by somebody in a hurry: now and then a verb raises a bare exception, or returns something else."""

    def create(self, context: Context, request: CreateRequest) -> JobRef:
        made = super().create(context, request)
        return client_of(context).rough("create", made, None)

    def find(self, context: Context, request: CreateRequest) -> JobRef | None:
        found = super().find(context, request)
        return client_of(context).rough("find", found, request.token)

    def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
        answer = super().poll_many(context, jobs)
        foreign = {f"not-{job}": Status(Phase.FAILED) for job in answer}
        halves = {
            job: status if number % 2 else "RUNNING" for number, (job, status) in enumerate(answer.items())
        }
        return client_of(context).rough("poll_many", answer, None, [*answer], foreign, halves, {})

    def outputs(self, context: Context, request: CreateRequest, job: JobRef) -> Outputs:
        outputs = super().outputs(context, request, job)
        return client_of(context).rough("outputs", outputs, {"result": "seven"}, {"results": 7}, None)

    def cancel(self, context: Context, job: JobRef, reason: str) -> None:
        super().cancel(context, job, reason)
        client_of(context).rough("cancel", None)


class FunctionStandIn:
    """Declares a function shape; the simulated workers never call it."""

    def run(self, context: FunctionContext, inputs: Inputs) -> Outputs:
        raise NotImplementedError("simulated workers know what each call returns")


class SimPlugin:
    """Declares the task types of the simulated service, and a function-shaped one beside `python`.

    Args:
        settling_s: What it declares, by task type.
    """

    def __init__(self, settling_s: Mapping[str, float] = SETTLING_S) -> None:
        self._settling_s = settling_s

    @hookimpl
    def task_types(self) -> Iterable[TaskType]:
        handlers: dict[str, tuple[type[SimHandler], Idempotency]] = {
            "sim_token": (SimHandler, Idempotency.TOKEN),
            "sim_name": (NameHandler, Idempotency.NAME),
            "sim_search": (SearchHandler, Idempotency.SEARCH),
            "sim_push": (PushingHandler, Idempotency.TOKEN),
            "sim_array": (ManyHandler, Idempotency.TOKEN),
            "sim_rough": (RoughHandler, Idempotency.TOKEN),
        }
        yield TaskType(
            "sim_function", Shape.FUNCTION, FunctionStandIn, config=SimFunctionConfig, claims_of=claims_of
        )
        for name, (handler, idempotency) in handlers.items():
            yield TaskType(
                name,
                Shape.ARRAY if handler is ManyHandler else Shape.JOB,
                handler,
                config=SimConfig,
                idempotency=idempotency,
                settling_delay_s=self._settling_s[name],
                poll=PollPolicy(first_s=0.5, batch_max=5),
                items_min=2,
                items_max=8,
            )

    @hookimpl
    def resource_pools(self) -> Iterable[ResourcePool]:
        return [ResourcePool(name, capacity) for name, capacity in POOLS.items() if name]
