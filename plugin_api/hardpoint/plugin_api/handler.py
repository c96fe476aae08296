"""The four shapes of handler: what a plugin writes so that its task types run.

The rules behind each verb:

- A verb may be called any number of times and in any process; all it may rely on is its arguments.
- `create` must be repeatable under the same `request.token`, in the way the task type declares.
- A job missing from `poll_many`'s answer is asked for again; `Phase.ABSENT` says that it is gone.
- One bad id never fails the batch it is in.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from hardpoint.plugin_api.context import Context, FunctionContext, Inputs, Outputs
from hardpoint.plugin_api.phase import ArrayStatus, Status
from hardpoint.plugin_api.resources import ResourceClaim
from hardpoint.plugin_api.task import Resources, TaskSpec


class Shape(enum.Enum):
    """What the executor does for a task type."""

    FUNCTION = "function"
    JOB = "job"
    ARRAY = "array"


class Idempotency(enum.Enum):
    """How a repeated create finds the first job, and so what is promised."""

    TOKEN = "token"  # noqa: S105 - not a password
    """The service takes our token: one job."""
    NAME = "name"
    """The service refuses a second job of the same name; read, compare, adopt: one job."""
    SEARCH = "search"
    """The executor calls `find` before it repeats a create: list by name or tag after the settling delay; the
    oldest wins: at most one survives."""
    NONE = "none"
    """Refused unless the author of the task accepts at-least-once in `config`."""


class CreateRequest(msgspec.Struct, frozen=True, gc=False):
    """One attempt, as a job handler sees it.

    Args:
        execution, node, attempt: Which try of what.
        token: Same for every repetition of this attempt's create; see `identity.attempt_token`.
        spec: The task.
        inputs: Wire values by input name.
        outputs_uri: Where a job that writes its own outputs puts them.
        resources: What the attempt needs, overrides applied.
        project, domain: The tenant.
        interruptible: It may run on capacity that is taken away. False in the last attempt that such
            losses leave, whatever the author allows.
    """

    execution: str
    node: str
    attempt: int
    token: str
    spec: TaskSpec
    inputs: dict[str, Any]
    outputs_uri: str
    resources: Resources
    project: str
    domain: str
    interruptible: bool = False


class JobRef(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The serialisable name of an external job; enough to poll, cancel and read it after a restart.

    Args:
        id: The vendor's id.
        account: Which service, account, region or workgroup it lives in; polls are batched by it, so jobs
            with the same account must be answerable in one call.
        secrets: Names of the secrets that reach it; never values.
        extra: What else the handler needs, plain JSON.
    """

    id: str
    account: str = ""
    secrets: tuple[str, ...] = ()
    extra: dict[str, Any] = {}


class Prepared(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What an attempt will hold: decided once, journaled, never asked again."""

    account: str = ""
    claims: tuple[ResourceClaim, ...] = ()


class FunctionHandler(Protocol):
    """Runs in a worker process that is reused; at least once."""

    def run(self, context: FunctionContext, inputs: Inputs) -> Outputs:
        """Do the work; return one wire value for each output. What it raises is the author's error."""


class JobHandler(Protocol):
    """Runs as a job of an external service."""

    def prepare(self, context: Context, request: CreateRequest) -> Prepared:
        """Say which account the job will use and what it will hold. No side effect.

        Not called if the task type declares its `claims`.
        """

    def create(self, context: Context, request: CreateRequest) -> JobRef:
        """Start the job, or find the one that this token already started; see `Idempotency`.

        Raise `ThrottledError` if refused for now, `TransientError` if the outcome is unknown,
        `UserError` if the request is wrong.
        """

    def find(self, context: Context, request: CreateRequest) -> JobRef | None:
        """The job that this token started, oldest first; None if the service shows none."""

    def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
        """Statuses by job id, for jobs of one account, in as few calls as the service allows."""

    def outputs(self, context: Context, request: CreateRequest, job: JobRef) -> Outputs:
        """Wire values of a job that succeeded. Not called if its status brought them."""

    def cancel(self, context: Context, job: JobRef, reason: str) -> None:
        """Ask for the end of the job. Repeatable; a job that already ended is no error.

        It is asked again, ever more slowly, until `poll_many` confirms the end.
        """


class Kept(msgspec.Struct, frozen=True, gc=False):
    """The one job of a token that counts.

    Args:
        request: What created it.
        job: What `find` or `create` gave.
    """

    request: CreateRequest
    job: JobRef


class SweepingHandler(Protocol):
    """An addition to a handler of `Idempotency.SEARCH`, where a repeated create may leave a second job."""

    def duplicates(self, context: Context, kept: Sequence[Kept]) -> Sequence[JobRef]:
        """Jobs of these tokens that have not ended, besides those that are kept. No side effect: the executor
        cancels them.

        Asked once the listings have settled after the last create, for at most `poll.batch_max` jobs of one
        account, in as few calls as the service allows.
        """


class Estimate(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What an attempt is expected to use, said before it is created.

    Args:
        usage: As in `Status.usage`, under the same names.
        text: For the reader, in a few lines: the service's own plan, or why there is no figure.

    >>> Estimate({"bytes_scanned": 2e9}, "2 GB of one table").usage
    {'bytes_scanned': 2000000000.0}
    """

    usage: dict[str, float] = {}
    text: str = ""


class EstimatingHandler(Protocol):
    """An addition to a handler of jobs whose service can say beforehand what an attempt would use."""

    def estimate(self, context: Context, request: CreateRequest) -> Estimate:
        """Ask the service, without starting or writing anything; raise as in `create`.

        Called by `hardpoint plan --estimate`, never on the way to a job: a handler that enforces a ceiling
        asks by itself in `create`. The request's `token` is no attempt's.
        """


class ArrayHandler(Protocol):
    """Runs N items as one job of a service that knows arrays."""

    def prepare(self, context: Context, request: CreateRequest) -> Prepared:
        """As for a job; claims are per item."""

    def create_array(self, context: Context, request: CreateRequest, items: Sequence[Inputs]) -> JobRef:
        """Start one job with an item for each of `items`, repeatable by token as for a job."""

    def find(self, context: Context, request: CreateRequest) -> JobRef | None:
        """The array that this token started; None if the service shows none."""

    def poll_arrays(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, ArrayStatus]:
        """States of all items, compact, by job id."""

    def item_outputs(self, context: Context, job: JobRef, indices: Iterable[int]) -> Mapping[int, Outputs]:
        """Wire values of items that succeeded."""

    def cancel(self, context: Context, job: JobRef, reason: str) -> None:
        """Ask for the end of the whole array. Repeatable."""


StatusSink = Callable[[str, Status], None]


class PushHandler(Protocol):
    """An addition to a job handler whose service tells of changes by itself."""

    def watch(self, context: Context, job: JobRef, sink: StatusSink) -> None:
        """Call `sink(job id, status)` as things happen, until the stream ends or raises.

        Runs in a thread of its own, one for each account and set of secrets. From its first status on, jobs
        are polled every `PollPolicy.resync_s` only: so begin with what happened of late, if the service can
        tell. When the stream ends it is started again, more slowly each time. Late, repeated and unknown
        statuses do no harm.

        Args:
            context: As for every verb.
            job: Any job of the account: it says how to reach it. The stream is about all of its jobs.
            sink: Never blocks. Raises `StreamClosedError` once nobody listens any more: let it pass.
        """


AnyHandler = FunctionHandler | JobHandler | ArrayHandler
