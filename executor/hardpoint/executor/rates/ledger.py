"""Where the state of each rate lives: in one process, or in a database that several share."""

from __future__ import annotations

import enum
from typing import NamedTuple, Protocol

from hardpoint.executor.rates.gcra import Limit
from hardpoint.executor.rates.rate_state import RateState


class CallKind(enum.Enum):
    """What a call does to the service: services limit the two apart."""

    READ = "read"
    WRITE = "write"


class RateKey(NamedTuple):
    """Whose rate it is.

    Args:
        account: `<task type>:<account>`, as in `RateLimit.name`.
        kind: A value of `CallKind`.
    """

    account: str
    kind: str


class Grant(NamedTuple):
    """Slots that are reserved, and what is known of the rate since.

    Args:
        slots: When calls may go, in order; seconds since the epoch. Empty: none in the time asked for.
        state: Says when the next slot is.
    """

    slots: list[float]
    state: RateState


class Change(NamedTuple):
    """What became of a rate."""

    before: RateState
    after: RateState


class RateLedger(Protocol):
    """Keeps rates; safe to use from many threads, and each method is atomic.

    A ledger that others share loads a state, applies the function of `rate_state` of the same meaning, and
    keeps the result, in one transaction. Its methods answer within about a second, or raise a
    `TransientError`: then the call they were asked for is not made.

    Every `now` is the caller's clock, in seconds since the epoch.
    """

    @property
    def block_s(self) -> float:
        """Seconds' worth of slots that a process should reserve at once while it uses them; 0: one slot."""

    def reserve(self, key: RateKey, limit: Limit, now: float, n: int, until: float) -> Grant:
        """Reserve up to `n` slots, none after `until`; see `rate_state.granted`."""

    def throttled(
        self, key: RateKey, limit: Limit, now: float, called_at: float, retry_after_s: float | None
    ) -> Change:
        """The service has throttled a call; see `rate_state.throttled`."""

    def relax(self, key: RateKey, limit: Limit, now: float) -> Change:
        """Raise the rate again if it is time; see `rate_state.relaxed`."""
