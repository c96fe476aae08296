"""One rate as the threads of this process pass it: each call waits for its slot, none goes before.

Threads wake late from a sleep. So calls are counted a second time as they really go: whatever the scheduler
does, this process alone never exceeds the declared rate. Of several processes, each call may be as late as
its thread wakes: in w seconds at most `per_s` × (w + that) + `burst` calls.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

import msgspec

from hardpoint.executor.rates import gcra
from hardpoint.executor.rates.aimd import RISE_EVERY_S
from hardpoint.executor.rates.caller import Caller, RateReachedError
from hardpoint.executor.rates.gcra import Limit
from hardpoint.executor.rates.ledger import Change, RateKey, RateLedger
from hardpoint.executor.rates.rate_state import RateState
from hardpoint.plugin_api import Clock, HardpointError

logger = logging.getLogger("hardpoint.rates")

WAIT_MOST_S = 1.0
"""Longest that a thread waits for a slot, or two intervals of a rate that is slower than that."""
KEPT_S = 0.05
"""How long a reserved slot is good."""
LEAST_S = 1e-6
"""No sleep is shorter: clocks are too coarse to tell whether it has passed."""


class RateCounts(msgspec.Struct, frozen=True):
    """What came of a rate since this process began.

    Args:
        account, kind: Whose rate.
        declared_per_s: Calls per second; infinite for no limit.
        per_s: At present.
        closed_until: No call before this, in seconds since the epoch; 0 if the service never asked for that.
        calls: That went out.
        waits: Of these, how many waited; `waited_s`: how long together.
        refused: Calls that were not made, since their slot was too late to wait for.
        throttled: Calls that the service refused because there were too many.
        queued: Steps that wait now to be started.
    """

    account: str
    kind: str
    declared_per_s: float
    per_s: float
    closed_until: float
    calls: int
    waits: int
    waited_s: float
    refused: int
    throttled: int
    queued: int


class PlaceInFront:
    """See `Turn`."""

    __slots__ = ("_places",)

    def __init__(self, places: set[PlaceInFront]) -> None:
        self._places = places
        places.add(self)

    def over(self) -> None:
        """See `Turn.over`."""
        self._places.discard(self)


class Turnstile:
    """Safe to use from many threads.

    Args:
        key: Whose rate.
        limit: As declared.
        ledger: Where its state lives.
        clock: Says the time, and waits.
        changed: Called with what the service's throttling, or its end, made of the rate.
    """

    def __init__(
        self,
        key: RateKey,
        limit: Limit,
        ledger: RateLedger,
        clock: Clock,
        changed: Callable[[RateKey, Limit, Change], None],
    ) -> None:
        self.key = key
        self.limit = limit
        self.queued = 0
        """Kept by whoever starts steps."""
        self._ledger = ledger
        self._clock = clock
        self._changed = changed
        self._lock = threading.Lock()
        self._state = RateState()
        # By the monotonic clock, as everything here that is not in `_state`.
        self._opens_at = self._tat = self._passed_tat = 0.0
        self._ahead_s = 0.0
        """What the wall clock is ahead of it."""
        self._slots: deque[float] = deque()
        # Of the declared limit: what really goes is held to that.
        self._interval_s, self._tolerance_s = limit.interval_s, limit.tolerance_s
        self._block_s, self._block, self._block_until = ledger.block_s, 1, 0.0
        self._places: set[PlaceInFront] = set()
        self._calls = self._waits = self._refused = self._throttled = 0
        self._waited_s = 0.0

    # For threads that call

    def enter(self, caller: Caller) -> float:
        """Wait for a slot and use it; return when, in seconds since the epoch.

        Raises:
            RateReachedError: It is too late to wait for.
        """
        with self._lock:
            now = self._clock.monotonic()
            at = self._slot(now)
            if at <= now and self._passed_tat - self._tolerance_s <= now:
                return self._go(now, caller)
        return self._wait(at, now, caller)

    def _wait(self, at: float, began: float, caller: Caller) -> float:
        now = self._clock.monotonic()  # to reserve the slot may have taken a while
        while True:
            pause_s = max(at - now, LEAST_S)
            caller.waited_s += pause_s
            self._clock.sleep(pause_s)
            with self._lock:
                now = self._clock.monotonic()
                if now < at:
                    continue
                if now < self._opens_at:
                    at = self._slot(now)  # the service has throttled meanwhile
                    continue
                at = self._passed_tat - self._tolerance_s
                if at <= now:
                    self._waits += 1
                    self._waited_s += now - began
                    return self._go(now, caller)

    def _go(self, now: float, caller: Caller) -> float:
        self._passed_tat = max(self._passed_tat, now) + self._interval_s
        self._calls += 1
        turn = caller.turn
        if turn is not None and turn in self._places:
            turn.over()
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("%s %s at %.6f", *self.key, self._clock.now())
        return now + self._ahead_s

    def throttled(self, called_at: float, retry_after_s: float | None) -> None:
        """The service has refused a call that went out at `called_at`, because there were too many."""
        try:
            change = self._ledger.throttled(self.key, self.limit, self._clock.now(), called_at, retry_after_s)
        except HardpointError as error:
            logger.warning("%s %s: not noted as throttled: %s", *self.key, error.message)
            return
        with self._lock:
            self._throttled += 1
            self._slots.clear()
            self._learn(change.after, self._clock.monotonic(), self._clock.now())
        self._changed(self.key, self.limit, change)

    # Slots

    def _slot(self, now: float) -> float:
        while self._slots:
            at = self._slots.popleft()
            if at >= now - KEPT_S:
                return at
        return self._reserve(now)

    def _reserve(self, now: float) -> float:
        epoch, state = self._clock.now(), self._state
        interval_s = self._interval_s
        if state.per_s < self.limit.per_s:
            if epoch >= state.moved_at + RISE_EVERY_S:
                state = self._relax(epoch)
            interval_s = state.limit(self.limit).interval_s
        until = epoch + max(WAIT_MOST_S, 2 * interval_s)
        wanted = self._wanted(now) if self._block_s else 1
        slots, state = self._ledger.reserve(self.key, self.limit, epoch, wanted, until)
        self._learn(state, now, epoch)
        if not slots:
            raise self._refusal(state, epoch)
        for slot in slots[1:]:
            self._slots.append(now + (slot - epoch))
        # The difference first: what is now stays exactly now.
        return now + (slots[0] - epoch)

    def _relax(self, epoch: float) -> RateState:
        change = self._ledger.relax(self.key, self.limit, epoch)
        self._changed(self.key, self.limit, change)
        return change.after

    def _wanted(self, now: float) -> int:
        """Twice as many as last time while they are used up at once; else fewer: unused slots are lost."""
        in_use = now < self._block_until
        most = max(1, int(self._state.limit(self.limit).per_s * self._block_s))
        self._block = min(most, self._block * 2) if in_use else max(1, self._block // 2)
        self._block_until = now + self._block_s
        return self._block

    def _refusal(self, state: RateState, epoch: float) -> RateReachedError:
        self._refused += 1
        limit = state.limit(self.limit)
        opens_at = max(epoch, state.closed_until)
        wait_s = gcra.next_slot(limit, state.tat, opens_at) - epoch
        asked = opens_at > epoch
        return RateReachedError(
            f"Account `{self.key.account}` takes its next {self.key.kind} in {wait_s:.3g} s",
            retry_after_s=wait_s,
            hint="Its service asked to wait that long"
            if asked
            else f"Its rate is {limit.per_s:g} a second; {self.limit.per_s:g} are declared",
        )

    def _learn(self, state: RateState, now: float, epoch: float) -> None:
        self._state = state
        self._ahead_s = epoch - now
        self._tat = now + (state.tat - epoch)
        self._opens_at = now + (state.closed_until - epoch)

    # For whoever starts steps

    def due_in_s(self) -> float:
        """When a step started now would find its slot, behind those that hold a place; by what is known here.

        Takes no lock: a thread that holds it may be asking a database.
        """
        now, ahead = self._clock.monotonic(), len(self._places)
        behind = ahead - len(self._slots)
        if behind < 0:
            return 0.0
        limit = self._state.limit(self.limit)
        return gcra.next_slot(limit, self._tat, max(now, self._opens_at), behind) - now

    def place(self) -> PlaceInFront:
        """Hold a place for a step that is being started."""
        return PlaceInFront(self._places)

    def counts(self) -> RateCounts:
        """What came of it so far."""
        state, key = self._state, self.key
        return RateCounts(
            key.account,
            key.kind,
            self.limit.per_s,
            state.limit(self.limit).per_s,
            state.closed_until,
            self._calls,
            self._waits,
            self._waited_s,
            self._refused,
            self._throttled,
            self.queued,
        )
