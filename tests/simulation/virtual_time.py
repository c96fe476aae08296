"""Time that passes only when something is to happen, and the order of what happens in it."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

EPOCH_S = 1_000_000.0
"""Small, so that little is lost where wall clock times are rounded."""
TICK_S = 1e-9


class VirtualTime:
    """Everything that will happen, by virtual seconds since the world began; equal times keep their order.

    >>> time, done = VirtualTime(), []
    >>> time.after(2.0, lambda: done.append("late")); time.after(1.0, lambda: done.append("early"))
    >>> time.step(), done, time.now_s
    (True, ['early'], 1.0)
    """

    def __init__(self) -> None:
        self.now_s = 0.0
        self.steps = 0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def at(self, due_s: float, action: Callable[[], None]) -> None:
        """Do something then, or now if that is past."""
        heapq.heappush(self._heap, (due_s, next(self._order), action))

    def after(self, wait_s: float, action: Callable[[], None]) -> None:
        """Do something so many seconds from now."""
        self.at(self.now_s + wait_s, action)

    def step(self) -> bool:
        """Do what is next; False if nothing is."""
        if not self._heap:
            return False
        due_s, _, action = heapq.heappop(self._heap)
        # A slow call of somebody else may have let the time pass already.
        self.now_s = max(self.now_s, due_s)
        self.steps += 1
        action()
        return True

    def pass_by(self, seconds: float) -> None:
        """Let time pass for a thread that waits: whatever else is due meanwhile happens meanwhile."""
        until_s = self.now_s + seconds
        while self._heap and self._heap[0][0] <= until_s:
            self.step()
        self.now_s = max(self.now_s, until_s)


class Machine:
    """A computer with a wall clock that somebody may set.

    Args:
        time: The world's.
        offset_s: How far its clock is off at first.
    """

    def __init__(self, time: VirtualTime, offset_s: float) -> None:
        self.time = time
        self.offset_s = offset_s

    def jump(self, seconds: float) -> None:
        """Set the wall clock forwards or backwards."""
        self.offset_s += seconds


class MachineClock:
    """The clocks of one process; implements `plugin_api.Clock`. Only `now` follows the wall clock.

    Args:
        machine: Where the process runs.
        awake: Called after each sleep; raises if the process is gone meanwhile.
    """

    def __init__(self, machine: Machine, awake: Callable[[], None]) -> None:
        self.machine = machine
        self._awake = awake
        self._read_s = 0.0

    def now(self) -> float:
        return EPOCH_S + self.machine.time.now_s + self.machine.offset_s

    def monotonic(self) -> float:
        # A real clock moves while it is read: the last bit of a span must not be left for ever.
        self._read_s += TICK_S
        return self.machine.time.now_s + self._read_s

    def sleep(self, seconds: float) -> None:
        self.machine.time.pass_by(seconds)
        self._awake()
