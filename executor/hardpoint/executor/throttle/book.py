"""Everything the throttle knows: pools, lots, who holds what, and which pools may have something to give."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable

from hardpoint.executor.throttle.keys import US_PER_S
from hardpoint.executor.throttle.lots import Holder, Lot, LotTerms, Need
from hardpoint.executor.throttle.policy import PoolPolicy
from hardpoint.executor.throttle.pool import Pool
from hardpoint.executor.throttle.reservations import Reservations
from hardpoint.executor.throttle.tenants import TenantShare


class Book:
    """State and its elementary moves; decides nothing.

    Args:
        policy: Asked once for each pool, when it is first claimed.
        executor: Name of this executor among those that share pools.
    """

    def __init__(self, policy: Callable[[str], PoolPolicy], executor: str) -> None:
        self._policy = policy
        self.executor = executor
        self.pools: dict[str, Pool] = {}
        self.runs: dict[str, dict[LotTerms, Lot]] = {}
        self.holds: dict[Holder, Lot] = {}
        self.reservations = Reservations()
        # Lots in which somebody waits.
        self.waiting = 0
        # In the order in which they were touched; decisions go by name.
        self.dirty: dict[str, Pool] = {}
        # Lots that wait and stand in no line yet.
        self.fresh: dict[Lot, None] = {}
        # Tenants whose demand or holdings other executors may have to hear of.
        self.stirred: dict[TenantShare, None] = {}
        self.numbers = itertools.count(1)
        self._start_s: int | None = None

    def us(self, now: float) -> int:
        """A time in microseconds since a whole second shortly before this executor began."""
        if self._start_s is None:
            self._start_s = math.floor(now)
        return round((now - self._start_s) * US_PER_S)

    def pool(self, name: str) -> Pool:
        """The pool of that name."""
        pool = self.pools.get(name)
        if pool is None:
            pool = self.pools[name] = Pool(name, self._policy(name))
        return pool

    def lot(self, terms: LotTerms) -> Lot:
        """The lot with these terms; made if there is none."""
        lots = self.runs.setdefault(terms.execution, {})
        lot = lots.get(terms)
        if lot is None:
            needs = tuple(
                Need(self.pool(claim.pool).tenant(terms.tenant), claim.units) for claim in terms.claims
            )
            lot = lots[terms] = Lot(terms, needs, executor=self.executor, seq=next(self.numbers))
            for share, _ in needs:
                share.pool.users += 1
        return lot

    def drop(self, lot: Lot) -> None:
        """Forget a lot in which nobody waits and holds, and pools that nobody is left to use."""
        for share, _ in lot.needs:
            share.pool.users -= 1
            self.drop_unused(share.pool)

    def drop_unused(self, pool: Pool) -> None:
        """Forget a pool that no lot claims and of which nothing is held or wanted elsewhere."""
        if not (pool.users or pool.root.held or pool.foreign or pool.reserved):
            self.pools.pop(pool.name, None)
            self.dirty.pop(pool.name, None)

    def touch(self, lot: Lot) -> None:
        """Units of a lot came back: its pools may have something to give."""
        for share, _ in lot.needs:
            self.dirty[share.pool.name] = share.pool
            self.stirred[share] = None

    def grant(self, lot: Lot, holder: Holder, now: float) -> None:
        """Book what a holder holds from now on."""
        now_us = self.us(now)
        lot.granted[holder] = now
        self.holds[holder] = lot
        for share, units in lot.needs:
            share.own_held += units
            share.own_offset_us -= units * now_us
            share.wake(now_us)
            share.project.wake(now_us)
            share.book(units, now_us)
            share.holding[lot] = None
            share.pool.preemptible += lot.terms.preemptible
            self.stirred[share] = None

    def give_back(self, holder: Holder, now: float) -> Lot | None:
        """Book that a holder holds nothing any more; None if it held nothing."""
        lot = self.holds.pop(holder, None)
        if lot is None:
            return None
        now_us = self.us(now)
        del lot.granted[holder]
        for share, units in lot.needs:
            share.own_held -= units
            share.own_offset_us += units * now_us
            share.book(-units, now_us)
            share.pool.preemptible -= lot.terms.preemptible
            if not lot.granted:
                del share.holding[lot]
        self.touch(lot)
        return lot

    def begin_waiting(self, lot: Lot, now: float) -> None:
        """Note a lot in which somebody waits again; it gets into a line when it is decided on."""
        self.fresh[lot] = None
        self.waiting += 1
        now_us = self.us(now)
        for share, _ in lot.needs:
            share.lots[lot] = None
            share.pool.waiting += 1
            for level in (share, share.project):
                level.wake(now_us)
                level.want(lot.asked_at)

    def end_waiting(self, lot: Lot) -> None:
        """Take a lot out of every line: nobody in it waits."""
        self.leave_line(lot)
        self.fresh.pop(lot, None)
        self.waiting -= 1
        if lot in self.reservations:
            self.reservations.end(lot)
            self.touch(lot)
        for share, _ in lot.needs:
            del share.lots[lot]
            share.pool.waiting -= 1
            for level in (share, share.project):
                level.want_less()
            self.stirred[share] = None

    def enter_line(self, lot: Lot, need: Need) -> None:
        """Let a lot stand in the line of one of its pools, and in no other."""
        self.leave_line(lot)
        lot.home = need.share
        need.share.enter(lot, need.units)
        self.stirred[need.share] = None

    def leave_line(self, lot: Lot) -> None:
        """Let a lot stand in no line."""
        if lot.home is not None:
            share, lot.home = lot.home, None
            share.exit(lot, lot.units_of(share))
            self.stirred[share] = None

    def move_up(self, lot: Lot) -> None:
        """Its next holder is another: give the lot the place in its line that is due to that one."""
        if lot.home is not None:
            lot.home.residents[lot.units_of(lot.home)].put(lot, lot.key)
            self.stirred[lot.home] = None
        self.reservations.watch(lot)

    def lots_of(self, pool: Pool) -> Iterable[Lot]:
        """Lots that wait and claim units of a pool."""
        return [lot for share in pool.tenants.values() for lot in share.lots]
