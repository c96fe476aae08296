"""One simulated world: machines, engines, a service and a journal, on one virtual time, from one seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
from tests.simulation import users
from tests.simulation.audit import Audit
from tests.simulation.compiled_plans import compiled
from tests.simulation.faults import Faults
from tests.simulation.keepers import Keeper, MemoryKeeper, SqlKeeper
from tests.simulation.plan_strategy import SLOW_S
from tests.simulation.plans import End, Plan
from tests.simulation.sim_client import Client, ProcessClock
from tests.simulation.sim_journal import SimJournal
from tests.simulation.sim_network import SimNetwork
from tests.simulation.sim_plugin import SETTLING_S
from tests.simulation.sim_pool import MOST_LOSSES, PoolWorld, SimPool
from tests.simulation.sim_process import SimProcess
from tests.simulation.sim_registry import registry
from tests.simulation.sim_service import SimService
from tests.simulation.sim_steps import SimSteps
from tests.simulation.violation import require
from tests.simulation.virtual_time import Machine, VirtualTime

from hardpoint.core.flatten import flatten
from hardpoint.executor.engine.loop import Engine
from hardpoint.executor.journal.events import RunPhase
from hardpoint.executor.journal.protocol import (
    Append,
)
from hardpoint.plugin_api.testing.memory_store import MemoryStore

Note = Callable[[float, str, str], None]
"""Takes a line for the trace: the time, its kind, and what happened."""


def _has_script(unit: str) -> bool:
    """Whether calls of a unit go as its task's script says: of an array, those of every third item do."""
    return not unit.endswith("]") or int(unit[unit.index("[") + 1 : -1]) % 3 == 0


