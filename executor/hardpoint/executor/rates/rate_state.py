"""What is known of one rate, and the three things that happen to it: pure, so that any ledger can keep it."""

from __future__ import annotations

import math

import msgspec

from hardpoint.executor.rates import aimd, gcra
from hardpoint.executor.rates.gcra import Limit

RETRY_AFTER_MOST_S = 3600.0
"""Longest that a service's `Retry-After` is believed."""
AHEAD_MOST_S = 60.0
"""Nobody reserves slots further ahead than this and some intervals: else a clock was set back since."""
AHEAD_INTERVALS = 16


class RateState(msgspec.Struct, frozen=True):
    """The state of one rate; times in seconds since the epoch.

    Args:
        per_s: Calls per second since the service throttled; `math.inf`: as declared.
        tat: Theoretical arrival time of the next call.
        closed_until: No call before this: the service asked for it.
        cut_at: When the rate was last cut.
        moved_at: From when the time counts until it rises again.
    """

    per_s: float = math.inf
    tat: float = 0.0
    closed_until: float = 0.0
    cut_at: float = 0.0
    moved_at: float = 0.0

    def limit(self, declared: Limit) -> Limit:
        """The limit at present: never above the declared one."""
        return declared if self.per_s >= declared.per_s else Limit(self.per_s, declared.burst)


def granted(
    state: RateState, declared: Limit, now: float, n: int, until: float
) -> tuple[list[float], RateState]:
    """Reserve up to `n` slots, none after `until`.

    >>> granted(RateState(), Limit(10.0, burst=1), now=100.0, n=2, until=101.0)[0]
    [100.0, 100.1]
    """
    limit = state.limit(declared)
    if state.tat > now + AHEAD_MOST_S or state.closed_until > now:
        state = _plausible(state, limit, now)
    slots, tat = gcra.reserve(limit, state.tat, max(now, state.closed_until), n, until)
    return slots, RateState(state.per_s, tat, state.closed_until, state.cut_at, state.moved_at)


def _plausible(state: RateState, limit: Limit, now: float) -> RateState:
    """Forget what only a clock could have written that was ahead, and has been set back since."""
    closed_until = state.closed_until
    if closed_until > now + RETRY_AFTER_MOST_S:
        closed_until = now
    base = max(now, closed_until)
    tat = state.tat
    if tat > base + limit.tolerance_s + AHEAD_MOST_S + AHEAD_INTERVALS * limit.interval_s:
        tat = gcra.emptied(limit, 0.0, base)
    return msgspec.structs.replace(state, tat=tat, closed_until=closed_until)


def throttled(
    state: RateState, declared: Limit, now: float, called_at: float, retry_after_s: float | None
) -> RateState:
    """The service has throttled a call: nothing of the burst is left, the rate is cut, the gate may close.

    Args:
        state, declared: The rate.
        now: When the answer came.
        called_at: When the call went out: one that went out before the last cut tells nothing new.
        retry_after_s: What the service asked for, if it did.

    >>> state = throttled(RateState(), Limit(10.0, burst=3), now=100.0, called_at=99.0, retry_after_s=7.0)
    >>> state.per_s, state.closed_until
    (5.0, 107.0)
    """
    before = state.limit(declared)
    base = max(now, state.closed_until)
    per_s, cut_at, closed_until = state.per_s, state.cut_at, state.closed_until
    # Compared, not only `max`: that would pass a NaN on.
    if retry_after_s is not None and retry_after_s > 0.0:
        closed_until = max(closed_until, now + min(retry_after_s, RETRY_AFTER_MOST_S))
    if aimd.may_cut(cut_at, called_at, now):
        per_s, cut_at = aimd.cut(before.per_s, declared.per_s), now
    opens_at = max(now, closed_until)
    after = RateState(per_s, 0.0, closed_until, cut_at, opens_at).limit(declared)
    tat = gcra.emptied(after, gcra.at_other_rate(state.tat, base, before, after), opens_at)
    return RateState(per_s, tat, closed_until, cut_at, opens_at)


def relaxed(state: RateState, declared: Limit, now: float) -> RateState:
    """The rate rises again if the service has not throttled for a while.

    >>> relaxed(RateState(per_s=5.0, moved_at=100.0), Limit(10.0, burst=3), now=106.0).per_s
    5.5
    """
    before = state.limit(declared)
    if before is declared or now < state.moved_at + aimd.RISE_EVERY_S:
        return state
    per_s = aimd.risen(before.per_s, declared.per_s, now - state.moved_at)
    tat = gcra.at_other_rate(state.tat, now, before, Limit(per_s, declared.burst))
    return msgspec.structs.replace(
        state, per_s=per_s if per_s < declared.per_s else math.inf, tat=tat, moved_at=now
    )
