"""All rates of one process: which limit applies to which account, and how it moved."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable

import msgspec

from hardpoint.executor.rates.gcra import UNLIMITED, Limit
from hardpoint.executor.rates.ledger import CallKind, Change, RateKey, RateLedger
from hardpoint.executor.rates.memory_ledger import MemoryLedger
from hardpoint.executor.rates.turnstile import RateCounts, Turnstile
from hardpoint.plugin_api import Clock, RateLimit

logger = logging.getLogger("hardpoint.rates")

MOVES_MOST = 1000
"""Moves that are kept; older ones are forgotten."""


class RateMove(msgspec.Struct, frozen=True):
    """A rate became another, or its account was closed for a while.

    Args:
        at: Seconds since the epoch.
        account, kind: Whose rate.
        from_per_s, to_per_s: Calls per second before and after.
        reason: Why.
    """

    at: float
    account: str
    kind: str
    from_per_s: float
    to_per_s: float
    reason: str


def declared_limit(declared: Iterable[RateLimit], account: str, kind: CallKind) -> Limit | None:
    """The limit of an account; None if nobody declared one. The most exact declaration wins, as for pools.

    >>> declared = [RateLimit("athena:*", reads_per_s=20), RateLimit("athena:primary", reads_per_s=5)]
    >>> declared_limit(declared, "athena:primary", CallKind.READ).per_s
    5.0
    """
    matching = [each for each in declared if each.matches(account)]
    if not matching:
        return None
    best = min(matching, key=lambda each: (each.name.endswith("*"), -len(each.name)))
    per_s = best.reads_per_s if kind is CallKind.READ else best.writes_per_s
    return Limit(float(per_s), best.burst)


class Rates:
    """Safe to use from many threads.

    Args:
        declared: Asked for the limits when an account is first met, since plugins are loaded as needed.
        ledger: Where the state of the rates lives.
        clock: Says the time, and waits.
        settings: The operator's: they come before what is declared.
    """

    def __init__(
        self,
        declared: Callable[[], Iterable[RateLimit]],
        ledger: RateLedger,
        clock: Clock,
        settings: Iterable[RateLimit] = (),
    ) -> None:
        self._declared = declared
        self._settings = tuple(settings)
        self._ledger = ledger
        # What nobody limits is nobody else's business: it only closes when its service asks for that.
        self._unlimited = MemoryLedger()
        self._clock = clock
        self._turnstiles: dict[RateKey, Turnstile] = {}
        self._moves: deque[RateMove] = deque(maxlen=MOVES_MOST)

    def turnstile(self, task_type: str, account: str, kind: CallKind) -> Turnstile:
        """Where the calls of one account pass.

        Args:
            task_type: Whose account it is.
            account: As in `Prepared.account`; empty where it is not known.
            kind: Reads and writes pass apart.
        """
        key = RateKey(f"{task_type}:{account}", kind.value)
        found = self._turnstiles.get(key)
        if found is None:
            limit = declared_limit(self._settings, key.account, kind) or declared_limit(
                self._declared(), key.account, kind
            )
            ledger = self._unlimited if limit is None else self._ledger
            made = Turnstile(key, limit or UNLIMITED, ledger, self._clock, self._note)
            found = self._turnstiles.setdefault(key, made)
        return found

    def moves(self) -> tuple[RateMove, ...]:
        """How rates moved because of what this process saw, oldest first."""
        return tuple(self._moves)

    def counts(self) -> tuple[RateCounts, ...]:
        """What came of each rate so far."""
        return tuple(turnstile.counts() for turnstile in list(self._turnstiles.values()))

    def _note(self, key: RateKey, limit: Limit, change: Change) -> None:
        now = self._clock.now()
        before, after = (state.limit(limit).per_s for state in change)
        if change.after.closed_until > max(now, change.before.closed_until):
            reason = f"the service asked to wait {change.after.closed_until - now:.3g} s"
        elif after < before:
            reason = "the service throttled a call"
        elif after > before:
            reason = "the service has not throttled for a while"
        else:
            return
        self._moves.append(RateMove(now, key.account, key.kind, before, after, reason))
        logger.info("%s %s: %g -> %g calls/s: %s", key.account, key.kind, before, after, reason)
