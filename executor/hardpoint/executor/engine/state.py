"""What one run is, as a pure machine: events in, what is now possible out.

No clock, lock or I/O is in here, so its tests are tables of events, a replay is a loop, and any past
moment can be rebuilt. The legend of a node's states:

    WAITING     for `pending` > 0 upstream nodes
    READY       may be attempted; nothing is journaled about the attempt yet, or only its claims
    STARTED     the intent is journaled; a worker has it, or its job may or may not exist yet
    RUNNING     its external job exists
    BACKOFF     the next attempt may start at `retry_at`
    SUCCEEDED   has outputs         FAILED     has an error         CANCELLED  ended by an abort
    SKIPPED     will not run because the run is failing or aborting
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, TypeAlias, assert_never

import msgspec

from hardpoint.core.flatten import FlatGraph
from hardpoint.executor.journal.events import (
    AbortRequested,
    Adopted,
    Artifact,
    AttemptCancelled,
    AttemptFailed,
    AttemptPrepared,
    AttemptStarted,
    AttemptSucceeded,
    Budget,
    CancelCause,
    CancelRequested,
    CreateUnsettled,
    Ended,
    Event,
    JobCreated,
    JobMoved,
    NodeCached,
    Resumed,
    RunPhase,
    Submitted,
)
from hardpoint.executor.pool.messages import LogSpan
from hardpoint.plugin_api import ContractViolation, ErrorInfo, JobRef, Phase, ResourceClaim, Wire


class NodeState(enum.Enum):
    """The executor's word on a node; see the legend above."""

    WAITING = "WAITING"
    READY = "READY"
    STARTED = "STARTED"
    RUNNING = "RUNNING"
    BACKOFF = "BACKOFF"
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


class NodeRun:
    """Everything the executor knows of one node of one run."""

    __slots__ = (
        "account",
        "artifacts",
        "attempt",
        "cached_from",
        "cancel",
        "claims",
        "ended_at",
        "error",
        "id",
        "job",
        "key",
        "links",
        "log",
        "outputs",
        "pending",
        "phase",
        "prepared",
        "reason",
        "retry_at",
        "started_at",
        "state",
        "system_failures",
        "token",
        "user_failures",
    )

    def __init__(self, id: str, pending: int) -> None:
        self.id = id
        self.pending = pending
        self.state = NodeState.WAITING if pending else NodeState.READY
        self.attempt = 0
        self.user_failures = 0
        self.system_failures = 0
        self.prepared = 0
        self.account = ""
        self.claims: tuple[ResourceClaim, ...] = ()
        self.token = ""
        self.key = ""
        self.job: JobRef | None = None
        self.phase: Phase | None = None
        self.reason = ""
        self.links: dict[str, str] = {}
        self.cancel: CancelCause | None = None
        self.started_at: float | None = None
        self.ended_at: float | None = None
        self.retry_at: float | None = None
        self.outputs: dict[str, Wire] | None = None
        self.error: ErrorInfo | None = None
        self.cached_from = ""
        self.log: LogSpan | None = None
        self.artifacts: tuple[Artifact, ...] = ()


class Start(msgspec.Struct, frozen=True):
    """The node may be attempted now, or at `at` if that is later."""

    node: str
    at: float | None = None


class Settle(msgspec.Struct, frozen=True):
    """Create or find the job again at `at`, under the same token."""

    node: str
    at: float


class Watch(msgspec.Struct, frozen=True):
    """The node's external job exists: ask for it from time to time."""

    node: str


class Collect(msgspec.Struct, frozen=True):
    """The node's external job succeeded: read its outputs."""

    node: str


class Stop(msgspec.Struct, frozen=True):
    """The node's attempt in flight must end."""

    node: str


class Finish(msgspec.Struct, frozen=True):
    """Nothing can move any more: the run may end."""


JobEvent: TypeAlias = AttemptPrepared | JobCreated | JobMoved | CreateUnsettled | CancelRequested
RunEvent: TypeAlias = Submitted | Adopted | AbortRequested | Resumed | Ended
Possible: TypeAlias = Start | Settle | Watch | Collect | Stop | Finish
"""What an event made possible; the engine acts on it once the event is journaled."""


