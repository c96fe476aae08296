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
from collections.abc import Callable, Mapping
from functools import partial
from typing import assert_never

import msgspec

from hardpoint.executor.config.settings import Settings
from hardpoint.executor.engine.desk import Desk
from hardpoint.executor.engine.job_context import JobContexts
from hardpoint.executor.engine.lanes import Lanes
from hardpoint.executor.engine.patience import Patience
from hardpoint.executor.engine.pool_policies import PoolPolicies
from hardpoint.executor.engine.possible import (
    Collect,
    Feed,
    Finish,
    Possible,
    Settle,
    Start,
    Stop,
    Watch,
)
from hardpoint.executor.engine.run import Journaled, Run
from hardpoint.executor.engine.steps import StepRunner
from hardpoint.executor.engine.upkeep import Upkeep
from hardpoint.executor.journal.events import (
    AbortRequested,
    Adopted,
    Resumed,
    RunPhase,
)
from hardpoint.executor.journal.protocol import (
    Append,
    Journal,
    JournalConflictError,
    JournalUnavailableError,
    LeaseLostError,
)
from hardpoint.executor.pool.face import FunctionPool
from hardpoint.executor.rates.memory_ledger import MemoryLedger
from hardpoint.executor.rates.rates import Rates
from hardpoint.executor.rates.shared_ledger import SharedLedger
from hardpoint.executor.secret_sources import ask_sources
from hardpoint.plugin_api import Clock, HardpointError, Store
from hardpoint.registry import Registry

logger = logging.getLogger("hardpoint.engine")

IDLE_WAIT_S = 5.0
NO_SETTINGS = Settings()


