"""What one run is, as a pure machine: events in, what is now possible out.

No clock, lock or I/O is in here, so its tests are tables of events, a replay is a loop, and any past
moment can be rebuilt. `node_run.py` has the legend of a node's states, `array_run.py` that of items.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias, assert_never

from hardpoint.core.flatten import FlatGraph
from hardpoint.executor.engine.array_run import ArrayRun
from hardpoint.executor.engine.node_run import NodeRun, NodeState
from hardpoint.executor.engine.possible import (
    Collect,
    Feed,
    Finish,
    Possible,
    Settle,
    Start,
    Stop,
    Watch,
    everything_possible,
)
from hardpoint.executor.journal.events import (
    AbortRequested,
    Adopted,
    ArrayOpened,
    AttemptCancelled,
    AttemptFailed,
    AttemptPrepared,
    AttemptStarted,
    AttemptSucceeded,
    Budget,
    CancelRequested,
    ChunkStarted,
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
from hardpoint.plugin_api import ContractViolation, ErrorInfo, Phase, Wire

JobEvent: TypeAlias = AttemptPrepared | JobCreated | JobMoved | CreateUnsettled | CancelRequested
RunEvent: TypeAlias = Submitted | Adopted | AbortRequested | Resumed | Ended


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

    def unit(self, id: str) -> NodeRun:
        """What an event names: a node, an item of an array node, or a chunk of its items."""
        node = self.nodes.get(id)
        if node is not None:
            return node
        array, index = self._part(id)
        unit = array.chunks.get(id) if array is not None and index < 0 else None
        if array is not None and index >= 0:
            unit = array.unit(index)
        if unit is None:
            raise ContractViolation(f"Run `{self.execution}` has no node `{id}`")
        return unit

    def find(self, id: str) -> NodeRun | None:
        """What an effect names; None if that item or chunk has ended meanwhile."""
        node = self.nodes.get(id)
        if node is not None:
            return node
        array, index = self._part(id)
        if array is None:
            return None
        return array.live.get(index) if index >= 0 else array.chunks.get(id)

    def _part(self, id: str) -> tuple[ArrayRun | None, int]:
        """The array that an item or chunk belongs to, and the item's index; -1 for a chunk."""
        array_id, mark, rest = id.rpartition("[") if id.endswith("]") else id.rpartition("#")
        parent = self.nodes.get(array_id)
        array = parent.array if parent is not None else None
        return array, int(rest[:-1]) if mark == "[" else -1

    def apply(self, event: Event) -> list[Possible]:
        """Take in one fact; return what it made possible."""
        match event:
            case AttemptStarted():
                return self._start(self.unit(event.node), event)
            case AttemptSucceeded():
                node = self.unit(event.node)
                node.log, node.artifacts = event.log, event.artifacts
                return self._succeed(node, event.outputs, event.at)
            case NodeCached():
                node = self.unit(event.node)
                node.cached_from, node.key, node.started_at = event.execution, event.key, event.at
                return self._succeed(node, event.outputs, event.at)
            case AttemptFailed():
                return self._fail(self.unit(event.node), event)
            case AttemptCancelled():
                node = self.unit(event.node)
                node.log = event.log
                return self._end(node, NodeState.CANCELLED, event.at)
            case AttemptPrepared() | JobCreated() | JobMoved() | CreateUnsettled() | CancelRequested():
                return self._apply_to_job(self.unit(event.node), event)
            case ArrayOpened():
                return self._open(self.nodes[event.node], event)
            case ChunkStarted():
                return self._start_chunk(event)
            case Submitted() | Adopted() | AbortRequested() | Resumed() | Ended():
                return self._apply_to_run(event)
            case _:
                assert_never(event)

    def _apply_to_job(self, node: NodeRun, event: JobEvent) -> list[Possible]:
        match event:
            case AttemptPrepared():
                node.prepared, node.account, node.claims = event.attempt, event.account, event.claims
                return [Start(node.id) if node.array is None else Feed(node.id)]
            case JobCreated():
                node.job = event.job
                node.state = NodeState.RUNNING
                return [Stop(node.id)] if node.cancel else [Watch(node.id)]
            case JobMoved():
                node.phase, node.reason = event.phase, event.reason
                node.links = event.links or node.links
                if event.usage:
                    node.usage = event.usage
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
                for node in self.nodes.values():
                    if node.state is NodeState.READY:
                        node.possible_at = event.at
                return self.possible()
            case Adopted():
                self.generation = event.generation
                return []
            case AbortRequested():
                self.phase, self.abort_reason = RunPhase.ABORTING, event.reason
                return self._wind_down(event.at)
            case Resumed():
                return self._resume(event.at)
            case Ended():
                self.phase, self.outputs, self.error = event.phase, event.outputs, event.error
                self.ended_at = event.at
                return []
            case _:
                assert_never(event)

    # Attempts

    def _start(self, node: NodeRun, event: AttemptStarted) -> list[Possible]:
        node.state = NodeState.STARTED
        node.attempt = event.attempt
        node.token = event.token
        node.key = event.key
        node.started_at = event.at
        node.retry_at = None
        self.in_flight.add(event.node)
        found: list[Possible] = [Settle(event.node, event.at)] if event.token else []
        if node.parent is not None:
            self._array_of(node).started(node)
            found += self._more(node)
        return found

    def _succeed(self, node: NodeRun, outputs: dict[str, Wire], at: float) -> list[Possible]:
        node.outputs = outputs
        node.error = None
        return self._end(node, NodeState.SUCCEEDED, at)

    def _fail(self, node: NodeRun, event: AttemptFailed) -> list[Possible]:
        node.error = event.error
        node.log = event.log
        node.artifacts = event.artifacts
        node.job = None
        node.phase = None
        if node.usage:
            node.usage = None
        if event.budget is Budget.USER:
            node.user_failures += 1
        elif event.budget is Budget.SYSTEM:
            node.system_failures += 1
        if self.phase is RunPhase.RUNNING and event.retry_at is not None:
            node.state = NodeState.BACKOFF
            node.retry_at = event.retry_at
            node.cancel = None
            self.in_flight.discard(node.id)
            found: list[Possible] = [Start(node.id, event.retry_at)]
            if node.parent is not None:
                self._leave_chunk(node)
                self._array_of(node).backs_off(node)
                found += self._more(node)
            return found
        # Another attempt would have followed had the run gone on, so an item is none of those that may fail.
        called_off = event.retry_at is not None and node.parent is not None
        return self._end(node, NodeState.CANCELLED if called_off else NodeState.FAILED, event.at)

    def _end(self, node: NodeRun, state: NodeState, at: float) -> list[Possible]:
        """A node or item will not move again."""
        self.in_flight.discard(node.id)
        if node.parent is not None:
            return self._end_item(node, state, at)
        node.state = state
        node.ended_at = at
        self.left -= 1
        found: list[Possible] = []
        if self.phase is RunPhase.RUNNING:
            if state is NodeState.SUCCEEDED:
                found += self._unlock(node, at)
            elif state is NodeState.FAILED and node.error is not None:
                found += self._fail_run(node.id, node.error, at)
        return found if self.left else [*found, Finish()]

    def _unlock(self, node: NodeRun, at: float) -> Iterator[Possible]:
        nodes = self.nodes
        for id in self.graph.dependents.get(node.id, ()):
            dependent = nodes[id]
            dependent.pending -= 1
            if not dependent.pending and dependent.state is NodeState.WAITING:
                dependent.state = NodeState.READY
                dependent.possible_at = at
                yield Start(id)

    def _fail_run(self, node: str, error: ErrorInfo, at: float) -> list[Possible]:
        self.phase = RunPhase.FAILING
        self.error = error
        self.error_node = node
        return self._wind_down(at)

    # Arrays

    def _array_of(self, unit: NodeRun) -> ArrayRun:
        array = unit.parent.array if unit.parent is not None else None
        if array is None:
            raise ContractViolation(f"Run `{self.execution}`: `{unit.id}` belongs to no array node")
        return array

    def _open(self, node: NodeRun, event: ArrayOpened) -> list[Possible]:
        array = node.array = ArrayRun(node, event)
        node.state = NodeState.MAPPING
        node.started_at = event.at
        return [Feed(node.id)] if event.size else self._end_array(array, event.at)

    def _start_chunk(self, event: ChunkStarted) -> list[Possible]:
        array, _ = self._part(event.node)
        if array is None:
            raise ContractViolation(f"Run `{self.execution}`: `{event.node}` belongs to no array node")
        chunk = array.start_chunk(event)
        self.in_flight.add(chunk.id)
        self.in_flight.update(array.live[index].id for index in chunk.chunk)
        return [Settle(chunk.id, event.at), *self._more(chunk)]

    def _leave_chunk(self, unit: NodeRun) -> None:
        self.in_flight.discard(self._array_of(unit).leave_chunk(unit))

    def _end_item(self, unit: NodeRun, state: NodeState, at: float) -> list[Possible]:
        self._leave_chunk(unit)
        unit.state = state
        unit.ended_at = at
        array = self._array_of(unit)
        array.ended(unit, state)
        if self.phase is RunPhase.RUNNING and array.hopeless:
            array.node.error = array.verdict(unit)
            return self._fail_run(unit.id, array.node.error, at)
        return self._more(unit) if array.left else self._end_array(array, at)

    def _more(self, unit: NodeRun) -> list[Possible]:
        array = self._array_of(unit)
        more = self.phase is RunPhase.RUNNING and not array.exhausted
        return [Feed(array.node.id)] if more else []

    def _end_array(self, array: ArrayRun, at: float) -> list[Possible]:
        node = array.node
        if array.succeeded >= array.required and array.succeeded + array.failed == array.size:
            return self._succeed(node, array.result(), at)
        return self._end(node, NodeState.FAILED if node.error else NodeState.CANCELLED, at)

    # The whole run

    def possible(self) -> list[Possible]:
        """Everything that is possible now: what an engine does first after it adopted the run."""
        return everything_possible(self.nodes.values(), self.phase)

    def _wind_down(self, at: float) -> list[Possible]:
        """Skip what has not started; whatever is in flight must end, and its end be confirmed."""
        found: list[Possible] = []
        for node in self.nodes.values():
            if node.state.in_flight:
                found.append(Stop(node.id))
            elif node.state is NodeState.MAPPING and node.array is not None:
                found += self._wind_down_array(node.array, at)
            elif not node.state.terminal:
                found += self._end(node, NodeState.SKIPPED, at)
        return found or [Finish()]

    def _wind_down_array(self, array: ArrayRun, at: float) -> list[Possible]:
        array.skip_rest()
        if not array.left:
            return self._end_array(array, at)
        alone = [unit for unit in array.live.values() if unit.token not in array.chunks]
        return [Stop(unit.id) for unit in (*alone, *array.chunks.values())]

    def _resume(self, at: float) -> list[Possible]:
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
            fresh.possible_at = None if fresh.pending else at
            if old.array is not None:
                fresh.array, fresh.state, fresh.started_at = old.array, NodeState.MAPPING, old.started_at
                fresh.prepared, fresh.account, fresh.claims = old.prepared, old.account, old.claims
                old.array.node = fresh
                old.array.try_again()
            self.nodes[id] = fresh
        self.left = len(self.nodes) - len(done)
        return self.possible()

    def counts(self) -> dict[str, Any]:
        """How many nodes are in each state, for progress lines."""
        found: dict[str, int] = {}
        for node in self.nodes.values():
            found[node.state.value] = found.get(node.state.value, 0) + 1
        return found
