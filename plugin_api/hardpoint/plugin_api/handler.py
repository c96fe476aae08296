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
    """List by name or tag after the settling delay; the oldest wins: at most one survives."""
    NONE = "none"
    """Refused unless the author of the task accepts at-least-once in `config`."""


class CreateRequest(msgspec.Struct, frozen=True):
    """One attempt, as a job handler sees it.

    Args:
        execution, node, attempt: Which try of what.
        token: Same for every repetition of this attempt's create; see `identity.attempt_token`.
        spec: The task.
        inputs: Wire values by input name.
        outputs_uri: Where a job that writes its own outputs puts them.
        resources: What the attempt needs, overrides applied.
        project, domain: The tenant.
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


class JobRef(msgspec.Struct, frozen=True, omit_defaults=True):
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


class Prepared(msgspec.Struct, frozen=True, omit_defaults=True):
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
        """Say which account the job will use and what it will hold. No side effect."""

    def create(self, context: Context, request: CreateRequest) -> JobRef:
        """Start the job, or find the one that this token already started.

        Raise `ThrottledError` if refused for now, `TransientError` if the outcome is unknown,
        `UserError` if the request is wrong.
        """

    def find(self, context: Context, request: CreateRequest) -> JobRef | None:
        """The job that this token started, oldest first; None if the service shows none."""

    def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
        """Statuses by job id, for jobs of one account, in as few calls as the service allows."""

    def outputs(self, context: Context, request: CreateRequest, job: JobRef) -> Outputs:
        """Wire values of a job that succeeded."""

    def cancel(self, context: Context, job: JobRef, reason: str) -> None:
        """Ask for the end of the job. Repeatable; a job that already ended is no error."""


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
    """An addition to a job or array handler whose service tells of changes by itself."""

    def watch(self, context: Context, account: str, sink: StatusSink) -> None:
        """Deliver `(job id, status)` as they happen until the stream ends; polls go on, rarely, to resync."""


AnyHandler = FunctionHandler | JobHandler | ArrayHandler
