"""The loop: the one thread that owns the state of every run of this executor.

A turn takes in what happened (answers of workers and steps, timers, messages), turns it into events,
applies them, lets what became possible lead to further events, commits all of them in one transaction,
and only then acts: hands attempts to workers, calls plugins, tells listeners. So nothing leaves the
process before the event that says so is in the journal.
"""

from __future__ import annotations

import logging
import queue
import random
from collections import deque
from collections.abc import Callable
from typing import assert_never

import msgspec

from hardpoint.core.types.natural import LiteralValues
from hardpoint.executor.engine.function_lane import FunctionLane
from hardpoint.executor.engine.job_lane import JobLane
from hardpoint.executor.engine.retry import budget_of, next_attempt_in_s
from hardpoint.executor.engine.run import Journaled, Run
from hardpoint.executor.engine.state import (
    Collect,
    Finish,
    NodeRun,
    NodeState,
    Possible,
    Settle,
    Start,
    Stop,
    Watch,
)
from hardpoint.executor.engine.steps import StepThreads
from hardpoint.executor.engine.timers import Timers
from hardpoint.executor.engine.upkeep import Upkeep
from hardpoint.executor.journal.events import (
    AbortRequested,
    Adopted,
    Artifact,
    AttemptFailed,
    Budget,
    Event,
    Resumed,
    RunPhase,
)
from hardpoint.executor.journal.protocol import Journal, LeaseLostError
from hardpoint.executor.pool.messages import LogSpan
from hardpoint.executor.pool.pool import WorkerPool
from hardpoint.plugin_api import Clock, ErrorInfo, HardpointError, Shape, Store, Wire
from hardpoint.registry import Registry

logger = logging.getLogger("hardpoint.engine")

IDLE_WAIT_S = 5.0


