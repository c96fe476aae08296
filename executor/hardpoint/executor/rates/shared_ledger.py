"""Rates that several processes share over one journal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import msgspec

from hardpoint.executor.rates import rate_state
from hardpoint.executor.rates.gcra import Limit
from hardpoint.executor.rates.ledger import Change, Grant, RateKey
from hardpoint.executor.rates.rate_state import RateState

BLOCK_S = 0.05
"""Seconds' worth of slots that are reserved at once: a fast rate must not cost a transaction a call."""

T = TypeVar("T")


class KeepsRates(Protocol):
    """A part of `journal.Pools`."""

    def change_rate(self, account: str, kind: str, change: Callable[[bytes], bytes]) -> None:
        """Change what is kept of a rate, while nobody else does."""


class SharedLedger:
    """See `RateLedger`.

    Args:
        kept: Where the states are kept.
        monotonic: Seconds that only go on.
    """

    def __init__(self, kept: KeepsRates, monotonic: Callable[[], float]) -> None:
        self._kept = kept
        self._monotonic = monotonic

    @property
    def block_s(self) -> float:
        """See `RateLedger.block_s`."""
        return BLOCK_S

    def reserve(self, key: RateKey, limit: Limit, now: float, n: int, until: float) -> Grant:
        """See `RateLedger.reserve`."""
        asked = self._monotonic()

        def step(state: RateState) -> tuple[Grant, RateState]:
            # Several that waited for the database would all have slots in that past, and go at once.
            late_s = self._monotonic() - asked
            grant = Grant(*rate_state.granted(state, limit, now + late_s, n, until + late_s))
            return grant, grant.state

        return self._change(key, step)

    def throttled(
        self, key: RateKey, limit: Limit, now: float, called_at: float, retry_after_s: float | None
    ) -> Change:
        """See `RateLedger.throttled`."""

        def step(state: RateState) -> tuple[Change, RateState]:
            after = rate_state.throttled(state, limit, now, called_at, retry_after_s)
            return Change(state, after), after

        return self._change(key, step)

    def relax(self, key: RateKey, limit: Limit, now: float) -> Change:
        """See `RateLedger.relax`."""

        def step(state: RateState) -> tuple[Change, RateState]:
            after = rate_state.relaxed(state, limit, now)
            return Change(state, after), after

        return self._change(key, step)

    def _change(self, key: RateKey, step: Callable[[RateState], tuple[T, RateState]]) -> T:
        answers: list[T] = []

        def change(body: bytes) -> bytes:
            # Not JSON: it has no infinity, which is the rate of those that were never throttled.
            state = msgspec.msgpack.decode(body, type=RateState) if body else RateState()
            answer, after = step(state)
            answers.append(answer)
            return msgspec.msgpack.encode(after)

        self._kept.change_rate(key.account, key.kind, change)
        return answers[-1]
