"""Claims of several units that waited long: they collect what becomes free, the oldest first."""

from __future__ import annotations

import heapq

from hardpoint.executor.throttle.lots import Lot
from hardpoint.executor.throttle.pool import Limit, Order

_PASSING = (None, Limit.CAPACITY, Limit.RESERVATION, Limit.LEND)


class Reservations:
    """Who collects units, and who will be allowed to.

    There is one order over all pools, so two reservations never wait for each other: the oldest gets
    everything it lacks before any younger one.
    """

    def __init__(self) -> None:
        self._made: dict[Lot, Order] = {}
        self._due: list[tuple[float, int, Lot]] = []

    def __contains__(self, lot: Lot) -> bool:
        return lot in self._made

    def watch(self, lot: Lot) -> None:
        """Note when the next holder of a lot will be due."""
        after_s = lot.reserve_after_s
        if after_s is not None:
            heapq.heappush(self._due, (lot.asked_at + after_s, lot.seq, lot))

    def pop_due(self, now: float) -> list[Lot]:
        """Lots that have become due and stand in some line."""
        due = []
        while self._due and self._due[0][0] <= now:
            lot = heapq.heappop(self._due)[2]
            if lot.home is not None and lot.is_due(now):
                due.append(lot)
        return due

    @property
    def next_due(self) -> float | None:
        """When the next lot becomes due, in seconds; None if none will."""
        while self._due:
            at, _, lot = self._due[0]
            if (
                lot.home is not None
                and lot.reserve_after_s is not None
                and at >= lot.asked_at + lot.reserve_after_s
            ):
                return at
            heapq.heappop(self._due)
        return None

    def make(self, lot: Lot) -> None:
        """Let a lot collect units for its next holder."""
        order = self._made[lot] = (lot.asked_at, lot.executor, lot.seq)
        for share, units in lot.needs:
            if share.pool.collects:
                share.pool.reserved[lot] = (order, units)
                share.pool.set_aside += units

    def end(self, lot: Lot) -> None:
        """Let a lot collect nothing any more."""
        if self._made.pop(lot, None) is None:
            return
        for share, _ in lot.needs:
            made = share.pool.reserved.pop(lot, None)
            if made is not None:
                share.pool.set_aside -= made[1]

    def oldest_first(self) -> list[Lot]:
        """Everybody who collects."""
        return sorted(self._made, key=self._made.__getitem__)

    def fits(self, lot: Lot) -> bool:
        """Whether all that a lot lacks has become free, leaving older ones what they have collected."""
        order = self._made[lot]
        return all(
            share.pool.refusal(share, units, share.pool.aside_before(order)) is None
            for share, units in lot.needs
        )


def refuses_for_good(lot: Lot) -> bool:
    """Whether more than a lack of free units is in the way of a lot: collecting them would not help."""
    for share, units in lot.needs:
        limit = share.pool.refusal(share, units, share.pool.set_aside)
        if limit is not None and (limit not in _PASSING or not share.pool.collects):
            return True
    return False
