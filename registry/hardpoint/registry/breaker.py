"""Whether a plugin that failed again and again is asked once more: a decision, without clock or thread."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from hardpoint.plugin_api.hookspecs import COOLING_S, FAILURES_MAX


class Mode(enum.Enum):
    """What a breaker says to the next call."""

    CLOSED = "closed"
    """It goes ahead."""
    OPEN = "open"
    """It is left out."""
    HALF_OPEN = "half-open"
    """It goes ahead as a trial, and alone: whoever comes meanwhile is left out."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """How the last calls of one hook of one plugin went.

    After M. Nygard, "Release It!": it opens after failures in a row, and a trial after a while decides
    whether it closes.

    Args:
        failures: In a row.
        held_at: When the last of them, or the last trial, began to count; seconds since the epoch.

    >>> breaker = Breaker()
    >>> for now in (1.0, 2.0, 3.0):
    ...     breaker = breaker.failed(now)
    >>> breaker.mode(4.0), breaker.mode(63.0), breaker.succeeded().mode(4.0)
    (<Mode.OPEN: 'open'>, <Mode.HALF_OPEN: 'half-open'>, <Mode.CLOSED: 'closed'>)
    """

    failures: int = 0
    held_at: float = 0.0

    def mode(self, now: float) -> Mode:
        """What the next call may do.

        Args:
            now: Seconds since the epoch.
        """
        if self.failures < FAILURES_MAX:
            return Mode.CLOSED
        return Mode.OPEN if self.left_s(now) > 0.0 else Mode.HALF_OPEN

    def left_s(self, now: float) -> float:
        """Seconds until a trial if it is open, else 0."""
        if self.failures < FAILURES_MAX or now < self.held_at:  # a clock that was set back must not hold it
            return 0.0
        return max(0.0, self.held_at + COOLING_S - now)

    def tried(self, now: float) -> Breaker:
        """After the trial was let through: it is open for others until that one is back."""
        return Breaker(self.failures, now)

    def failed(self, now: float) -> Breaker:
        """After a call that failed."""
        return Breaker(self.failures + 1, now)

    def succeeded(self) -> Breaker:
        """After a call that went well."""
        return Breaker()