class World:
    """Everything there is.

    Args:
        seed: Of all dice in it.
        plan: The workflow.
        faults: What goes wrong.
        note: For the trace.
        engine: Makes each engine; tests give one that is broken on purpose.
    """

    def __init__(
        self, seed: int, plan: Plan, faults: Faults, note: Note, engine: Callable[..., Engine] = Engine
    ) -> None:
        self.plan, self.faults = plan, faults
        self.repaired = False
        self.aborted = False
        self.time = VirtualTime()
        self._note = note
        self._dice = random.Random(seed * 2 + 1)
        self._engine = engine
        network_dice = random.Random(seed * 2 + 2)
        self.network = SimNetwork(self.time, network_dice, faults.weather, self.note)
        self.audit = Audit(
            lambda: self.service,
            lambda id: self.journal.row(id).owner,
            one_engine=faults.engines.count == 1,
            shares=faults.sql,
            punctual=faults.hold_nobody_up,
        )
        self.service = SimService(self.time, network_dice, self._length, self._units, self.audit.made)
        remembers = bool(faults.disk.power_cuts)
        self.keeper: Keeper = (
            SqlKeeper(remembers=remembers) if faults.sql else MemoryKeeper(remembers=remembers)
        )
        self.journal = self.keeper.open()
        self.compiled = compiled(plan)
        self.graph = flatten(self.compiled)
        self.machines = [
            Machine(self.time, self._dice.uniform(-1.0, 1.0) * faults.engines.skew_s)
            for _ in range(faults.engines.count)
        ]
        self.processes: list[SimProcess] = []
        self._calls: Counter[tuple[str, str]] = Counter()
        self._losses: Counter[tuple[str, str]] = Counter()
        self._store = MemoryStore()
        self._schedule()

    def note(self, kind: str, text: str) -> None:
        """Write a line into the trace."""
        self._note(self.time.now_s, kind, text)

    # What happens when

    def _schedule(self) -> None:
        faults, engines, at = self.faults, self.faults.engines, self.time.at
        for number in range(engines.count):
            self._boot(number)
        users.submit(self, users.FIRST)
        if faults.wishes.second_at_s is not None:
            at(faults.wishes.second_at_s, lambda: users.submit(self, "run-2"))
        if faults.wishes.abort_at_s is not None:
            at(faults.wishes.abort_at_s, lambda: users.abort(self))
        for at_s in engines.kills:
            at(at_s, lambda: self._to_some("is killed", lambda process: process.end("killed")))
        for at_s in engines.stops:
            at(at_s, lambda: self._to_some("is drained", SimProcess.drain))
        for at_s, until_s in engines.pauses:
            at(at_s, partial(self._pause, until_s))
        for at_s, seconds in engines.jumps:
            at(at_s, partial(self._jump, seconds))
        for at_s in faults.disk.power_cuts:
            at(at_s, self._power_cut)

    def _to_some(self, what: str, act: Callable[[SimProcess], None]) -> None:
        alive = [process for process in self.processes if process.alive]
        if alive:
            process = self._dice.choice(alive)
            self.note("fault", f"{process.name} {what}")
            act(process)

    def _pause(self, until_s: float) -> None:
        self._to_some(f"stands still until {until_s:.1f}", lambda process: process.freeze(until_s))

    def _jump(self, seconds: float) -> None:
        machine = self._dice.randrange(len(self.machines))
        self.note("fault", f"the clock of machine {machine} jumps by {seconds:.1f} s")
        self.machines[machine].jump(seconds)

    def _power_cut(self) -> None:
        self.note("fault", "power cut")
        for process in self.processes:
            process.end("power cut")
        self.keeper.power_cut(self._dice, torn=self.faults.disk.torn)
        self.journal = self.keeper.open()
        for book in self.audit.books.values():
            self.journal.drop_damaged(book.execution)
            book.rewrite(self.journal.read(book.execution))
        self.audit.commits += 1

    # Processes

    def _boot(self, machine: int) -> None:
        engines = self.faults.engines
        number = len(self.processes)
        fuse = engines.fuses[number] if number < len(engines.fuses) else 0
        stall = engines.stalls[number] if number < len(engines.stalls) else (0, 0.0)
        name = f"engine-{machine}-{number + 1}"
        process = SimProcess(name, self.time, fuse, stall, self._process_ended, self.note, self._is_dead)
        self.processes.append(process)
        self._equip(process, self.machines[machine])
        self.note("engine", f"{name} starts")
        process.start(registry(), self._store, random.Random(self._dice.random()), self._engine)

    def _equip(self, process: SimProcess, machine: Machine) -> None:
        time, faults = self.time, self.faults
        dice = self._dice
        process.pool = SimPool(
            PoolWorld(
                time,
                dice,
                faults,
                self._length,
                self._may_lose,
                self.audit.submitted,
                self.audit.starting,
                self.note,
            ),
            faults.engines.workers,
            process.wake,
            process.sleep,
            process.boundary,
        )
        process.steps = SimSteps(
            time, dice, faults, process.wake, process.boundary, lambda: process.frozen_until_s
        )
        client = Client(
            self.service,
            self.network,
            SETTLING_S.__getitem__,
            lambda: process.alive,
            lambda verb, job: self.audit.wrote(process.name, process.alive, verb, job),
            dice,
            faults.roughness,
        )
        process.clock = ProcessClock(machine, process.awake, client)

        def committed(appends: Sequence[Append], durable: bool) -> None:
            self._committed(process, appends, durable)

        disk = faults.disk
        if machine is self.machines[0]:
            disk = msgspec.structs.replace(disk, unreachable=disk.unreachable + faults.engines.cut_off)
        inner = self.keeper.open()
        boundary, awake = process.boundary, process.awake
        process.journal = SimJournal(
            inner, time, dice, disk, boundary, committed, self._forgetting, awake, self.note
        )

    def _forgetting(self, commands: Sequence[str]) -> None:
        for command in commands:
            self.note("engine", f"command {command} is forgotten")
            require(
                self.audit.books[users.FIRST].state.phase is not RunPhase.RUNNING,
                f"command {command} is forgotten before it was obeyed",
            )

    def _process_ended(self, process: SimProcess, why: str) -> None:
        self.note("engine", f"{process.name} is gone: {why}")
        process.journal.pools.break_off()
        machine = int(process.name.split("-")[1])
        self.time.after(self.faults.engines.restart_s, lambda: self._boot(machine))

    def _is_dead(self, owner: str) -> bool:
        if not self.faults.engines.known_dead:
            return False
        return any(process.name == owner and not process.alive for process in self.processes)

    # What the parts of the world ask each other

    def _length(self, execution: str, node: str) -> tuple[End, float]:
        """How the next call of a node ends, and after how many seconds."""
        place = (execution, node)
        number = self._calls[place]
        self._calls[place] += 1
        task = self.plan.task_of(node)
        end = task.script[number] if number < len(task.script) and _has_script(node) else End.DONE
        if self.plan.is_broken_unit(node, repaired=self.repaired):
            end = End.USER
        return end, SLOW_S if end is End.SLOW else task.duration_s

    def _units(self, execution: str, node: str) -> list[str]:
        return self.audit.books[execution].units(node) if "#" in node else []

    def _may_lose(self, execution: str, node: str) -> bool:
        self._losses[execution, node] += 1
        return self._losses[execution, node] <= MOST_LOSSES

    def _committed(self, process: SimProcess, appends: Sequence[Append], durable: bool) -> None:
        for append in appends:
            for event in append.events:
                self.note("journal", f"{process.name} {append.execution} {event}")
        runs = process.engine.runs
        self.audit.committed(appends, {id: run.state for id, run in runs.items()})
        self.keeper.committed(durable)

    def close(self) -> None:
        """Let go of files."""
        self.keeper.close()
