"""Steps that run plugin verbs at virtual times, in an order of the dice's choice; implements `StepRunner`."""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Callable
from typing import Any

from tests.simulation.faults import Faults
from tests.simulation.sim_network import HungUpError
from tests.simulation.sim_stream import LeftOpenError
from tests.simulation.virtual_time import VirtualTime

from hardpoint.executor.engine import steps
from hardpoint.executor.engine.steps import Answer, Step, Then, guarded, hand_over

HANG_LEAST_S, HANG_MOST_S = 30.0, 300.0


class SimStep(Step):
    """A step whose place in a set does not depend on where it lies in memory."""

    __slots__ = ("number",)

    def __init__(
        self, number: int, group: str, call: Callable[[], Any], then: Then, late: Then | None
    ) -> None:
        super().__init__(group, call, then, late)
        self.number = number

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


class SimSteps:
    """One process's calls into plugins.

    Args:
        time, dice, faults: The world's.
        woken: Called when `deliver` has something to deliver.
        boundary: Called before a step is handed over; may kill the process.
        frozen_until_s: Until when the process stands still; steps with it.
    """

    def __init__(
        self,
        time: VirtualTime,
        dice: random.Random,
        faults: Faults,
        woken: Callable[[], None],
        boundary: Callable[[str], None],
        frozen_until_s: Callable[[], float],
    ) -> None:
        self._time, self._dice, self._faults = time, dice, faults
        self._woken, self._boundary, self._frozen_until_s = woken, boundary, frozen_until_s
        self._numbers = itertools.count()
        self._answers: deque[Callable[[], None]] = deque()
        self.dead = False
        self.delivered = 0

    def submit(self, group: str, call: Callable[[], Any], then: Then, late: Then | None = None) -> Step:
        self._boundary("submit step")
        step = SimStep(next(self._numbers), group, call, then, late)
        self._time.after(self._dice.random() * self._faults.step_most_s, lambda: self._begin(step))
        return step

    def stream(self, name: str, call: Callable[[], None], then: Then) -> None:
        self._boundary("open stream")
        self._time.after(self._dice.random() * self._faults.step_most_s, lambda: self._stream(call, then))

    def _stream(self, call: Callable[[], None], then: Then) -> None:
        if self.dead:
            return
        try:
            answer = guarded(call)
        except LeftOpenError as left:
            left.stream.when_ended(lambda: self.post(lambda: then(Answer())))
        except HungUpError:
            return
        else:
            self.post(lambda: then(answer))

    def post(self, action: Callable[[], None]) -> None:
        if not self.dead:
            self._answers.append(action)
            self._woken()

    def give_up(self, step: Step) -> None:
        step.given_up = True

    def _begin(self, step: Step) -> None:
        if self.dead or self._is_frozen(step):
            return
        step.began = self._time.now_s
        may_hang = self._faults.hang and self._time.now_s < self._faults.weather.until_s
        if not may_hang or self._dice.random() >= self._faults.hang:
            self._run(step, 0.0)
            return
        hang_s = self._dice.uniform(HANG_LEAST_S, HANG_MOST_S)
        # It hangs on its way to the service, or on the way back.
        if self._dice.random() < 0.5:
            self._time.after(hang_s, lambda: self._run(step, 0.0))
        else:
            self._run(step, hang_s)

    def _is_frozen(self, step: Step) -> bool:
        frozen_until_s = self._frozen_until_s()
        if frozen_until_s <= self._time.now_s:
            return False
        self._time.at(frozen_until_s, lambda: self._begin(step))
        return True

    def _run(self, step: Step, hang_s: float) -> None:
        if self.dead:
            return
        # Threads of this world take turns on one real thread: a step may run while another one waits.
        outer = getattr(steps._running, "step", None)
        steps._running.step = step
        try:
            answer = guarded(step.call)
        except HungUpError:
            return
        finally:
            steps._running.step = outer
        if hang_s:
            self._time.after(hang_s, lambda: self._end(step, answer))
        else:
            self._end(step, answer)

    def _end(self, step: Step, answer: Answer[Any]) -> None:
        step.done = True
        self.post(lambda: hand_over(step, answer))

    def deliver(self) -> int:
        count = 0
        while self._answers:
            self._answers.popleft()()
            count += 1
        self.delivered += count
        return count

    def close(self) -> None:
        self.dead = True
