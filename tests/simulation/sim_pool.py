"""Workers that take virtual time, die, answer twice, and answer late; implements `FunctionPool`."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from tests.simulation.faults import Faults
from tests.simulation.plans import End, result_of
from tests.simulation.virtual_time import VirtualTime

from hardpoint.executor.pool.errors import cancelled, timed_out, worker_died
from hardpoint.executor.pool.messages import CallDone, CallFailed, CallReturned, FunctionCall, PoolEvent
from hardpoint.plugin_api import ErrorInfo, ErrorKind, TaskSpec

SIGKILL_CODE = -9
MOST_LOSSES = 2
"""Deaths of a worker under one node: the platform's patience with a node is limited, rightly."""


class PoolWorld:
    """What the workers of a process need of the world around them.

    Args:
        time, dice, faults: The world's.
        length: How the next call of a node ends, and after how many seconds.
        may_lose: Whether one more loss of a node would still be made good.
        submitted: Told of each call that is handed over.
        starting: Told of each call that begins.
        note: For the trace.
    """

    def __init__(
        self,
        time: VirtualTime,
        dice: random.Random,
        faults: Faults,
        length: Callable[[str, str], tuple[End, float]],
        may_lose: Callable[[str, str], bool],
        submitted: Callable[[FunctionCall], None],
        starting: Callable[[FunctionCall], None],
        note: Callable[[str, str], None],
    ) -> None:
        self.time, self.dice, self.faults = time, dice, faults
        self.length, self.may_lose = length, may_lose
        self.submitted, self.starting, self.note = submitted, starting, note


class SimPool:
    """One process's workers.

    Args:
        world: See there.
        size: How many there are.
        woken: Called when `wait` has something to return.
        slept: Told how long the engine would sleep, and whether there is something to wake up for.
        boundary: Called before calls are handed over; may kill the process.
    """

    def __init__(
        self,
        world: PoolWorld,
        size: int,
        woken: Callable[[], None],
        slept: Callable[[float, bool], None],
        boundary: Callable[[str], None],
    ) -> None:
        self._world = world
        self._size = size
        self._woken, self._slept, self._boundary = woken, slept, boundary
        self._specs: dict[str, TaskSpec] = {}
        self._backlog: deque[FunctionCall] = deque()
        self._running: dict[int, FunctionCall] = {}
        self._events: list[PoolEvent] = []
        self._started = 0
        self.dead = False

    def register(self, key: str, spec: TaskSpec, code: str) -> None:
        self._specs[key] = spec

    def room(self) -> int:
        return max(0, 3 * self._size - len(self._running) - len(self._backlog))

    def submit(self, calls: Iterable[FunctionCall]) -> None:
        given = list(calls)
        self._boundary("submit calls")
        for call in given:
            self._world.submitted(call)
            self._backlog.append(call)
        self._assign()

    def wait(self, timeout_s: float) -> list[PoolEvent]:
        self._slept(timeout_s, bool(self._events))
        events, self._events = self._events, []
        return events

    def kept(self, execution: str, node: str, attempt: int) -> None:
        """See `FunctionPool.kept`: here everything dies with its engine."""

    def wake(self) -> None:
        self._woken()

    def cancel(self, tickets: Sequence[int], reason: str) -> None:
        self._boundary("cancel calls")
        wanted = set(tickets)
        back = tuple(call.ticket for call in self._backlog if call.ticket in wanted)
        if back:
            self._backlog = deque(call for call in self._backlog if call.ticket not in wanted)
            self._tell(CallReturned(back))
        for ticket in tickets:
            call = self._running.get(ticket)
            if call is not None:
                killed = CallFailed(ticket, cancelled(call, reason), 0.0)
                self._world.time.after(self._world.dice.random(), partial(self._end, killed))

    def _tell(self, *events: PoolEvent) -> None:
        self._events += events
        self._woken()

    def _assign(self) -> None:
        while self._backlog and len(self._running) < self._size and not self.dead:
            self._start(self._backlog.popleft())

    def _start(self, call: FunctionCall) -> None:
        world, faults = self._world, self._world.faults
        self._running[call.ticket] = call
        self._started += 1
        delay_s = faults.worker_delay_s * world.dice.random() if self._started <= self._size else 0.0
        world.starting(call)
        end, took_s = world.length(call.execution, call.node)
        if end is not End.LOST and faults.worker_deaths and world.dice.random() < faults.worker_deaths:
            end = End.LOST if world.may_lose(call.execution, call.node) else end
            took_s *= world.dice.random()
        timeout_s = self._specs[call.spec].timeout_s
        if timeout_s is not None and took_s > timeout_s:
            answer: CallDone | CallFailed = CallFailed(call.ticket, timed_out(call, timeout_s), timeout_s)
            took_s = timeout_s
        else:
            answer = self._answer(call, end, took_s)
        world.time.after(delay_s + took_s, lambda: self._end(answer))

    def _answer(self, call: FunctionCall, end: End, took_s: float) -> CallDone | CallFailed:
        spec = self._specs[call.spec]
        match end:
            case End.DONE | End.SLOW:
                # The salt is in the task's name and in its version alike.
                result = result_of(int(spec.version[1:]), call.inputs)
                return CallDone(call.ticket, {"result": result}, took_s)
            case End.USER:
                error = ErrorInfo("ValueError", f"`{call.node}` was asked for nonsense", bases=("Exception",))
            case End.THROTTLED:
                error = ErrorInfo("ThrottledError", "slow down", ErrorKind.THROTTLED, retry_after_s=2.0)
            case End.LOST:
                error = worker_died(call, spec, SIGKILL_CODE, was_ready=True, stderr="")
        return CallFailed(call.ticket, error, took_s)

    def _end(self, answer: CallDone | CallFailed) -> None:
        if self.dead:
            return
        call = self._running.pop(answer.ticket, None)
        echo = self._world.faults.echo
        if call is None:
            if echo and self._world.dice.random() < echo:
                self._world.note("fault", f"late answer for ticket {answer.ticket}")
                self._tell(answer)
            return
        self._tell(answer)
        if echo and self._world.dice.random() < echo:
            self._world.note("fault", f"second answer for ticket {answer.ticket}")
            self._tell(answer)
        if isinstance(answer, CallFailed) and answer.error.code != "ValueError":
            self._return_some()
        self._assign()

    def _return_some(self) -> None:
        """The worker is gone, and with it the calls that waited for it: they are given back."""
        if self._backlog and self._world.dice.random() < 0.5:
            back = tuple(call.ticket for call in self._backlog)
            self._backlog.clear()
            self._tell(CallReturned(back))
