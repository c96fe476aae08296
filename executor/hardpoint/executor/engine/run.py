"""One run as the engine holds it: its state, what is not yet journaled, who listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TypeAlias

import msgspec

from hardpoint.core.binding import resolve
from hardpoint.core.compiled import CompiledWorkflow, digest_of
from hardpoint.core.flatten import FlatGraph, FlatNode
from hardpoint.core.mapped_types import with_missing
from hardpoint.executor.engine.array_run import SUCCEEDED
from hardpoint.executor.engine.items import array_id, item_index, place_of
from hardpoint.executor.engine.node_run import NodeRun, NodeState
from hardpoint.executor.engine.state import RunState
from hardpoint.executor.journal.events import Ended, Event, RunPhase
from hardpoint.executor.journal.protocol import Append, CachedOutputs, ExecutionRow
from hardpoint.executor.journal.shared import Lease
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
        self.loaded = events
        self.pending: list[Event] = []
        self.cached: list[CachedOutputs] = []
        self.granted: list[Lease] = []
        self.held: list[Lease] = []
        self.released: list[Lease] = []
        self.summary: ExecutionRow | None = None
        self.listeners: list[Listener] = []
        self.future: Future[Outcome] = Future()
        self.spec_digests: dict[str, str] = {}
        self._array_inputs: dict[str, dict[str, Wire]] = {}

    @property
    def code(self) -> str:
        """Digest of the archived project files."""
        return self.state.submitted.code if self.state.submitted else ""

    @property
    def priority(self) -> int:
        """Larger goes first, within the tenant."""
        return self.state.submitted.priority if self.state.submitted else 0

    @property
    def max_parallelism(self) -> int:
        """How many of its attempts may be in flight at once; 0 for any number."""
        return self.state.submitted.max_parallelism if self.state.submitted else 0

    def flat(self, unit: str) -> FlatNode:
        """The node of the graph that a node, item or chunk belongs to."""
        node = self.graph.nodes.get(unit)
        return node if node is not None else self.graph.nodes[array_id(unit)]

    def spec(self, unit: str) -> TaskSpec:
        """The task a node, item or chunk runs, overrides applied."""
        return self.compiled.tasks[self.flat(unit).spec_key]

    def spec_digest(self, unit: str) -> str:
        """Digest of the task, computed once for each task of the run."""
        key = self.flat(unit).spec_key
        digest = self.spec_digests.get(key)
        if digest is None:
            digest = self.spec_digests[key] = digest_of(self.compiled.tasks[key])
        return digest

    def may_start(self, node: NodeRun) -> bool:
        """Whether an attempt of the node may begin."""
        waiting = node.state is NodeState.READY or node.state is NodeState.BACKOFF
        return waiting and self.state.phase is RunPhase.RUNNING

    def inputs_of(self, unit: str) -> dict[str, Wire]:
        """Wire values of a node whose upstream has succeeded.

        Of an item one of each mapped list, of a chunk what is the same for every item.
        """
        node = self.graph.nodes.get(unit)
        if node is not None:
            inputs = self.state.inputs
            return {name: resolve(binding, inputs, self.outputs_of) for name, binding in node.inputs}
        over = self.flat(unit).map
        whole = self.array_inputs(array_id(unit))
        index = item_index(unit)
        if over is None:
            return whole
        if index is None:
            return {name: wire for name, wire in whole.items() if name not in over.over}
        return {name: wire[index] if name in over.over else wire for name, wire in whole.items()}

    def array_inputs(self, node: str) -> dict[str, Wire]:
        """Inputs of an array node as they are bound, resolved once."""
        found = self._array_inputs.get(node)
        if found is None:
            found = self._array_inputs[node] = self.inputs_of(node)
        return found

    def chunk_token(self, chunk: str) -> str:
        """The name under which a chunk of items is created; its number says which items those are."""
        return attempt_token(self.id, chunk, 1, self.spec_digest(chunk))

    def items_of(self, chunk: NodeRun) -> list[dict[str, Wire]]:
        """Inputs of each item of a chunk, in its order."""
        node = array_id(chunk.id)
        return [self.inputs_of(f"{node}[{index}]") for index in chunk.chunk]

    def outputs_of(self, node: str) -> Mapping[str, Wire]:
        """Outputs of a node that succeeded, in the types that the workflow was compiled with."""
        outputs = self.state.outputs_of(node)
        mapped, array = self.graph.nodes[node].map, self.state.nodes[node].array
        if mapped is None or not mapped.tolerant or array is None:
            return outputs
        missing = [letter != SUCCEEDED for letter in array.letters]
        types = {variable.name: variable.type for variable in self.spec(node).interface.outputs}
        return {name: with_missing(types[name], wires, missing) for name, wires in outputs.items()}

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
            outputs_uri=f"{outputs_uri}/{self.id}/{place_of(node.id)}/{attempt}",
            resources=spec.resources,
            project=self.row.project,
            domain=self.row.domain,
        )

    def take_append(self, now: float) -> Append | None:
        """What is to be committed now; None if there is nothing."""
        if not self.pending:
            return None
        append = Append(
            self.id,
            self.row.fence,
            self.next_seq,
            self.pending,
            self.summary,
            self.cached,
            self.granted,
            self.held,
            self.released,
            now,
        )
        self.next_seq += len(self.pending)
        self.pending, self.cached, self.summary = [], [], None
        self.granted, self.held, self.released = [], [], []
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
            outputs = {name: resolve(each, state.inputs, self.outputs_of) for name, each in bindings}
        except HardpointError as error:
            return Ended(now, RunPhase.FAILED, {}, error.info())
        return Ended(now, RunPhase.SUCCEEDED, outputs)

    def outcome(self) -> Outcome:
        """How the run stands."""
        state = self.state
        return Outcome(self.id, state.phase, state.outputs, state.error, state.error_node)
