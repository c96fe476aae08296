"""One simulated process: a real engine with simulated workers, steps, clock, and way to the journal."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from tests.simulation.sim_client import ProcessClock
from tests.simulation.sim_journal import SimJournal
from tests.simulation.sim_network import HungUpError
from tests.simulation.sim_pool import SimPool
from tests.simulation.sim_steps import SimSteps
from tests.simulation.violation import Violation
from tests.simulation.virtual_time import VirtualTime

from hardpoint.core.compiled import from_json
from hardpoint.core.flatten import flatten
from hardpoint.executor.engine.loop import Engine
from hardpoint.executor.engine.run import Run
from hardpoint.executor.journal.events import RunPhase
from hardpoint.executor.journal.protocol import (
    ExecutionRow,
    JournalDamagedError,
    JournalUnavailableError,
)
from hardpoint.plugin_api import HardpointError, Store
from hardpoint.registry import Registry

RECOVER_EVERY_S = 5.0
DRAIN_S = 30.0
UNFINISHED = [phase for phase in RunPhase if not phase.terminal]


class KilledError(HungUpError):
    """The process is gone: its engine's turn ends with it, and so does a step that slept."""


class SimProcess:
    """Lives until it is killed, stopped, or given up by its engine.

    Args:
        name: Its owner name in leases.
        time: The world's.
        fuse: At which boundary it is killed; 0: at none.
        stall: At which boundary it stands still, and for how long.
        ended: Told when it is gone, and why.
        note: For the trace.
        is_dead: Whether the process of that name is known to be gone.
    """

    engine: Engine
    pool: SimPool
    steps: SimSteps
    journal: SimJournal
    clock: ProcessClock

    def __init__(
        self,
        name: str,
        time: VirtualTime,
        fuse: int,
        stall: tuple[int, float],
        ended: Callable[[SimProcess, str], None],
        note: Callable[[str, str], None],
        is_dead: Callable[[str], bool],
    ) -> None:
        self.name = name
        self.alive = True
        self.in_turn = False
        self.draining = False
        self.frozen_until_s = 0.0
        self._time = time
        self._fuse = fuse
        self._stall_at, self._stall_s = stall
        self._ended, self._note, self._is_dead = ended, note, is_dead
        self._next_turn_s = math.inf
        self._sleeps_until_s = math.inf
        self._missed = False

    def start(
        self,
        registry: Registry,
        store: Store,
        dice: random.Random,
        engine: Callable[..., Engine] = Engine,
    ) -> None:
        """Begin to turn; first of all take up what nobody drives."""
        self.engine = engine(
            journal=self.journal,
            registry=registry,
            pool=self.pool,
            steps=self.steps,
            store=store,
            outputs_uri="sim://outputs",
            clock=self.clock,
            dice=dice,
            owner=self.name,
            adopted=lambda run: None,
        )
        self.engine.begin()
        self._time.at(self._time.now_s, self._recover)
        self.wake()

    # Turns

    def boundary(self, name: str, deciding: bool = False) -> None:
        """A moment at which a kill makes a difference; nobody is held up while pools are locked."""
        self.awake()
        self._stall_at -= not deciding
        if not self._stall_at and not deciding:
            self._note("fault", f"{self.name} stands still for {self._stall_s:.1f} s: {name}")
            self.freeze(self._time.now_s + self._stall_s)
            self._time.pass_by(self._stall_s)
            self.awake()
        if self._fuse:
            self._fuse -= 1
            if not self._fuse:
                self._note("fault", f"{self.name} is killed: {name}")
                raise KilledError(name)

    @property
    def is_free(self) -> bool:
        """Whether it can take something up now."""
        return self.alive and not self.draining and self.frozen_until_s <= self._time.now_s

    def awake(self) -> None:
        """Raise if the process was killed meanwhile."""
        if not self.alive:
            raise KilledError(self.name)

    def wake(self) -> None:
        """Turn now."""
        self._turn_at(self._time.now_s)

    def sleep(self, seconds: float, busy: bool) -> None:
        """Turn again at the latest then; at once if this turn found something to do."""
        self._sleeps_until_s = self._time.now_s + (0.0 if busy else seconds)

    def _turn_at(self, due_s: float) -> None:
        if due_s < self._next_turn_s:
            self._next_turn_s = due_s
            self._time.at(due_s, lambda: self._turn_if(due_s))

    def _turn_if(self, due_s: float) -> None:
        if self.alive and self._next_turn_s == due_s:
            self._next_turn_s = math.inf
            if self.in_turn:
                self._missed = True  # it waits for its journal
                return
            if self.frozen_until_s > self._time.now_s:
                self._turn_at(self.frozen_until_s)
            else:
                self._guarded(self._turn)

    def _turn(self) -> None:
        delivered = self.steps.delivered
        self.engine.turn()
        if self.engine.stopped:
            self.end("stopped")
        elif self.draining and not self.engine.busy:
            self._leave()
        elif self.steps.delivered > delivered or self._missed:
            self._missed = False
            self.wake()
        else:
            self._turn_at(self._sleeps_until_s)

    def _guarded(self, action: Callable[[], None]) -> None:
        """Do something as this process's engine thread."""
        outer, self.in_turn = self.in_turn, True
        try:
            action()
        except KilledError:
            self.end("killed")
        except JournalUnavailableError as error:
            self.end(f"gave up: {error.message}")
        except HardpointError as error:
            raise Violation(f"{self.name}: the engine stopped: {error.message}") from error
        except Exception as error:
            raise Violation(f"{self.name}: the engine stopped: {type(error).__name__}: {error}") from error
        finally:
            self.in_turn = outer

    # Life

    def freeze(self, until_s: float) -> None:
        """Stand still, as in a long garbage collection or on a machine that is suspended."""
        self.frozen_until_s = max(self.frozen_until_s, until_s)

    def drain(self) -> None:
        """Stop gently: nothing new starts, what is in flight ends, leases are given back."""
        if self.alive:
            self.draining = True
            self.engine.post(self.engine.begin_drain)
            self._time.after(DRAIN_S, self._leave)

    def _leave(self) -> None:
        if self.alive:
            self.engine.post(self.engine.stop)

    def end(self, why: str) -> None:
        """Be gone; what was sent over the network before arrives nevertheless."""
        if self.alive:
            self.alive = False
            self.pool.dead = True
            self.steps.close()
            self._ended(self, why)

    # Runs that nobody drives

    def _recover(self) -> None:
        if not self.alive or self.draining:
            return
        if self.frozen_until_s > self._time.now_s:
            self._time.at(self.frozen_until_s, self._recover)
            return
        self._time.after(RECOVER_EVERY_S, self._recover)
        try:
            self._take_up_all()
        except JournalUnavailableError as error:
            self._note("engine", f"{self.name} cannot look for runs: {error.message}")

    def _take_up_all(self) -> None:
        now = self.clock.now()
        for row in reversed(self.journal.rows(phases=UNFINISHED)):
            if row.execution in self.engine.runs:
                continue
            lapsed = not row.owner or row.lease_until <= now
            known_dead = self._is_dead(row.owner)
            if lapsed or known_dead:
                self.resume(row, force=known_dead)

    def resume(self, row: ExecutionRow, *, force: bool = False) -> bool:
        """Claim a run and go on with it; False if another engine holds its lease."""
        claimed = self.journal.claim(row.execution, self.name, self.clock.now(), force=force)
        if claimed is None:
            return False
        try:
            run = self._load(claimed)
        except JournalDamagedError:
            self._note("engine", f"{row.execution} is damaged: the rest is set aside")
            self.journal.drop_damaged(row.execution)
            run = self._load(claimed)
        self._note("engine", f"{self.name} takes up {row.execution}, fence {claimed.fence}")
        self.engine.post(lambda: self.engine.adopt(run, resume=True))
        return True

    def _load(self, row: ExecutionRow) -> Run:
        compiled = from_json(self.journal.workflow(row.digest))
        return Run(row, compiled, flatten(compiled), self.journal.read(row.execution))
