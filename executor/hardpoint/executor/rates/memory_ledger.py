"""Rates that live in one process."""

from __future__ import annotations

import threading

from hardpoint.executor.rates import rate_state
from hardpoint.executor.rates.gcra import Limit
from hardpoint.executor.rates.ledger import Change, Grant, RateKey
from hardpoint.executor.rates.rate_state import RateState

_NEW = RateState()


class MemoryLedger:
    """See `RateLedger`. A slot costs next to nothing here, so none is reserved before it is wanted.

    Args:
        block_s: See `RateLedger.block_s`.

    >>> ledger, key = MemoryLedger(), RateKey("athena:primary", "read")
    >>> [ledger.reserve(key, Limit(1.0, burst=2), 100.0, 1, 100.0).slots for _ in range(3)]
    [[100.0], [100.0], []]
    """

    def __init__(self, block_s: float = 0.0) -> None:
        self._block_s = block_s
        self._states: dict[RateKey, RateState] = {}
        self._lock = threading.Lock()

    @property
    def block_s(self) -> float:
        """See `RateLedger.block_s`."""
        return self._block_s

    def reserve(self, key: RateKey, limit: Limit, now: float, n: int, until: float) -> Grant:
        """See `RateLedger.reserve`."""
        with self._lock:
            slots, state = rate_state.granted(self._states.get(key, _NEW), limit, now, n, until)
            self._states[key] = state
        return Grant(slots, state)

    def throttled(
        self, key: RateKey, limit: Limit, now: float, called_at: float, retry_after_s: float | None
    ) -> Change:
        """See `RateLedger.throttled`."""
        with self._lock:
            before = self._states.get(key, _NEW)
            after = rate_state.throttled(before, limit, now, called_at, retry_after_s)
            self._states[key] = after
        return Change(before, after)

    def relax(self, key: RateKey, limit: Limit, now: float) -> Change:
        """See `RateLedger.relax`."""
        with self._lock:
            before = self._states.get(key, _NEW)
            after = self._states[key] = rate_state.relaxed(before, limit, now)
        return Change(before, after)
