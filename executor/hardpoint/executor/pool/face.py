"""What the engine asks of whoever runs function tasks for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from hardpoint.executor.pool.messages import CallDone, CallFailed, FunctionCall, PoolEvent
from hardpoint.plugin_api import TaskSpec


class FunctionPool(Protocol):
    """Runs calls somewhere; the engine's thread uses it, and sleeps in `wait`."""

    def register(self, key: str, spec: TaskSpec, code: str) -> None:
        """Make a spec known, before the first call that names it; again changes nothing."""

    def room(self) -> int:
        """How many more calls are wanted now."""

    def submit(self, calls: Iterable[FunctionCall]) -> None:
        """Run these as soon as there is room, in about this order."""

    def wait(self, timeout_s: float) -> list[PoolEvent]:
        """Wait until something happened, `wake` was called, or the time is over; return what happened."""

    def kept(self, execution: str, node: str, attempt: int) -> CallDone | CallFailed | None:
        """What an attempt came to, if its engine died before that was journaled and a worker still knows."""

    def wake(self) -> None:
        """Let `wait` return now. The only method for other threads; never blocks."""

    def cancel(self, tickets: Sequence[int], reason: str) -> None:
        """Call off these calls: those that wait are given back, those that run are killed."""
