"""What is to be done later, by time."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable


class Timers:
    """Actions by due time; equal times keep their order.

    >>> timers, done = Timers(), []
    >>> timers.at(2.0, lambda: done.append("late")); timers.at(1.0, lambda: done.append("early"))
    >>> timers.run_due(1.5); done, timers.next_due
    (['early'], 2.0)
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def at(self, due: float, action: Callable[[], None]) -> None:
        """Do something at a time, in seconds since the epoch."""
        heapq.heappush(self._heap, (due, next(self._order), action))

    def run_due(self, now: float) -> None:
        """Do everything that is due."""
        while self._heap and self._heap[0][0] <= now:
            heapq.heappop(self._heap)[2]()

    @property
    def next_due(self) -> float | None:
        """When the next action is due; None if there is none."""
        return self._heap[0][0] if self._heap else None
