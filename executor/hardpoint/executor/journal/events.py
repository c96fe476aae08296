"""The closed set of facts about a run, as the journal keeps them.

Every answer that is not a pure function of earlier events (claims, a grant, a cache hit, a drawn
delay, the code's digest) is stored in its event, so a replay asks no plugin and draws no number.

On disk an event is a JSON array that begins with its tag. Fields are only ever added at the end, with
a default: journals of every released format replay.
"""

from __future__ import annotations

import enum
from typing import Any, TypeAlias

import msgspec

from hardpoint.executor.pool.messages import LogSpan
from hardpoint.plugin_api import ErrorInfo, JobRef, Phase, Reference, ResourceClaim, Wire

JOURNAL_FORMAT = 3
"""1: nodes alone. 2: array nodes. 3: preemption, and tables of shared pools."""


class RunPhase(enum.Enum):
    """Where a whole run stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    FAILING = "FAILING"
    ABORTING = "ABORTING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    ABORTED = "ABORTED"

    @property
    def terminal(self) -> bool:
        """Whether the run has ended."""
        return self in (RunPhase.SUCCEEDED, RunPhase.FAILED, RunPhase.ABORTED)


class Budget(enum.Enum):
    """Who pays for a failed attempt."""

    USER = "user"
    SYSTEM = "system"
    NOBODY = "nobody"
    """The engine itself went away: the attempt is made again, however often that happens."""


class CancelCause(enum.Enum):
    """Why an attempt that runs must end."""

    ABORT = "abort"
    TIMEOUT = "timeout"
    DEADLINE = "deadline"
    PREEMPTED = "preempted"


class Artifact(msgspec.Struct, frozen=True, array_like=True):
    """Something readable that an attempt left, such as an HTML report."""

    title: str
    reference: Reference


class EventBase(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True, gc=False):
    """Base of the closed set. `at` is in seconds since the epoch."""


class Submitted(EventBase, frozen=True, tag="submitted"):
    """A run was accepted: always the first event."""

    at: float
    workflow: str
    """Name of the workflow."""
    digest: str
    """Of the compiled workflow, which the journal keeps beside the events."""
    inputs: dict[str, Wire]
    code: str
    """Digest of the archived project files; empty if there were none."""
    project: str
    domain: str
    root: str = ""
    """Project folder at submit, to tell which files changed since; never loaded from."""
    priority: int = 0
    """Among the runs of its tenant, larger first: what its class stands for, and the number given, added."""
    qos: str = ""
    """Its quality-of-service class, as it was given."""
    max_parallelism: int = 0
    """Nodes that may be in flight at once; 0 for no limit."""


class Adopted(EventBase, frozen=True, tag="adopted"):
    """An engine took the run over. The generation is never part of a token."""

    at: float
    owner: str
    generation: int


class ArrayOpened(EventBase, frozen=True, tag="opened"):
    """A node that maps a task over lists knows how long they are: its items may be attempted."""

    at: float
    node: str
    size: int
    required: int
    """Items that must succeed."""
    outputs: tuple[str, ...] = ()
    """Names of the task's outputs: each becomes a list of `size` values."""
    single: bool = False
    """A plain node of an array-shaped task type: one item, and its outputs are the node's."""


class ChunkStarted(EventBase, frozen=True, tag="chunk"):
    """The intent for one job of an array-shaped task type that runs several items."""

    at: float
    node: str
    """The chunk's name, such as `squares#3`."""
    token: str
    items: tuple[tuple[int, int], ...]
    """First and last index of each stretch, in the order in which the service numbers them from 0."""


class AttemptPrepared(EventBase, frozen=True, tag="prepared"):
    """A job handler said what the next attempt will hold; for the chunks of an array, per item."""

    at: float
    node: str
    attempt: int
    account: str
    claims: tuple[ResourceClaim, ...] = ()


class AttemptStarted(EventBase, frozen=True, tag="started"):
    """The intent: written before a worker or a service hears of the attempt."""

    at: float
    node: str
    attempt: int
    token: str = ""
    """For jobs: the name under which the service is asked to create it."""
    key: str = ""
    """For cached tasks: the key under which its outputs will be kept."""


