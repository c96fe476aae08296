"""One run as the engine holds it: its state, what is not yet journaled, who listens."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeAlias

import msgspec

from hardpoint.core.binding import resolve
from hardpoint.core.compiled import CompiledWorkflow, digest_of
from hardpoint.core.flatten import FlatGraph
from hardpoint.executor.engine.state import NodeRun, NodeState, RunState
from hardpoint.executor.journal.events import Ended, Event, RunPhase
from hardpoint.executor.journal.protocol import Append, CachedOutputs, ExecutionRow
from hardpoint.plugin_api import CreateRequest, ErrorInfo, HardpointError, TaskSpec, Wire, attempt_token


class Outcome(msgspec.Struct, frozen=True):
    """How a run ended.

    Args:
        execution: The run.
        phase: `SUCCEEDED`, `FAILED` or `ABORTED`; `RUNNING` if the engine let go of it before its end.
        outputs: Wire values by output name.
        error: What failed first.
        node: The node that failed first.
    """

    execution: str
    phase: RunPhase
    outputs: dict[str, Wire] = {}
    error: ErrorInfo | None = None
    node: str = ""


class Journaled(msgspec.Struct, frozen=True):
    """Events that are in the journal now; `first_seq` is the position of the first."""

    first_seq: int
    events: list[Event]

    @property
    def last_seq(self) -> int:
        """Position of the last."""
        return self.first_seq + len(self.events) - 1

    def after(self, seen: int) -> Journaled | None:
        """What of it is new to somebody who knows the first `seen` events; None if nothing is."""
        known = max(0, seen + 1 - self.first_seq)
        return Journaled(self.first_seq + known, self.events[known:]) if known < len(self.events) else None


class Progress(msgspec.Struct, frozen=True):
    """How far an attempt is; told to listeners, never journaled."""

    node: str
    done: float
    total: float
    note: str = ""


Listener: TypeAlias = Callable[[Journaled | Progress | None], None]
"""Called by the engine's thread; None is the last call."""


class Run:
    """A run that this engine owns."""

    def __init__(
        self, row: ExecutionRow, compiled: CompiledWorkflow, graph: FlatGraph, events: list[Event]
    ) -> None:
        self.id = row.execution
        self.row = row
        self.compiled = compiled
        self.graph = graph
        self.state = RunState(row.execution, graph)
        for event in events:
            self.state.apply(event)
        self.next_seq = len(events) + 1
        self.pending: list[Event] = []
        self.cached: list[CachedOutputs] = []
        self.summary: ExecutionRow | None = None
        self.listeners: list[Listener] = []
        self.future: Future[Outcome] = Future()
        self.spec_digests: dict[str, str] = {}

    @property
    def code(self) -> str:
        """Digest of the archived project files."""
        return self.state.submitted.code if self.state.submitted else ""

    def spec(self, node: str) -> TaskSpec:
        """The task a node runs, overrides applied."""
        return self.compiled.tasks[self.graph.nodes[node].spec_key]

    def spec_digest(self, node: str) -> str:
        """Digest of the node's task, computed once for each task of the run."""
        key = self.graph.nodes[node].spec_key
        digest = self.spec_digests.get(key)
        if digest is None:
            digest = self.spec_digests[key] = digest_of(self.compiled.tasks[key])
        return digest

    def may_start(self, node: NodeRun) -> bool:
        """Whether an attempt of the node may begin."""
        waiting = node.state is NodeState.READY or node.state is NodeState.BACKOFF
        return waiting and self.state.phase is RunPhase.RUNNING

    def inputs_of(self, node: str) -> dict[str, Wire]:
        """Wire values of a node whose upstream has succeeded."""
        state = self.state
        return {
            name: resolve(binding, state.inputs, state.outputs_of)
            for name, binding in self.graph.nodes[node].inputs
        }

    def request(self, node: NodeRun, outputs_uri: str) -> CreateRequest:
        """The current attempt of a job-shaped node; before it started, the next one."""
        spec = self.spec(node.id)
        inputs = self.inputs_of(node.id)
        attempt, token = node.attempt, node.token
        if not node.state.in_flight:
            attempt += 1
            digest = digest_of([self.spec_digest(node.id), inputs])
            token = attempt_token(self.id, node.id, attempt, digest)
        return CreateRequest(
            execution=self.id,
            node=node.id,
            attempt=attempt,
            token=token,
            spec=spec,
            inputs=inputs,
            outputs_uri=f"{outputs_uri}/{self.id}/{node.id}/{attempt}",
            resources=spec.resources,
            project=self.row.project,
            domain=self.row.domain,
        )

    def take_append(self) -> Append | None:
        """What is to be committed now; None if there is nothing."""
        if not self.pending:
            return None
        append = Append(self.id, self.row.fence, self.next_seq, self.pending, self.summary, self.cached)
        self.next_seq += len(self.pending)
        self.pending, self.cached, self.summary = [], [], None
        return append

    def tell(self, news: Journaled | Progress | None) -> None:
        """Pass news to everyone who listens."""
        for listener in self.listeners:
            listener(news)

    def ended(self, now: float) -> Ended:
        """The last event of a run in which nothing can move any more."""
        state = self.state
        match state.phase:
            case RunPhase.ABORTING:
                return Ended(now, RunPhase.ABORTED, {}, ErrorInfo("Aborted", state.abort_reason))
            case RunPhase.FAILING:
                return Ended(now, RunPhase.FAILED, {}, state.error, state.error_node)
            case _:
                return self._succeeded(now)

    def _succeeded(self, now: float) -> Ended:
        state = self.state
        try:
            bindings = self.graph.outputs.items()
            outputs = {name: resolve(each, state.inputs, state.outputs_of) for name, each in bindings}
        except HardpointError as error:
            return Ended(now, RunPhase.FAILED, {}, error.info())
        return Ended(now, RunPhase.SUCCEEDED, outputs)

    def outcome(self) -> Outcome:
        """How the run stands."""
        state = self.state
        return Outcome(self.id, state.phase, state.outputs, state.error, state.error_node)