class Engine:
    """Drives runs to their end.

    Args:
        journal: Where events go; this engine is the only writer of the runs it owns.
        registry: Where task types are found.
        pool: Worker processes for functions.
        clock, dice: Time and randomness.
        owner: Name of this engine in leases.
        adopted: Called, on the engine's thread, with each run it takes over.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        registry: Registry,
        pool: WorkerPool,
        store: Store,
        clock: Clock,
        dice: random.Random,
        owner: str,
        adopted: Callable[[Run], None],
    ) -> None:
        self.journal = journal
        self.registry = registry
        self.clock = clock
        self.owner = owner
        self._adopted = adopted
        self.runs: dict[str, Run] = {}
        self.stopped = False
        self.draining = False
        self.failure: HardpointError | None = None
        self._dice = dice
        self._pool = pool
        self._messages: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._possible: deque[tuple[Run, Possible]] = deque()
        self._changed: dict[str, Run] = {}
        self._after: list[Callable[[], None]] = []
        self._durable = False
        self._store = store
        self._shapes: dict[str, Shape] = {}
        self.timers = Timers()
        self.upkeep = Upkeep(self)
        self.functions = FunctionLane(self, pool)
        self.jobs: JobLane | None = None

    # What other threads may call

    def post(self, message: Callable[[], None]) -> None:
        """Run something on the engine's thread, soon."""
        self._messages.put(message)
        self._pool.wake()

    @property
    def alive(self) -> bool:
        """Whether the loop still turns."""
        return not self.stopped

    @property
    def busy(self) -> bool:
        """Whether anything is in flight whose outcome would be lost by leaving now."""
        if self._changed or self._after or not self._messages.empty():
            return True
        return self.functions.busy or (self.jobs is not None and self.jobs.busy)

    def begin_drain(self) -> None:
        """Start nothing more."""
        self.draining = True

    def stop(self) -> None:
        """Leave the loop, giving back the leases of runs that are not finished."""
        self.stopped = True
        owned = {run.id: run.row.fence for run in self.runs.values()}
        if owned:
            self.journal.release(owned)
        for run in list(self.runs.values()):
            self.drop(run)

    # What the lanes call

    def emit(self, run: Run, event: Event, *, durable: bool = False) -> None:
        """Take an event in: it is committed with this turn, before anything acts on it."""
        run.pending.append(event)
        self._changed[run.id] = run
        self._durable = self._durable or durable
        for possible in run.state.apply(event):
            self._possible.append((run, possible))

    def after_commit(self, action: Callable[[], None]) -> None:
        """Do something that leaves the process, once this turn's events are journaled."""
        self._after.append(action)

    def fail(
        self,
        run: Run,
        node: NodeRun,
        error: ErrorInfo,
        log: LogSpan | None = None,
        artifacts: tuple[Artifact, ...] = (),
    ) -> None:
        """End an attempt with an error: by its class another follows, or the run fails."""
        wait_s = next_attempt_in_s(
            error,
            run.spec(node.id).retry,
            user_failures=node.user_failures,
            system_failures=node.system_failures,
            jitter=self._dice.random(),
        )
        now = self.clock.now()
        retry_at = None if wait_s is None else now + wait_s
        budget = budget_of(error)
        self.emit(run, AttemptFailed(now, node.id, node.attempt, error, budget, retry_at, log, artifacts))

    def inputs_of(self, run: Run, node: NodeRun) -> dict[str, Wire] | None:
        """A node's inputs; None, and the node fails, if a promised item is not there after all."""
        try:
            return run.inputs_of(node.id)
        except HardpointError as error:
            self.fail(run, node, error.info())
            return None

    # Runs come and go

    def adopt(self, run: Run, *, resume: bool = False) -> None:
        """Take over a run whose lease this engine holds, and make it move."""
        self.runs[run.id] = run
        self._adopted(run)
        generation = run.state.generation + 1
        now = self.clock.now()
        self.emit(run, Adopted(now, self.owner, generation))
        fresh = generation == 1
        if resume and run.state.phase.terminal:
            self.emit(run, Resumed(now))
        else:
            for possible in run.state.possible():
                self._possible.append((run, possible))
        started = run.row.started_at or now
        run.summary = run.row = msgspec.structs.replace(
            run.row, phase=RunPhase.RUNNING, started_at=started, ended_at=None, error=None, error_node=""
        )
        if not fresh:
            logger.info("run %s adopted for the %d. time", run.id, generation)

    def abort(self, run_id: str, reason: str) -> None:
        """Ask a run to end; what is in flight is cancelled and its end confirmed."""
        run = self.runs.get(run_id)
        if run is not None and run.state.phase in (RunPhase.RUNNING, RunPhase.QUEUED):
            self.emit(run, AbortRequested(self.clock.now(), reason))

    def drop(self, run: Run, error: BaseException | None = None) -> None:
        """Let go of a run without ending it."""
        self.runs.pop(run.id, None)
        self._changed.pop(run.id, None)
        run.tell(None)
        if run.future.done():
            return
        if error is not None:
            run.future.set_exception(error)
        else:
            run.future.set_result(run.outcome())

    # The loop

    def loop(self) -> None:
        """Turn until stopped; the body of the engine's thread."""
        self.upkeep.begin()
        try:
            while not self.stopped:
                self.turn()
        except HardpointError as error:
            self._give_up(error)
        except Exception as error:
            logger.exception("the engine stopped")
            self._give_up(EngineFailedError(f"The engine stopped: {type(error).__name__}: {error}"))

    def _give_up(self, error: HardpointError) -> None:
        self.failure = error
        self.stopped = True
        for run in list(self.runs.values()):
            self.drop(run, error)

    def turn(self) -> None:
        """Take in, decide, commit, act."""
        self._take_messages()
        self.timers.run_due(self.clock.now())
        self.settle()
        if self.stopped:
            return
        for event in self._pool.wait(self._wait_s()):
            self.functions.take(event)
        if self.jobs is not None:
            self.jobs.steps.deliver()
        self.settle()

    def settle(self) -> None:
        """Follow up everything that became possible, then commit and act, until nothing is left."""
        while True:
            self._follow_up()
            if not self._changed and not self._after:
                return
            self._commit()
            actions, self._after = self._after, []
            for action in actions:
                action()

    def _take_messages(self) -> None:
        while True:
            try:
                message = self._messages.get_nowait()
            except queue.Empty:
                return
            message()

    def _wait_s(self) -> float:
        due = self.timers.next_due
        return IDLE_WAIT_S if due is None else max(0.0, min(IDLE_WAIT_S, due - self.clock.now()))

    def _follow_up(self) -> None:
        while self._possible:
            run, possible = self._possible.popleft()
            if run.id in self.runs:
                self._pursue(run, possible)
            if not self._possible:
                self.functions.fill()
        self.functions.fill()

    def _pursue(self, run: Run, possible: Possible) -> None:
        match possible:
            case Finish():
                self._finish(run)
            case Start():
                self._start(run, possible)
            case Settle() | Watch() | Collect() | Stop():
                if self._is_function(run, possible.node):
                    self.functions.pursue(run, possible)
                else:
                    self.job_lane().pursue(run, possible)
            case _:
                assert_never(possible)

    def _is_function(self, run: Run, node: str) -> bool:
        name = run.spec(node).type
        shape = self._shapes.get(name)
        if shape is None:
            shape = self._shapes[name] = self.registry.task_type(name).shape
        return shape is Shape.FUNCTION

    def job_lane(self) -> JobLane:
        """The lane of job-shaped tasks, made when the first is met."""
        if self.jobs is None:
            steps = StepThreads(self._pool.wake)
            self.jobs = JobLane(self, steps, self._store, LiteralValues(self._store), self._dice)
        return self.jobs

    def _start(self, run: Run, start: Start) -> None:
        if self.draining or run.state.phase is not RunPhase.RUNNING:
            return
        now = self.clock.now()
        if start.at is not None and start.at > now:
            self.timers.at(start.at, lambda: self._possible.append((run, Start(start.node))))
            return
        node = run.state.nodes[start.node]
        if node.state not in (NodeState.READY, NodeState.BACKOFF):
            return
        self._limit_queueing(run, node)
        if run.spec(node.id).cache is not None:
            self.functions.check_cache(run, node)
        else:
            self.dispatch(run, node)

    def dispatch(self, run: Run, node: NodeRun) -> None:
        """Hand a node that must really run to the lane of its shape."""
        if self._is_function(run, node.id):
            self.functions.start(run, node)
        else:
            self.job_lane().start(run, node)

    def _limit_queueing(self, run: Run, node: NodeRun) -> None:
        limit_s = run.spec(node.id).queue_timeout_s
        if limit_s is None or node.attempt or node.prepared:
            return

        def expire() -> None:
            if run.id in self.runs and node.state is NodeState.READY and not node.attempt:
                error = ErrorInfo(
                    "QueueTimeoutExpired",
                    f"Node `{node.id}` waited more than {limit_s:g} s for its first start",
                    hint="Raise `queue_timeout=`, or run `hardpoint plan` to see what it waits for",
                )
                now = self.clock.now()
                self.emit(run, AttemptFailed(now, node.id, 0, error, Budget.USER))

        self.timers.at(self.clock.now() + limit_s, expire)

    def _finish(self, run: Run) -> None:
        if run.state.phase.terminal or run.state.left:
            return
        ended = run.ended(self.clock.now())
        self.emit(run, ended)
        run.summary = run.row = msgspec.structs.replace(
            run.row,
            phase=ended.phase,
            ended_at=ended.at,
            outputs=ended.outputs,
            error=ended.error,
            error_node=ended.node,
        )
        self.after_commit(lambda: self._let_go(run))

    def _let_go(self, run: Run) -> None:
        self.journal.release({run.id: run.row.fence})
        self.drop(run)

    def _commit(self) -> None:
        changed, self._changed = self._changed, {}
        durable, self._durable = self._durable, False
        appends = [append for run in changed.values() if (append := run.take_append()) is not None]
        while appends:
            try:
                self.journal.commit(appends, durable=durable)
                break
            except LeaseLostError as error:
                appends = [append for append in appends if append.execution != error.execution]
                self.drop(changed[error.execution], error)
        for append in appends:
            run = changed[append.execution]
            if run.listeners:
                run.tell(Journaled(append.first_seq, append.events))


class EngineFailedError(HardpointError):
    """The engine's own fault: its runs are intact and can be resumed."""