class NodeCached(EventBase, frozen=True, tag="cached"):
    """Outputs of an earlier attempt were taken instead of a new one."""

    at: float
    node: str
    outputs: dict[str, Wire]
    execution: str
    key: str


class CreateUnsettled(EventBase, frozen=True, tag="unsettled"):
    """Whether the job exists is unknown, or the service asked to wait: try again, same token."""

    at: float
    node: str
    attempt: int
    error: ErrorInfo
    retry_at: float


class JobCreated(EventBase, frozen=True, tag="created"):
    """The service knows the job under this name."""

    at: float
    node: str
    attempt: int
    job: JobRef


class JobMoved(EventBase, frozen=True, tag="moved"):
    """The job's phase changed; a phase that did not change writes nothing."""

    at: float
    node: str
    attempt: int
    phase: Phase
    reason: str = ""
    links: dict[str, str] = {}
    usage: dict[str, float] | None = None
    """What the status told, kept until the attempt ends; only the event of the end counts it."""


class CancelRequested(EventBase, frozen=True, tag="cancel"):
    """The attempt must end; it holds what it holds until the end is confirmed."""

    at: float
    node: str
    attempt: int
    cause: CancelCause


class AttemptSucceeded(EventBase, frozen=True, tag="succeeded"):
    """The attempt's outputs, checked against the interface."""

    at: float
    node: str
    attempt: int
    outputs: dict[str, Wire]
    log: LogSpan | None = None
    artifacts: tuple[Artifact, ...] = ()
    usage: dict[str, float] | None = None
    """What its job used, by name; of a chunk of items, the last of them to end tells it."""


class AttemptFailed(EventBase, frozen=True, tag="failed"):
    """The attempt ended without outputs; `retry_at` says when the next may start, if one may."""

    at: float
    node: str
    attempt: int
    error: ErrorInfo
    budget: Budget
    retry_at: float | None = None
    log: LogSpan | None = None
    artifacts: tuple[Artifact, ...] = ()
    usage: dict[str, float] | None = None


class AttemptCancelled(EventBase, frozen=True, tag="cancelled"):
    """The end that an abort asked for is confirmed."""

    at: float
    node: str
    attempt: int
    log: LogSpan | None = None
    usage: dict[str, float] | None = None


class AbortRequested(EventBase, frozen=True, tag="abort"):
    """Somebody wants the run to end."""

    at: float
    reason: str


class Resumed(EventBase, frozen=True, tag="resumed"):
    """A run that had failed or was aborted goes on: what did not succeed is tried again."""

    at: float


class Ended(EventBase, frozen=True, tag="ended"):
    """The last event, unless the run is resumed."""

    at: float
    phase: RunPhase
    outputs: dict[str, Wire] = {}
    error: ErrorInfo | None = None
    node: str = ""
    """The node whose error it is."""


Event: TypeAlias = (
    AttemptStarted
    | AttemptSucceeded
    | NodeCached
    | AttemptFailed
    | AttemptPrepared
    | JobCreated
    | JobMoved
    | CreateUnsettled
    | CancelRequested
    | AttemptCancelled
    | ArrayOpened
    | ChunkStarted
    | Submitted
    | Adopted
    | AbortRequested
    | Resumed
    | Ended
)
"""The closed set, the frequent first: `match` over it ends in `assert_never`."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(list[Event])


def encode_events(events: list[Event]) -> bytes:
    """Events as one JSON array.

    >>> encode_events([AbortRequested(1.5, "enough")])
    b'[["abort",1.5,"enough"]]'
    """
    return _encoder.encode(events)


def decode_events(data: bytes) -> list[Event]:
    """What `encode_events` wrote; raises `msgspec.MsgspecError` if it is damaged."""
    return _decoder.decode(data)


def fields_of(event: Event) -> dict[str, Any]:
    """An event's fields as plain JSON, for observers and `--json`.

    >>> fields_of(AbortRequested(1.5, "enough"))
    {'at': 1.5, 'reason': 'enough'}
    """
    builtin = msgspec.to_builtins(event)
    return dict(zip(event.__struct_fields__, builtin[1:], strict=False))
