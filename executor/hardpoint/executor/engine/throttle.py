"""Who may hold what: claims of external jobs against the capacity of declared pools."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from hardpoint.plugin_api import ResourceClaim, ResourcePool, UserError

Holder = tuple[str, str]
"""A run and a node in it."""


class ClaimTooLargeError(UserError):
    """A claim that its pool could never grant: refused at once instead of waiting for ever."""


class Throttle:
    """Grants claims all or none, first come first served within a pool.

    Pools that nobody declared are unlimited. Held units survive a restart because they are derived from
    journaled attempts: an engine that adopts a run calls `hold` for each attempt in flight.

    Args:
        declared: Asked for the pools each time, since plugins are loaded as they are needed.
        book: Called before each grant, to `hold` what is in flight and not booked yet.

    >>> throttle = Throttle(lambda: [ResourcePool("db", capacity=1)])
    >>> throttle.take(("run", "a"), [ResourceClaim("db")]), throttle.take(("run", "b"), [ResourceClaim("db")])
    (True, False)
    >>> throttle.next_for(throttle.release(("run", "a")))
    ('run', 'b')
    >>> throttle.take(("run", "b"), [ResourceClaim("db")])
    True
    """

    def __init__(
        self, declared: Callable[[], Iterable[ResourcePool]], book: Callable[[], None] = lambda: None
    ) -> None:
        self._declared = declared
        self._book = book
        self._held: dict[str, int] = {}
        self._leases: dict[Holder, tuple[ResourceClaim, ...]] = {}
        # By the pool that refused; within it a dict, for its order and so that leaving is cheap.
        self._waiting: dict[str, dict[Holder, tuple[ResourceClaim, ...]]] = {}

    def capacity(self, pool: str) -> int | None:
        """Units of a pool; None if it is unlimited. The most exact declaration wins."""
        matching = [each for each in self._declared() if each.matches(pool)]
        if not matching:
            return None
        return min(matching, key=lambda each: (each.name.endswith("*"), -len(each.name))).capacity

    def take(self, holder: Holder, claims: Sequence[ResourceClaim]) -> bool:
        """Grant all claims, or none and remember the holder as waiting.

        Raises:
            ClaimTooLargeError: A claim is larger than its whole pool.
        """
        self._book()
        refused = [claim.pool for claim in claims if not self._fits(claim)]
        if not refused:
            self.hold(holder, claims)
        elif not any(holder in waiting for waiting in self._waiting.values()):
            self._waiting.setdefault(refused[0], {})[holder] = tuple(claims)
        return not refused

    def _fits(self, claim: ResourceClaim) -> bool:
        capacity = self.capacity(claim.pool)
        if capacity is not None and claim.units > capacity:
            raise ClaimTooLargeError(
                f"A claim of {claim.units} units can never be granted: pool `{claim.pool}` has {capacity}",
                hint="Claim less, or declare a larger pool",
            )
        return self._has_room(claim, capacity)

    def _has_room(self, claim: ResourceClaim, capacity: int | None) -> bool:
        return capacity is None or self._held.get(claim.pool, 0) + claim.units <= capacity

    def hold(self, holder: Holder, claims: Sequence[ResourceClaim]) -> None:
        """Book claims without asking: for attempts that a journal says are in flight."""
        if holder in self._leases:
            return
        self._leases[holder] = tuple(claims)
        for claim in claims:
            self._held[claim.pool] = self._held.get(claim.pool, 0) + claim.units

    def release(self, holder: Holder) -> tuple[str, ...]:
        """Give back what a holder has; return the pools it came from, for `next_for`."""
        claims = self._leases.pop(holder, ())
        for claim in claims:
            self._held[claim.pool] -= claim.units
        return tuple(claim.pool for claim in claims)

    def leave(self, run: str) -> tuple[str, ...]:
        """Give back what a whole run has, and let none of it wait any more; return the pools."""
        for waiting in self._waiting.values():
            for holder in [each for each in waiting if each[0] == run]:
                del waiting[holder]
        holders = [each for each in self._leases if each[0] == run]
        return tuple({pool: None for holder in holders for pool in self.release(holder)})

    def next_for(self, pools: Iterable[str]) -> Holder | None:
        """Who waited longest for one of these pools, if its claims fit now; it waits no more."""
        for pool in pools:
            waiting = self._waiting.get(pool)
            if not waiting:
                continue
            holder, claims = next(iter(waiting.items()))
            own = next(claim for claim in claims if claim.pool == pool)
            capacity = self.capacity(pool)
            # Larger than the pool is now: it must go on as well, to be refused.
            if self._has_room(own, capacity) or own.units > (capacity or 0):
                del waiting[holder]
                return holder
        return None

    def waiting(self) -> list[Holder]:
        """Who waits, oldest first within each pool."""
        return [holder for waiting in self._waiting.values() for holder in waiting]
