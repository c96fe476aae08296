"""Who may hold what: claims of external jobs against the capacity of declared pools."""

from __future__ import annotations

from collections import deque
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

    >>> throttle = Throttle(lambda: [ResourcePool("db", capacity=1)])
    >>> throttle.take(("run", "a"), [ResourceClaim("db")]), throttle.take(("run", "b"), [ResourceClaim("db")])
    (True, False)
    >>> throttle.give_back(("run", "a"))
    [('run', 'b')]
    >>> throttle.take(("run", "b"), [ResourceClaim("db")])
    True
    """

    def __init__(self, declared: Callable[[], Iterable[ResourcePool]]) -> None:
        self._declared = declared
        self._held: dict[str, int] = {}
        self._leases: dict[Holder, tuple[ResourceClaim, ...]] = {}
        self._waiting: deque[Holder] = deque()

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
        fits = all(self._fits(claim) for claim in claims)
        if fits:
            self.hold(holder, claims)
        elif holder not in self._waiting:
            self._waiting.append(holder)
        return fits

    def _fits(self, claim: ResourceClaim) -> bool:
        capacity = self.capacity(claim.pool)
        if capacity is not None and claim.units > capacity:
            raise ClaimTooLargeError(
                f"A claim of {claim.units} units can never be granted: pool `{claim.pool}` has {capacity}",
                hint="Claim less, or declare a larger pool",
            )
        return capacity is None or self._held.get(claim.pool, 0) + claim.units <= capacity

    def hold(self, holder: Holder, claims: Sequence[ResourceClaim]) -> None:
        """Book claims without asking: for attempts that a journal says are in flight."""
        if holder in self._leases:
            return
        self._leases[holder] = tuple(claims)
        for claim in claims:
            self._held[claim.pool] = self._held.get(claim.pool, 0) + claim.units

    def give_back(self, holder: Holder) -> list[Holder]:
        """Release what a holder has; return everyone who waited, oldest first, to try again."""
        for claim in self._leases.pop(holder, ()):
            self._held[claim.pool] -= claim.units
        tried = list(self._waiting)
        self._waiting.clear()
        return tried

    def waiting(self) -> list[Holder]:
        """Who waits, oldest first."""
        return list(self._waiting)
