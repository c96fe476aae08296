"""Steps wait for their rate before they are handed to a thread, each account's reads and writes apart.

So a thousand creates occupy no thread while they wait, hold up neither polls nor other accounts, and are
refused by no gate: a step begins shortly before its first call may go.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

from hardpoint.executor.engine.desk import Desk
from hardpoint.executor.rates.turnstile import PlaceInFront, Turnstile

LEAD_S = 0.05
"""How long before its slot a step is handed to a thread, which waits for the rest at the gate."""

Begin = Callable[[PlaceInFront], None]


class _Queue:
    """Steps that wait for one turnstile."""

    def __init__(self) -> None:
        self.steps: deque[Begin] = deque()
        self.has_timer = False


class StepPace:
    """Owned by the engine's thread.

    Args:
        desk: Clock and timers.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._queues: dict[Turnstile, _Queue] = {}

    def start(self, turnstile: Turnstile, begin: Begin) -> None:
        """Begin a step when its first call may go, after those that came before it.

        Args:
            turnstile: Where its first call will pass.
            begin: Hands it to a thread, with its place in front of the turnstile.
        """
        queue = self._queues.get(turnstile)
        if queue is None:
            if turnstile.due_in_s() <= LEAD_S:
                begin(turnstile.place())
                return
            queue = self._queues[turnstile] = _Queue()
        queue.steps.append(begin)
        turnstile.queued += 1
        if not queue.has_timer:
            self._arm(turnstile, queue)

    def go_on(self, turnstile: Turnstile) -> None:
        """Begin the steps whose calls may go by now."""
        queue = self._queues.get(turnstile)
        if queue is None:
            return
        while queue.steps:
            if turnstile.due_in_s() > LEAD_S:
                break
            turnstile.queued -= 1
            queue.steps.popleft()(turnstile.place())
        if queue.steps:
            self._arm(turnstile, queue)
        elif not queue.has_timer:
            del self._queues[turnstile]

    def _arm(self, turnstile: Turnstile, queue: _Queue) -> None:
        if not queue.has_timer:
            queue.has_timer = True
            # Not to the last moment: what is a little early then would be armed again for no time at all.
            due = self._desk.clock.now() + max(0.0, turnstile.due_in_s()) - LEAD_S / 2
            self._desk.timers.at(due, partial(self._due, turnstile, queue))

    def _due(self, turnstile: Turnstile, queue: _Queue) -> None:
        queue.has_timer = False
        self.go_on(turnstile)