class Engine:
    """Drives runs to their end.

    Args:
        journal: Where events go; this engine is the only writer of the runs it owns.
        registry: Where task types are found.
        pool: Worker processes for functions; also what the engine sleeps on.
        steps: Runs calls into plugins.
        store: Values that travel by reference.
        outputs_uri: Below it, jobs that write their own outputs do so.
        clock, dice: Time and randomness.
        owner: Name of this engine in leases.
        adopted: Called, on the engine's thread, with each run it takes over.
        settings: What the operator has set, of pools among others.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        registry: Registry,
        pool: FunctionPool,
        steps: StepRunner,
        store: Store,
        outputs_uri: str,
        clock: Clock,
        dice: random.Random,
        owner: str,
        adopted: Callable[[Run], None],
        settings: Settings = NO_SETTINGS,
    ) -> None:
        self.journal = journal
        self.owner = owner
        self.stopped = False
        self.failure: HardpointError | None = None
        self._pool = pool
        self._steps = steps
        self._adopted = adopted
        self._messages: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._desk = desk = Desk(clock, dice)
        self._ended: list[Run] = []
        self._patience = Patience(clock)
        self._upkeep = Upkeep(desk, journal, self.abort, self._lost, self._drop)
        ledger = SharedLedger(journal.pools, clock.monotonic) if journal.pools.are_shared else MemoryLedger()
        self.rates = Rates(registry.rates, ledger, clock, settings.rates)
        self._lanes = Lanes(
            desk,
            journal,
            registry,
            pool,
            steps,
            JobContexts(self.rates, self._upkeep.owns_safely, store, clock, partial(ask_sources, registry)),
            outputs_uri,
            PoolPolicies(registry.pools, settings, desk.runs),
            self._patience,
            owner,
        )

    # What other threads may call

    def post(self, message: Callable[[], None]) -> None:
        """Run something on the engine's thread, soon."""
        self._messages.put(message)
        self._pool.wake()

    def hurry(self) -> None:
        """Wait no longer for a database that is away: the engine is to stop."""
        self._patience.lose()

    @property
    def alive(self) -> bool:
        """Whether the loop still turns."""
        return not self.stopped

    @property
    def busy(self) -> bool:
        """Whether anything is in flight whose outcome would be lost by leaving now."""
        return not self._desk.empty or not self._messages.empty() or self._lanes.busy

    @property
    def runs(self) -> Mapping[str, Run]:
        """The runs that this engine owns."""
        return self._desk.runs

    # Messages: to be posted

    def begin_drain(self) -> None:
        """Start nothing more."""
        self._desk.draining = True

    def stop(self) -> None:
        """Leave the loop, giving back the leases of runs that are not finished."""
        self.stopped = True
        owned = {run.id: run.row.fence for run in self.runs.values()}
        if owned:
            try:
                self.journal.release(owned)
            except JournalUnavailableError as error:
                logger.warning("%s; the leases of unfinished runs lapse by themselves", error.message)
        for run in list(self.runs.values()):
            self._drop(run)

    def adopt(self, run: Run, *, resume: bool = False) -> None:
        """Take over a run whose lease this engine holds, and make it move."""
        desk = self._desk
        if run.id in desk.runs:
            # It was lost, and is back before anybody here noticed.
            self._lanes.governor.leave(desk.runs[run.id])
        desk.runs[run.id] = run
        self._adopted(run)
        self._lanes.adopted(run)
        now = desk.clock.now()
        desk.emit(run, Adopted(now, self.owner, run.state.generation + 1))
        if resume and run.state.phase.terminal:
            desk.emit(run, Resumed(now))
        else:
            desk.possible.extend((run, possible) for possible in run.state.possible())
        started = run.row.started_at or now
        run.summary = run.row = msgspec.structs.replace(
            run.row, phase=RunPhase.RUNNING, started_at=started, ended_at=None, error=None, error_node=""
        )

    def abort(self, run_id: str, reason: str) -> None:
        """Ask a run to end; what is in flight is cancelled and its end confirmed."""
        run = self.runs.get(run_id)
        if run is not None and run.state.phase in (RunPhase.RUNNING, RunPhase.QUEUED):
            self._desk.emit(run, AbortRequested(self._desk.clock.now(), reason))

    def _lost(self, run: Run, error: HardpointError) -> None:
        self._lanes.abandon(run)
        self._drop(run, error)

    def _drop(self, run: Run, error: BaseException | None = None) -> None:
        """Let go of a run without ending it."""
        self._lanes.governor.leave(run)
        self._desk.forget(run)
        run.tell(None)
        if run.future.done():
            return
        if error is not None:
            run.future.set_exception(error)
        else:
            run.future.set_result(run.outcome())

    # The loop

    def begin(self) -> None:
        """Start the rounds of upkeep; before the first turn."""
        self._upkeep.begin()

    def loop(self) -> None:
        """Turn until stopped; the body of the engine's thread."""
        self.begin()
        try:
            while not self.stopped:
                self.turn()
            self._steps.close()
        except HardpointError as error:
            self._give_up(error)
        except Exception as error:
            logger.exception("the engine stopped")
            self._give_up(EngineFailedError(f"The engine stopped: {type(error).__name__}: {error}"))

    def _give_up(self, error: HardpointError) -> None:
        self.failure = error
        self.stopped = True
        for run in list(self.runs.values()):
            self._drop(run, error)

    def turn(self) -> None:
        """Take in, decide, commit, act."""
        self._take_messages()
        self._desk.timers.run_due(self._desk.clock.now())
        self._settle()
        if self.stopped:
            return
        for event in self._pool.wait(self._wait_s()):
            self._lanes.take(event)
        self._steps.deliver()
        self._settle()

    def _settle(self) -> None:
        """Follow up everything that became possible, then commit and act, until nothing is left."""
        while True:
            self._follow_up()
            if self._desk.empty:
                return
            self._commit()
            self._desk.act()
            self._let_go()

    def _take_messages(self) -> None:
        while True:
            try:
                message = self._messages.get_nowait()
            except queue.Empty:
                return
            message()

    def _wait_s(self) -> float:
        due = self._desk.timers.next_due
        return IDLE_WAIT_S if due is None else max(0.0, min(IDLE_WAIT_S, due - self._desk.clock.now()))

    def _follow_up(self) -> None:
        waiting = self._desk.possible
        while True:
            while waiting:
                run, possible = waiting.popleft()
                if self._desk.owns(run):
                    self._pursue(run, possible)
            # A cached answer or a failed input makes more possible; only then is it worth another round.
            self._lanes.fill()
            if not waiting:
                return

    def _pursue(self, run: Run, possible: Possible) -> None:
        match possible:
            case Finish():
                self._finish(run)
            case Start():
                self._lanes.start(run, possible)
            case Feed():
                self._lanes.feed(run, possible.node)
            case Settle() | Watch() | Collect() | Stop():
                self._lanes.pursue(run, possible)
            case _:
                assert_never(possible)

    def _finish(self, run: Run) -> None:
        if run.state.phase.terminal or run.state.left:
            return
        ended = run.ended(self._desk.clock.now())
        self._desk.emit(run, ended)
        run.summary = run.row = msgspec.structs.replace(
            run.row,
            phase=ended.phase,
            ended_at=ended.at,
            outputs=ended.outputs,
            error=ended.error,
            error_node=ended.node,
        )
        self._desk.after_commit(lambda: self._ended.append(run), run)

    def _let_go(self) -> None:
        """Give back the leases of runs that have ended, all in one transaction."""
        if not self._ended:
            return
        ended, self._ended = self._ended, []
        self._patience.call(lambda: self.journal.release({run.id: run.row.fence for run in ended}))
        for run in ended:
            self._drop(run)

    def _commit(self) -> None:
        changed, durable = self._desk.take_changed()
        now = self._desk.clock.now()
        appends = [append for run in changed.values() if (append := run.take_append(now)) is not None]
        while appends:
            try:
                self._commit_all(appends, durable=durable)
                break
            except (LeaseLostError, JournalConflictError) as error:
                appends = [append for append in appends if append.execution != error.execution]
                self._lost(changed[error.execution], error)
        self._lanes.governor.committed(appends)
        for append in appends:
            run = changed[append.execution]
            if run.listeners:
                run.tell(Journaled(append.first_seq, append.events))

    def _commit_all(self, appends: list[Append], *, durable: bool) -> None:
        self._patience.call(lambda: self.journal.commit(appends, durable=durable))


class EngineFailedError(HardpointError):
    """The engine's own fault: its runs are intact and can be resumed."""
