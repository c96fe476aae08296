"""Whom to ask to give back what it holds, when somebody holds less than is meant for it."""

from __future__ import annotations

from collections.abc import Iterator

from hardpoint.executor.throttle.book import Book
from hardpoint.executor.throttle.keys import share_key
from hardpoint.executor.throttle.lots import Holder, Lot
from hardpoint.executor.throttle.nominal import nominal_shares
from hardpoint.executor.throttle.pool import Pool
from hardpoint.executor.throttle.shares import Share
from hardpoint.executor.throttle.tenants import Resident, TenantShare


class Preemption:
    """Names holders to preempt, each once.

    The gainer is whoever is next in the pool, if it holds less than its nominal share; the loser the one
    with the most in proportion to its own, and of it the holder that was granted last. The loser must not
    end up below the gainer. So each move lifts the smallest proportions, no move can be turned back, and
    there is no end to none of them.

    Source: the rule of Kueue for fair sharing, that a preempted queue's share stays at least the gainer's.
    """

    def __init__(self) -> None:
        self._named: dict[Holder, Lot] = {}

    def forget(self, holder: Holder) -> None:
        """It has given back what it held."""
        self._named.pop(holder, None)

    def victims(self, book: Book, now: float) -> list[Holder]:
        """Holders to preempt now."""
        found: list[Holder] = []
        for _, pool in sorted(book.pools.items()):
            if pool.preemptible and pool.root.cap and (pool.root.lines or pool.reserved):
                scene = _Scene(pool, self._named, book.us(now))
                found += scene.play()
        return found


class _Scene:
    """One pool as it will be when everybody who was named has given back."""

    def __init__(self, pool: Pool, named: dict[Holder, Lot], now_us: int) -> None:
        self._pool = pool
        self._named = named
        self._now_us = now_us
        self._free = pool.free
        self._shift: dict[Share, int] = {}
        for lot in named.values():
            for share, units in lot.needs:
                if share.pool is pool:
                    self._give(share, -units)
        self._queues = {share: queue for share in pool.tenants.values() if (queue := list(_queue(share)))}

    def play(self) -> list[Holder]:
        """Give what comes free to who is next; when there is nothing, name somebody for it."""
        found: list[Holder] = []
        while (gainer := self._next()) is not None:
            units = self._queues[gainer][0][0]
            if units > self._free:
                losers = self._losers(gainer, units)
                if not losers:
                    break
                self._named.update(losers)
                found += losers
            self._give(gainer, units)
            self._pop(gainer)
        return found

    def _held(self, share: Share) -> int:
        return share.held + self._shift.get(share, 0)

    def _give(self, share: TenantShare, units: int) -> None:
        self._free -= units
        for each in (share, share.project):
            self._shift[each] = self._shift.get(each, 0) + units

    def _pop(self, share: TenantShare) -> None:
        units, count = self._queues[share].pop(0)
        if count > 1:
            self._queues[share].insert(0, (units, count - 1))
        elif not self._queues[share]:
            del self._queues[share]

    def _next(self) -> TenantShare | None:
        """Who will be next, of those whose caps allow it."""
        able = [
            share
            for share, queue in self._queues.items()
            if all(
                each.cap is None or self._held(each) + queue[0][0] <= each.cap
                for each in (share, share.project)
            )
        ]
        return min(able, key=lambda share: (self._key(share.project), self._key(share)), default=None)

    def _key(self, share: Share) -> tuple[float, float, float, float, str]:
        moved_us = self._shift.get(share, 0) * self._now_us
        return share_key(
            self._held(share),
            guarantee=share.guarantee,
            weight=share.weight,
            offset_us=share.offset_us - moved_us,
            waits_from=share.waits_from,
            name=share.name,
        )

    def _losers(self, gainer: TenantShare, units: int) -> dict[Holder, Lot]:
        """Holders whose units suffice for the gainer; none if they do not."""
        root = self._pool.root
        among_projects = self._from_siblings(gainer.project, gainer, units, root.cap or 0)
        return among_projects or self._from_siblings(gainer, gainer, units, self._held(gainer.project))

    def _from_siblings(
        self, side: Share, gainer: TenantShare, units: int, capacity: int
    ) -> dict[Holder, Lot]:
        assert side.parent is not None
        nominal = nominal_shares(side.parent, capacity)
        if self._held(side) >= nominal[side]:
            return {}
        after = (self._held(side) + units) / nominal[side]
        losers: dict[Holder, Lot] = {}
        shift, free = dict(self._shift), self._free
        while self._free < units:
            loser = self._loser(side, nominal, after, losers)
            if loser is None:
                self._shift, self._free = shift, free
                return {}
            share, holder, lot = loser
            losers[holder] = lot
            self._give(share, -lot.units_of(share))
        return losers

    def _loser(
        self, side: Share, nominal: dict[Share, float], after: float, taken: dict[Holder, Lot]
    ) -> tuple[TenantShare, Holder, Lot] | None:
        """The newest holder of who has the most in proportion, and keeps at least as much as the gainer."""
        above = [share for share in nominal if share is not side and self._held(share) > nominal[share]]
        for sibling in sorted(above, key=lambda each: (-_part(self._held(each), nominal[each]), each.name)):
            domains = [sibling] if isinstance(sibling, TenantShare) else list(sibling.parts.values())
            for share in sorted(domains, key=lambda each: (-self._held(each) / each.weight, each.name)):
                assert isinstance(share, TenantShare)
                for _, holder, lot in sorted(
                    self._preemptible(share, taken), reverse=True, key=lambda each: each[:2]
                ):
                    left = self._held(sibling) - lot.units_of(share)
                    # And what it gives back must go to the gainer, not to itself again.
                    if _part(left, nominal[sibling]) >= after and _turn(side, self._held(side)) < _turn(
                        sibling, left
                    ):
                        return share, holder, lot
        return None

    def _preemptible(
        self, share: TenantShare, taken: dict[Holder, Lot]
    ) -> Iterator[tuple[float, Holder, Lot]]:
        """The newest holder of each preemptible lot of a tenant."""
        for lot in share.holding:
            if lot.terms.preemptible:
                for holder in reversed(lot.granted):
                    if holder not in self._named and holder not in taken:
                        yield lot.granted[holder], holder, lot
                        break


def _part(held: int, nominal: float) -> float:
    """What is held in proportion to what is meant for it: much, if nothing is."""
    return held / nominal if nominal else float("inf")


def _turn(share: Share, held: int) -> tuple[float, float]:
    """When it would be next, if it held so many: smaller is sooner."""
    key = share_key(
        held, guarantee=share.guarantee, weight=share.weight, offset_us=0, waits_from=0.0, name=share.name
    )
    return key[:2]


def _queue(share: TenantShare) -> Iterator[tuple[int, int]]:
    """Units that a tenant wants, and how often, in order; nothing that another pool would refuse."""
    for collecting in (*share.lots, *(claim for claims in share.foreign.values() for claim in claims)):
        if collecting in share.pool.reserved:
            yield share.pool.reserved[collecting][1], 1
    residents: list[Resident] = [each for line in share.residents.values() for each in line.in_order()]
    for resident in sorted(residents, key=lambda each: each.key):
        if not isinstance(resident, Lot):
            yield resident.demand.units, resident.demand.waiting
        elif all(
            need.share is share
            or not need.share.pool.refusal(need.share, need.units, need.share.pool.set_aside)
            for need in resident.needs
        ):
            yield resident.units_of(share), len(resident)