class RunState:
    """One run. `apply` changes it; nothing else does.

    Args:
        execution: The run's id.
        graph: Its nodes, flat; never changed.
    """

    def __init__(self, execution: str, graph: FlatGraph) -> None:
        self.execution = execution
        self.graph = graph
        self.nodes = {id: NodeRun(id, len(node.upstream)) for id, node in graph.nodes.items()}
        self.phase = RunPhase.QUEUED
        self.inputs: dict[str, Wire] = {}
        self.submitted: Submitted | None = None
        self.generation = 0
        self.left = len(self.nodes)
        self.in_flight: set[str] = set()
        self.outputs: dict[str, Wire] = {}
        self.error: ErrorInfo | None = None
        self.error_node = ""
        self.abort_reason = ""
        self.ended_at: float | None = None

    def outputs_of(self, node: str) -> Mapping[str, Wire]:
        """Outputs of a node that succeeded."""
        outputs = self.nodes[node].outputs
        if outputs is None:
            raise ContractViolation(f"Node `{node}` of run `{self.execution}` was read before it succeeded")
        return outputs

    def apply(self, event: Event) -> list[Possible]:
        """Take in one fact; return what it made possible."""
        match event:
            case AttemptStarted():
                return self._start(self.nodes[event.node], event)
            case AttemptSucceeded():
                node = self.nodes[event.node]
                node.log, node.artifacts = event.log, event.artifacts
                return self._succeed(node, event.outputs, event.at)
            case NodeCached():
                node = self.nodes[event.node]
                node.cached_from, node.key, node.started_at = event.execution, event.key, event.at
                return self._succeed(node, event.outputs, event.at)
            case AttemptFailed():
                return self._fail(self.nodes[event.node], event)
            case AttemptCancelled():
                node = self.nodes[event.node]
                node.log = event.log
                return self._end_node(node, NodeState.CANCELLED, event.at)
            case AttemptPrepared() | JobCreated() | JobMoved() | CreateUnsettled() | CancelRequested():
                return self._apply_to_job(self.nodes[event.node], event)
            case Submitted() | Adopted() | AbortRequested() | Resumed() | Ended():
                return self._apply_to_run(event)
            case _:
                assert_never(event)

    def _apply_to_job(self, node: NodeRun, event: JobEvent) -> list[Possible]:
        match event:
            case AttemptPrepared():
                node.prepared, node.account, node.claims = event.attempt, event.account, event.claims
                return [Start(node.id)]
            case JobCreated():
                node.job = event.job
                node.state = NodeState.RUNNING
                return [Stop(node.id)] if node.cancel else [Watch(node.id)]
            case JobMoved():
                node.phase, node.reason = event.phase, event.reason
                node.links = event.links or node.links
                return [Collect(node.id)] if event.phase is Phase.SUCCEEDED else []
            case CreateUnsettled():
                node.reason = event.error.message
                return [Settle(node.id, event.retry_at)]
            case CancelRequested():
                node.cancel = event.cause
                return [Stop(node.id)]
            case _:
                assert_never(event)

    def _apply_to_run(self, event: RunEvent) -> list[Possible]:
        match event:
            case Submitted():
                self.submitted, self.inputs, self.phase = event, event.inputs, RunPhase.RUNNING
                return self.possible()
            case Adopted():
                self.generation = event.generation
                return []
            case AbortRequested():
                self.phase, self.abort_reason = RunPhase.ABORTING, event.reason
                return self._wind_down(event.at)
            case Resumed():
                return self._resume()
            case Ended():
                self.phase, self.outputs, self.error = event.phase, event.outputs, event.error
                self.ended_at = event.at
                return []
            case _:
                assert_never(event)

    def _start(self, node: NodeRun, event: AttemptStarted) -> list[Possible]:
        node.state = NodeState.STARTED
        node.attempt = event.attempt
        node.token = event.token
        node.key = event.key
        node.started_at = event.at
        node.retry_at = None
        self.in_flight.add(event.node)
        return [Settle(event.node, event.at)] if event.token else []

    def possible(self) -> list[Possible]:
        """Everything that is possible now: what an engine does first after it adopted the run."""
        if self.phase.terminal:
            return []
        found: list[Possible] = []
        for node in self.nodes.values():
            found.extend(self._possible_of(node))
        return found or [Finish()]

    def _possible_of(self, node: NodeRun) -> list[Possible]:
        match node.state:
            case NodeState.READY:
                return [Start(node.id)]
            case NodeState.BACKOFF:
                return [Start(node.id, node.retry_at)]
            case NodeState.STARTED:
                return [Stop(node.id) if self._must_end(node) else Settle(node.id, 0.0)]
            case NodeState.RUNNING:
                if node.phase is Phase.SUCCEEDED:
                    return [Collect(node.id)]
                return [Watch(node.id), Stop(node.id)] if self._must_end(node) else [Watch(node.id)]
            case _:
                return []

    def _must_end(self, node: NodeRun) -> bool:
        return node.cancel is not None or self.phase is not RunPhase.RUNNING

    def _succeed(self, node: NodeRun, outputs: dict[str, Wire], at: float) -> list[Possible]:
        node.outputs = outputs
        node.error = None
        found = self._end_node(node, NodeState.SUCCEEDED, at)
        if self.phase is not RunPhase.RUNNING:
            return found
        nodes = self.nodes
        for id in self.graph.dependents.get(node.id, ()):
            dependent = nodes[id]
            dependent.pending -= 1
            if not dependent.pending and dependent.state is NodeState.WAITING:
                dependent.state = NodeState.READY
                found.append(Start(id))
        return found

    def _fail(self, node: NodeRun, event: AttemptFailed) -> list[Possible]:
        node.error = event.error
        node.log = event.log
        node.artifacts = event.artifacts
        node.job = None
        node.phase = None
        if event.budget is Budget.USER:
            node.user_failures += 1
        elif event.budget is Budget.SYSTEM:
            node.system_failures += 1
        if self.phase is not RunPhase.RUNNING:
            return self._end_node(node, NodeState.FAILED, event.at)
        if event.retry_at is not None:
            node.state = NodeState.BACKOFF
            node.retry_at = event.retry_at
            node.cancel = None
            self.in_flight.discard(node.id)
            return [Start(node.id, event.retry_at)]
        self.phase = RunPhase.FAILING
        self.error = event.error
        self.error_node = node.id
        return self._end_node(node, NodeState.FAILED, event.at) + self._wind_down(event.at)

    def _end_node(self, node: NodeRun, state: NodeState, at: float) -> list[Possible]:
        node.state = state
        node.ended_at = at
        self.in_flight.discard(node.id)
        self.left -= 1
        return [] if self.left else [Finish()]

    def _wind_down(self, at: float) -> list[Possible]:
        """Skip what has not started; whatever is in flight must end, and its end be confirmed."""
        found: list[Possible] = []
        for node in self.nodes.values():
            if node.state.in_flight:
                found.append(Stop(node.id))
            elif not node.state.terminal:
                found += self._end_node(node, NodeState.SKIPPED, at)
        return found or [Finish()]

    def _resume(self) -> list[Possible]:
        self.phase = RunPhase.RUNNING
        self.error = None
        self.error_node = ""
        self.ended_at = None
        done = {id for id, node in self.nodes.items() if node.state is NodeState.SUCCEEDED}
        for id, old in self.nodes.items():
            if id in done:
                continue
            fresh = NodeRun(id, sum(up not in done for up in self.graph.nodes[id].upstream))
            fresh.attempt = old.attempt
            self.nodes[id] = fresh
        self.left = len(self.nodes) - len(done)
        return self.possible()

    def counts(self) -> dict[str, Any]:
        """How many nodes are in each state, for progress lines."""
        found: dict[str, int] = {}
        for node in self.nodes.values():
            found[node.state.value] = found.get(node.state.value, 0) + 1
        return found
