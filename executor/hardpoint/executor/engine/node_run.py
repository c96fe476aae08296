"""What the executor knows of one node, or of one item of an array node, in one run. The states:

WAITING     for `pending` > 0 upstream nodes
READY       may be attempted; nothing is journaled about the attempt yet, or only its claims
STARTED     the intent is journaled; a worker has it, or its job may or may not exist yet
RUNNING     its external job exists
BACKOFF     the next attempt may start at `retry_at`
MAPPING     an array node whose items are attempted; its own attempt stays 0
SUCCEEDED   has outputs         FAILED     has an error         CANCELLED  ended by an abort
SKIPPED     will not run because the run is failing or aborting
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from hardpoint.executor.journal.events import Artifact, CancelCause
from hardpoint.executor.pool.messages import LogSpan
from hardpoint.plugin_api import ErrorInfo, JobRef, Phase, ResourceClaim, Wire

if TYPE_CHECKING:
    from hardpoint.executor.engine.array_run import ArrayRun


T = TypeVar("T")


class NodeState(enum.Enum):
    """The executor's word on a node; see the legend above."""

    WAITING = "WAITING"
    READY = "READY"
    STARTED = "STARTED"
    RUNNING = "RUNNING"
    BACKOFF = "BACKOFF"
    MAPPING = "MAPPING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    SKIPPED = "SKIPPED"

    @property
    def in_flight(self) -> bool:
        """Whether an attempt exists that may still have an effect."""
        return self is NodeState.STARTED or self is NodeState.RUNNING

    @property
    def terminal(self) -> bool:
        """Whether the node will not move again in this run."""
        return self in _TERMINAL


_TERMINAL = frozenset({NodeState.SUCCEEDED, NodeState.FAILED, NodeState.CANCELLED, NodeState.SKIPPED})


class Rare(Generic[T]):
    """A field that most nodes never use: until it is set to something else, it takes no room in them.

    A run of 100,000 nodes holds 100,000 `NodeRun`s, and a slot for each field would double them.
    """

    __slots__ = ("_default", "_name")

    def __init__(self, default: T) -> None:
        self._default = default
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, node: None, owner: type) -> Rare[T]: ...

    @overload
    def __get__(self, node: NodeRun, owner: type) -> T: ...

    def __get__(self, node: NodeRun | None, owner: type) -> T | Rare[T]:
        if node is None:
            return self
        rare = node.rare
        return self._default if rare is None else rare.get(self._name, self._default)

    def __set__(self, node: NodeRun, value: T) -> None:
        rare = node.rare
        if rare is not None:
            rare[self._name] = value
        elif value is not self._default:
            node.rare = {self._name: value}


class NodeRun:
    """A node, an item of an array node, or a chunk of its items that runs as one job.

    Args:
        id: Of a node `squares`, of an item `squares[17]`, of a chunk `squares#3`.
        pending: Upstream nodes that have not succeeded yet; of a chunk, its items that have not ended.
        parent: Of an item or chunk, the array node.
        index: Of an item.
    """

    __slots__ = (
        "attempt",
        "ended_at",
        "id",
        "outputs",
        "parent",
        "pending",
        "possible_at",
        "rare",
        "started_at",
        "state",
    )

    index = Rare(-1)
    array: Rare[ArrayRun | None] = Rare(None)
    chunk: Rare[tuple[int, ...]] = Rare(())
    user_failures = Rare(0)
    system_failures = Rare(0)
    error: Rare[ErrorInfo | None] = Rare(None)
    retry_at: Rare[float | None] = Rare(None)
    key = Rare("")
    cached_from = Rare("")
    log: Rare[LogSpan | None] = Rare(None)
    artifacts: Rare[tuple[Artifact, ...]] = Rare(())
    # Of jobs
    prepared = Rare(0)
    account = Rare("")
    claims: Rare[tuple[ResourceClaim, ...]] = Rare(())
    token = Rare("")
    job: Rare[JobRef | None] = Rare(None)
    phase: Rare[Phase | None] = Rare(None)
    reason = Rare("")
    links: Rare[Mapping[str, str]] = Rare(MappingProxyType({}))
    usage: Rare[dict[str, float] | None] = Rare(None)
    cancel: Rare[CancelCause | None] = Rare(None)

    def __init__(self, id: str, pending: int, parent: NodeRun | None = None, index: int = -1) -> None:
        self.rare: dict[str, Any] | None = None
        self.id = id
        self.pending = pending
        self.parent = parent
        self.state = NodeState.WAITING if pending else NodeState.READY
        self.possible_at: float | None = None
        self.attempt = 0
        self.started_at: float | None = None
        self.ended_at: float | None = None
        self.outputs: dict[str, Wire] | None = None
        if parent is not None:
            self.index = index
            self.possible_at = parent.possible_at

    @property
    def in_chunk(self) -> bool:
        """Whether it is an item whose job is that of its chunk: then it has none of its own."""
        array = self.parent.array if self.parent is not None else None
        return array is not None and self.token in array.chunks
