"""Attempts of function-shaped tasks: from ready, through the cache, to a worker and back."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import assert_never

from hardpoint.executor.engine.cache_lookup import CacheLookup
from hardpoint.executor.engine.desk import Desk
from hardpoint.executor.engine.function_claims import claims_something, function_claims
from hardpoint.executor.engine.governor import Governor
from hardpoint.executor.engine.limits import deadline_error, preempted_error
from hardpoint.executor.engine.node_run import NodeRun
from hardpoint.executor.engine.plugin_errors import classed, unclassed
from hardpoint.executor.engine.pool_policies import WORKERS
from hardpoint.executor.engine.possible import Collect, Settle, Stop, Watch
from hardpoint.executor.engine.run import Progress, Run
from hardpoint.executor.engine.steps import outputs_problem
from hardpoint.executor.journal.events import (
    Artifact,
    AttemptCancelled,
    AttemptFailed,
    AttemptPrepared,
    AttemptStarted,
    AttemptSucceeded,
    Budget,
    CancelCause,
    RunPhase,
)
from hardpoint.executor.journal.protocol import CachedOutputs
from hardpoint.executor.pool.face import FunctionPool
from hardpoint.executor.pool.messages import (
    CallDone,
    CallFailed,
    CallProgress,
    CallReturned,
    FunctionCall,
    LogSpan,
    PoolEvent,
)
from hardpoint.plugin_api import ErrorInfo, ErrorKind, HardpointError, TaskType, Wire

CANCELLED = "Cancelled"


class FunctionLane:
    """Keeps the worker pool supplied; owned by the engine's thread.

    Args:
        desk: Where events go.
        pool: The workers.
        cache: Knows the key under which a node's outputs will be kept.
        governor: Who may have a worker, and what else a task needs of this machine and of services.
        task_type: What is declared of a node's task type.
    """

    def __init__(
        self,
        desk: Desk,
        pool: FunctionPool,
        cache: CacheLookup,
        governor: Governor,
        task_type: Callable[[Run, str], TaskType],
    ) -> None:
        self._desk = desk
        self._pool = pool
        self._cache = cache
        self._governor = governor
        self._task_type = task_type
        self._begun: list[FunctionCall] = []
        self._tickets = itertools.count(1)
        self._calls: dict[int, tuple[Run, NodeRun, int]] = {}
        self._by_node: dict[tuple[str, str], int] = {}
        self._registered: set[str] = set()
        # Calls that go to the pool with this turn's commit: a turn may fill several times.
        self._promised = 0

    @property
    def busy(self) -> bool:
        """Whether any attempt is with the pool."""
        return bool(self._calls)

    def start(self, run: Run, node: NodeRun) -> None:
        """Wait for a worker, and for what the task's type claims beside it."""
        claims = self._governor.local_claims(run.spec(node.id).resources)
        declared = self._task_type(run, node.id)
        if claims_something(declared):
            if node.prepared <= node.attempt and self._prepares(run, node, declared):
                return
            claims = (*claims, *(node.claims if node.prepared > node.attempt else ()))
        if not self._governor.is_waited_for:
            self._offer()  # what nobody else wants is granted at once
        self._governor.ask(run, node, claims)

    def _prepares(self, run: Run, node: NodeRun, declared: TaskType) -> bool:
        """Note what the attempt will hold, and start from there again; False if that is nothing."""
        try:
            claims = function_claims(declared, run.spec(node.id))
        except HardpointError as error:
            self._desk.fail(run, node, classed(error, declared.name))
            return True
        except Exception as error:  # a plugin may raise anything
            self._desk.fail(run, node, unclassed(error, declared.name))
            return True
        if claims:
            now = self._desk.clock.now()
            self._desk.emit(run, AttemptPrepared(now, node.id, node.attempt + 1, "", claims))
        return bool(claims)

    def make_room(self) -> None:
        """Offer as many places as the pool has room for, to whoever waits."""
        if self._governor.is_waited_for:
            self._offer()

    def _offer(self) -> None:
        places = len(self._calls) + self._pool.room() - self._promised - len(self._begun)
        self._governor.resize(WORKERS, max(1, places))

    def begin(self, run: Run, node: NodeRun) -> None:
        """Start an attempt: a place is kept for it."""
        inputs = self._desk.inputs_of(run, node)
        if inputs is not None:
            self._begun.append(self._call(run, node, inputs, self._desk.clock.now()))

    def send(self) -> None:
        """Hand what has begun to the pool."""
        if self._begun:
            begun, self._begun = self._begun, []
            self._submit(begun)

    def _spec_key(self, run: Run, node: NodeRun) -> str:
        """Under which the pool knows a task: its spec, and the code it was submitted with."""
        return f"{run.code}:{run.spec_digest(node.id)}"

    def _submit(self, calls: list[FunctionCall]) -> None:
        """Hand calls to the workers after the commit, but for those of runs that were lost in it."""
        self._promised += len(calls)

        def submit() -> None:
            self._promised -= len(calls)
            self._pool.submit([each for each in calls if each.execution in self._desk.runs])

        self._desk.after_commit(submit)

    def abandon(self, run: Run) -> None:
        """Kill what runs of a run that is another engine's now."""
        tickets = [ticket for ticket, (owner, _, _) in self._calls.items() if owner is run]
        for ticket in tickets:
            # Some were never handed over, so nobody would answer for them: should the run come back to this
            # engine, its nodes would count as being with the pool for ever.
            _, node, _ = self._calls.pop(ticket)
            self._by_node.pop((run.id, node.id), None)
        self._pool.cancel(tickets, CANCELLED)

    def _call(self, run: Run, node: NodeRun, inputs: dict[str, Wire], now: float) -> FunctionCall:
        key = self._cache.take_key(run, node)
        self._desk.emit(run, AttemptStarted(now, node.id, node.attempt + 1, key=key))
        spec_key = self._spec_key(run, node)
        if spec_key not in self._registered:
            self._registered.add(spec_key)
            self._pool.register(spec_key, run.spec(node.id), run.code)
        ticket = next(self._tickets)
        self._calls[ticket] = (run, node, node.attempt)
        self._by_node[run.id, node.id] = ticket
        return FunctionCall(ticket, run.id, node.id, node.attempt, spec_key, inputs)

    def pursue(self, run: Run, possible: Settle | Watch | Collect | Stop) -> None:
        """Act on what the state says of a function attempt in flight."""
        node = run.state.find(possible.node)
        if node is None or not node.state.in_flight:
            return  # another effect of the same turn has ended it
        match possible:
            case Settle():
                self._lost_with_its_engine(run, node)
            case Stop():
                ticket = self._by_node.get((run.id, possible.node))
                if ticket is None:
                    self._lost_with_its_engine(run, node)
                else:
                    self._desk.after_commit(lambda: self._pool.cancel([ticket], CANCELLED))
            case Watch() | Collect():
                pass
            case _:
                assert_never(possible)

    def _lost_with_its_engine(self, run: Run, node: NodeRun) -> None:
        if (run.id, node.id) in self._by_node:
            return
        if self._must_end(run, node):
            self._called_off(run, node)
            return
        match self._pool.kept(run.id, node.id, node.attempt):
            case CallDone() as done:
                self._succeeded(run, node, done)
            case CallFailed() as failed:
                self._failed(run, node, failed)
            case None:
                self._lost(run, node)

    def _lost(self, run: Run, node: NodeRun) -> None:
        now = self._desk.clock.now()
        error = ErrorInfo(
            "EngineDied", f"The engine that ran attempt {node.attempt} went away", ErrorKind.TRANSIENT
        )
        self._desk.emit(run, AttemptFailed(now, node.id, node.attempt, error, Budget.NOBODY, retry_at=now))

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
        if self._desk.owns(run):
            self._governor.release(run, node)
        current = node.attempt == attempt and node.state.in_flight and self._desk.owns(run)
        return call if current else None

    def _succeeded(self, run: Run, node: NodeRun, event: CallDone) -> None:
        spec = run.spec(node.id)
        log = event.log
        wrong = outputs_problem(spec.interface.outputs, event.outputs) if spec.type != "python" else ""
        if wrong:
            error = ErrorInfo("PluginOutputError", f"Task type `{spec.type}`: {wrong}", ErrorKind.CONTRACT)
            self._desk.fail(run, node, error, log=log)
            return
        now = self._desk.clock.now()
        if node.key:
            run.cached.append(CachedOutputs(node.key, run.id, node.id, event.outputs, now))
        done = AttemptSucceeded(now, node.id, node.attempt, event.outputs, log, _artifacts(event))
        self._desk.emit(run, done)

    def _failed(self, run: Run, node: NodeRun, event: CallFailed) -> None:
        if event.error.code == CANCELLED and self._must_end(run, node):
            self._called_off(run, node, event.log)
        else:
            self._desk.fail(run, node, event.error, event.log, _artifacts(event))

    def _must_end(self, run: Run, node: NodeRun) -> bool:
        return node.cancel is not None or run.state.phase is not RunPhase.RUNNING

    def _called_off(self, run: Run, node: NodeRun, log: LogSpan | None = None) -> None:
        """An attempt that had to end has ended."""
        now = self._desk.clock.now()
        if node.cancel is CancelCause.DEADLINE and run.state.phase is RunPhase.RUNNING:
            error = deadline_error(node, run.spec(node.id))
            self._desk.emit(run, AttemptFailed(now, node.id, node.attempt, error, Budget.USER, None, log))
        elif node.cancel is CancelCause.PREEMPTED and run.state.phase is RunPhase.RUNNING:
            error = preempted_error(node)
            self._desk.emit(run, AttemptFailed(now, node.id, node.attempt, error, Budget.NOBODY, now, log))
        else:
            self._desk.emit(run, AttemptCancelled(now, node.id, node.attempt, log))

    def _give_again(self, tickets: tuple[int, ...] | list[int]) -> None:
        """Calls that never began: the same attempts go to another worker, unless they must end."""
        again = []
        for ticket in tickets:
            call = self._calls.get(ticket)
            if call is None:
                continue
            run, node, attempt = call
            if not self._must_end(run, node) and self._desk.owns(run):
                inputs = run.inputs_of(node.id)
                spec_key = self._spec_key(run, node)
                again.append(FunctionCall(ticket, run.id, node.id, attempt, spec_key, inputs))
            elif self._end(ticket) is not None:
                self._called_off(run, node)
        if again:
            self._submit(again)


def _artifacts(event: CallDone | CallFailed) -> tuple[Artifact, ...]:
    return tuple(Artifact(title, reference) for title, reference in event.artifacts)
