"""Attempts of function-shaped tasks: from ready, through the cache, to a worker and back."""

from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING, assert_never

from hardpoint.executor.engine.cache import cache_key
from hardpoint.executor.engine.run import Progress, Run
from hardpoint.executor.engine.state import Collect, NodeRun, NodeState, Settle, Stop, Watch
from hardpoint.executor.engine.steps import outputs_problem
from hardpoint.executor.journal.events import (
    Artifact,
    AttemptCancelled,
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    Budget,
    NodeCached,
    RunPhase,
)
from hardpoint.executor.journal.protocol import CachedOutputs
from hardpoint.executor.pool.messages import (
    CallDone,
    CallFailed,
    CallProgress,
    CallReturned,
    FunctionCall,
    PoolEvent,
)
from hardpoint.executor.pool.pool import WorkerPool
from hardpoint.plugin_api import ErrorInfo, ErrorKind, Wire

if TYPE_CHECKING:
    from hardpoint.executor.engine.loop import Engine

LOOKUP_BATCH = 500
CANCELLED = "Cancelled"


class FunctionLane:
    """Keeps the worker pool supplied; owned by the engine's thread."""

    def __init__(self, engine: Engine, pool: WorkerPool) -> None:
        self._engine = engine
        self._pool = pool
        self._unchecked: deque[tuple[Run, NodeRun]] = deque()
        self._ready: deque[tuple[Run, NodeRun]] = deque()
        self._keys: dict[tuple[str, str], str] = {}
        self._tickets = itertools.count(1)
        self._calls: dict[int, tuple[Run, NodeRun, int]] = {}
        self._by_node: dict[tuple[str, str], int] = {}
        self._registered: set[str] = set()

    @property
    def busy(self) -> bool:
        """Whether any attempt is with the pool."""
        return bool(self._calls)

    def check_cache(self, run: Run, node: NodeRun) -> None:
        """Look for outputs of an earlier attempt first; with others, in one query."""
        self._unchecked.append((run, node))

    def start(self, run: Run, node: NodeRun) -> None:
        """Wait for a worker."""
        self._ready.append((run, node))

    def fill(self) -> None:
        """Answer from the cache what can be, and start as many attempts as the pool has room for."""
        while self._unchecked:
            self._look_up()
        if not self._ready or self._engine.draining:
            return
        room = self._pool.room()
        calls: list[FunctionCall] = []
        now = self._engine.clock.now()
        while self._ready and len(calls) < room:
            run, node = self._ready.popleft()
            if self._may_start(run, node):
                inputs = self._engine.inputs_of(run, node)
                if inputs is not None:
                    calls.append(self._call(run, node, inputs, now))
        if calls:
            self._engine.after_commit(lambda: self._pool.submit(calls))

    def _may_start(self, run: Run, node: NodeRun) -> bool:
        waiting = node.state is NodeState.READY or node.state is NodeState.BACKOFF
        return waiting and run.state.phase is RunPhase.RUNNING and run.id in self._engine.runs

    def _call(self, run: Run, node: NodeRun, inputs: dict[str, Wire], now: float) -> FunctionCall:
        key = self._keys.pop((run.id, node.id), "")
        self._engine.emit(run, AttemptStarted(now, node.id, node.attempt + 1, key=key))
        spec_key = f"{run.code}:{run.spec_digest(node.id)}"
        if spec_key not in self._registered:
            self._registered.add(spec_key)
            self._pool.register(spec_key, run.spec(node.id), run.code)
        ticket = next(self._tickets)
        self._calls[ticket] = (run, node, node.attempt)
        self._by_node[run.id, node.id] = ticket
        return FunctionCall(ticket, run.id, node.id, node.attempt, spec_key, inputs)

    def _look_up(self) -> None:
        batch = [self._unchecked.popleft() for _ in range(min(LOOKUP_BATCH, len(self._unchecked)))]
        keyed = []
        for run, node in batch:
            inputs = self._engine.inputs_of(run, node) if self._may_start(run, node) else None
            if inputs is not None:
                key = cache_key(run.spec(node.id), inputs, run.row.project, run.row.domain)
                keyed.append((run, node, key))
        found = self._engine.journal.cached([key for _, _, key in keyed])
        now = self._engine.clock.now()
        for run, node, key in keyed:
            hit = found.get(key)
            if hit is not None:
                self._engine.emit(run, NodeCached(now, node.id, hit.outputs, hit.execution, key))
            else:
                self._keys[run.id, node.id] = key
                self._engine.dispatch(run, node)

    def take_key(self, run: Run, node: NodeRun) -> str:
        """The cache key that was looked up for a node and not found; empty if it is not cached."""
        return self._keys.pop((run.id, node.id), "")

    def pursue(self, run: Run, possible: Settle | Watch | Collect | Stop) -> None:
        """Act on what the state says of a function attempt in flight."""
        match possible:
            case Settle():
                self._lost_with_its_engine(run, run.state.nodes[possible.node])
            case Stop():
                ticket = self._by_node.get((run.id, possible.node))
                if ticket is None:
                    self._lost_with_its_engine(run, run.state.nodes[possible.node])
                else:
                    self._engine.after_commit(lambda: self._pool.cancel([ticket], CANCELLED))
            case Watch() | Collect():
                pass
            case _:
                assert_never(possible)

    def _lost_with_its_engine(self, run: Run, node: NodeRun) -> None:
        if (run.id, node.id) in self._by_node:
            return
        now = self._engine.clock.now()
        error = ErrorInfo(
            "EngineDied", f"The engine that ran attempt {node.attempt} went away", ErrorKind.TRANSIENT
        )
        if run.state.phase is RunPhase.RUNNING:
            event = AttemptFailed(now, node.id, node.attempt, error, Budget.NOBODY, retry_at=now)
            self._engine.emit(run, event)
        else:
            self._engine.emit(run, AttemptCancelled(now, node.id, node.attempt))

    def take(self, event: PoolEvent) -> None:
        """Turn what the pool says into events of the run it is about."""
        match event:
            case CallDone():
                call = self._end(event.ticket)
                if call is not None:
                    self._succeeded(*call[:2], event)
            case CallFailed():
                call = self._end(event.ticket)
                if call is not None:
                    self._failed(*call[:2], event)
            case CallProgress():
                if event.ticket in self._calls:
                    run, node, _ = self._calls[event.ticket]
                    run.tell(Progress(node.id, event.done, event.total, event.note))
            case CallReturned():
                self._give_again(event.tickets)
            case _:
                assert_never(event)

    def _end(self, ticket: int) -> tuple[Run, NodeRun, int] | None:
        call = self._calls.pop(ticket, None)
        if call is None:
            return None
        run, node, attempt = call
        self._by_node.pop((run.id, node.id), None)
        current = node.attempt == attempt and node.state.in_flight and run.id in self._engine.runs
        return call if current else None

    def _succeeded(self, run: Run, node: NodeRun, event: CallDone) -> None:
        spec = run.spec(node.id)
        log = event.log
        wrong = outputs_problem(spec.interface.outputs, event.outputs) if spec.type != "python" else ""
        if wrong:
            error = ErrorInfo("PluginOutputError", f"Task type `{spec.type}`: {wrong}", ErrorKind.CONTRACT)
            self._engine.fail(run, node, error, log=log)
            return
        now = self._engine.clock.now()
        if node.key:
            run.cached.append(CachedOutputs(node.key, run.id, node.id, event.outputs, now))
        done = AttemptSucceeded(now, node.id, node.attempt, event.outputs, log, _artifacts(event))
        self._engine.emit(run, done)

    def _failed(self, run: Run, node: NodeRun, event: CallFailed) -> None:
        if event.error.code == CANCELLED and run.state.phase is not RunPhase.RUNNING:
            now = self._engine.clock.now()
            self._engine.emit(run, AttemptCancelled(now, node.id, node.attempt, event.log))
        else:
            self._engine.fail(run, node, event.error, event.log, _artifacts(event))

    def _give_again(self, tickets: tuple[int, ...] | list[int]) -> None:
        """Calls that never began: the same attempts go to another worker, unless they must end."""
        again = []
        for ticket in tickets:
            call = self._calls.get(ticket)
            if call is None:
                continue
            run, node, attempt = call
            if run.state.phase is RunPhase.RUNNING and run.id in self._engine.runs:
                spec_key = f"{run.code}:{run.spec_digest(node.id)}"
                inputs = run.inputs_of(node.id)
                again.append(FunctionCall(ticket, run.id, node.id, attempt, spec_key, inputs))
            elif self._end(ticket) is not None:
                now = self._engine.clock.now()
                self._engine.emit(run, AttemptCancelled(now, node.id, attempt))
        if again:
            self._engine.after_commit(lambda: self._pool.submit(again))


def _artifacts(event: CallDone | CallFailed) -> tuple[Artifact, ...]:
    return tuple(Artifact(title, reference) for title, reference in event.artifacts)
