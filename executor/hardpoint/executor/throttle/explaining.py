"""Why somebody waits, and how a pool is used."""

from __future__ import annotations

import heapq
from math import ceil

import msgspec

from hardpoint.executor.throttle.book import Book
from hardpoint.executor.throttle.keys import US_PER_S
from hardpoint.executor.throttle.lots import Holder, Lot, Need
from hardpoint.executor.throttle.nominal import nominal_shares
from hardpoint.executor.throttle.oversize import excess
from hardpoint.executor.throttle.policy import Tenant
from hardpoint.executor.throttle.pool import Limit, Pool
from hardpoint.executor.throttle.shares import Share
from hardpoint.executor.throttle.tenants import TenantShare

_SHOWN = 5


class Usage(msgspec.Struct, frozen=True):
    """A project, or a domain of it, in a pool.

    Args:
        project: Name.
        domain: Name; None in the line of the project itself.
        guarantee: Units promised; among the domains of its project, for a domain.
        cap: Most units it may hold; None for no limit.
        weight: How much more than one of weight 1 it is meant to hold.
        held: Units, in all executors.
        waiting: Claims, in all executors as far as they have told.
        borrowed: Units above its guarantee; without one, above its weight's share of what is not guaranteed,
            counting those who hold or want something.
        slot_s: Slot-seconds used, as far as this executor knows.
    """

    project: str
    domain: str | None
    guarantee: int
    cap: int | None
    weight: float
    held: int
    waiting: int
    borrowed: int
    slot_s: float


class Why(msgspec.Struct, frozen=True):
    """What a holder waits for.

    Args:
        limit: What is in the way. `share`: there is room, and others go first.
        pool: Where.
        units: What the holder claims there.
        capacity: Of the pool; None for no limit.
        held: Units held by all.
        free: Units held by nobody, also those that are collected or kept; None for no limit.
        set_aside: Units that reservations collect.
        tenant: Who waits.
        own: Holdings and policies of the tenant: of its project, then of its domain.
        tenants: Who holds the most, and how many units.
        holders: Holders of this executor with the most units, the oldest first among equal ones.
        ahead: Claims of the tenant for this pool that go before.
    """

    limit: Limit
    pool: str
    units: int
    capacity: int | None
    held: int
    free: int | None
    set_aside: int
    tenant: Tenant
    own: tuple[Usage, Usage]
    tenants: tuple[tuple[Tenant, int], ...]
    holders: tuple[tuple[Holder, int], ...]
    ahead: int

    @property
    def position(self) -> int:
        """Place in the queue of the tenant, from 1."""
        return self.ahead + 1


def explain(book: Book, lot: Lot, holder: Holder | None, now: float) -> Why | None:
    """Why a lot waits, or a holder in it; None if it does not. O(what waits in the tenant + what is held)."""
    binding = _binding(book, lot) if lot else None
    if binding is None:
        return None
    limit, (share, units) = binding
    pool = share.pool
    held = {tenant: each.held for tenant, each in pool.tenants.items() if each.held}
    before = sum(len(each) for each in share.lots if each.key < lot.key)
    return Why(
        limit=limit,
        pool=pool.name,
        units=units,
        capacity=pool.root.cap,
        held=pool.root.held,
        free=None if pool.root.cap is None else pool.free,
        set_aside=pool.set_aside,
        tenant=share.tenant,
        own=(
            _project_usage(share.project, nominal_shares(pool.root, _capacity(pool)), book.us(now)),
            _domain_usage(share, nominal_shares(share.project, share.project.held), book.us(now)),
        ),
        tenants=tuple(heapq.nsmallest(_SHOWN, held.items(), key=lambda each: (-each[1], each[0]))),
        holders=_top_holders(pool),
        ahead=before + (0 if holder is None else lot.place_of(holder)),
    )


def usage_of(book: Book, name: str, now: float) -> list[Usage]:
    """What each project of a pool holds, wants and may have, each followed by its domains."""
    pool = book.pools.get(name)
    if pool is None:
        return []
    now_us = book.us(now)
    rows = []
    fair = nominal_shares(pool.root, _capacity(pool))
    for _, project in sorted(pool.root.parts.items()):
        rows.append(_project_usage(project, fair, now_us))
        within = nominal_shares(project, project.held)
        rows += [_domain_usage(share, within, now_us) for share in _domains(project)]
    return rows


def _binding(book: Book, lot: Lot) -> tuple[Limit, Need] | None:
    """What is in the way of a lot, and where."""
    excessive = excess(lot)
    if excessive is not None:
        return Limit.TOO_LARGE, next(need for need in lot.needs if need.share.pool.name == excessive[0])
    limited = [need for need in lot.needs if need.share.pool.is_limited]
    # Where it stands comes first: that pool has refused it.
    for need in sorted(limited, key=lambda need: need.share is not lot.home):
        pool = need.share.pool
        aside = pool.aside_before(pool.reserved[lot][0]) if lot in pool.reserved else pool.set_aside
        limit = pool.refusal(need.share, need.units, aside)
        if limit is not None:
            return limit, need
        if need.share is lot.home:
            return Limit.SHARE, need
    return (Limit.SHARE, limited[0]) if limited else None


def _top_holders(pool: Pool) -> tuple[tuple[Holder, int], ...]:
    every = (
        (-lot.units_of(share), granted_at, holder)
        for share in pool.tenants.values()
        for lot in share.holding
        for holder, granted_at in lot.granted.items()
    )
    return tuple((holder, -units) for units, _, holder in heapq.nsmallest(_SHOWN, every))


def _domains(project: Share) -> list[TenantShare]:
    return [share for _, share in sorted(project.parts.items()) if isinstance(share, TenantShare)]


def _capacity(pool: Pool) -> float:
    return float("inf") if pool.root.cap is None else pool.root.cap


def _project_usage(project: Share, fair: dict[Share, float], now_us: int) -> Usage:
    domains = _domains(project)
    waiting, used_us = sum(map(_waiting, domains)), sum(_used_us(share, now_us) for share in domains)
    return _usage(project, (project.name, None), waiting, fair, used_us)


def _domain_usage(share: TenantShare, fair: dict[Share, float], now_us: int) -> Usage:
    return _usage(share, share.tenant, _waiting(share), fair, _used_us(share, now_us))


def _usage(
    share: Share, names: tuple[str, str | None], waiting: int, fair: dict[Share, float], used_us: int
) -> Usage:
    # One who neither holds nor wants anything has no share, and borrows nothing.
    meant = fair.get(share, 0.0)
    return Usage(
        *names,
        guarantee=share.guarantee,
        cap=share.cap,
        weight=share.weight,
        held=share.held,
        waiting=waiting,
        borrowed=0 if meant == float("inf") else max(0, share.held - ceil(meant)),
        slot_s=used_us / US_PER_S,
    )


def _waiting(share: TenantShare) -> int:
    return sum(map(len, share.lots)) + sum(
        claim.demand.waiting for claims in share.foreign.values() for claim in claims
    )


def _used_us(share: TenantShare, now_us: int) -> int:
    return share.own_offset_us + share.others_offset_us + share.held * now_us
