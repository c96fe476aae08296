"""What other executors have to know of this one."""

from __future__ import annotations

import msgspec

from hardpoint.executor.throttle.book import Book
from hardpoint.executor.throttle.foreign import Demand, Held
from hardpoint.executor.throttle.keys import US_PER_S
from hardpoint.executor.throttle.lots import Lot
from hardpoint.executor.throttle.policy import Tenant
from hardpoint.executor.throttle.tenants import TenantShare

_EXACT = 16
"""Lots of a tenant that others are told of one by one; of the rest, only how many wait by size."""


class Standing(msgspec.Struct, frozen=True):
    """What this executor wants and holds of a pool for a tenant.

    Args:
        pool: Name.
        tenant: For whom.
        demands: What waits for this pool: reservations, then lots in their order.
        held: Units, and the slot-seconds used up to now.
    """

    pool: str
    tenant: Tenant
    demands: tuple[Demand, ...]
    held: Held


class Reporter:
    """Remembers what was told, and tells what is new."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, Tenant], tuple[object, ...]] = {}

    def changes(self, book: Book, now: float) -> list[Standing]:
        """What changed since the last call."""
        changed = []
        for share in book.stirred:
            key = (share.pool.name, share.tenant)
            demands = demands_of(share)
            # Slot time that only went on by what is held is no news: others can count it themselves.
            news = (
                demands,
                share.own_held,
                share.own_offset_us,
                share.forfeited_us,
                share.project.forfeited_us,
            )
            if self._told.get(key, ((), 0, 0, 0, 0)) == news:
                continue
            self._told[key] = news
            if not (demands or share.own_held):
                del self._told[key]
            changed.append(Standing(*key, demands, _held(share, book.us(now), now)))
        book.stirred.clear()
        return changed


def _held(share: TenantShare, now_us: int, now: float) -> Held:
    return Held(
        units=share.own_held,
        slot_s=(share.own_offset_us + share.own_held * now_us) / US_PER_S,
        at=now,
        forfeited_s=share.forfeited_us / US_PER_S,
        project_forfeited_s=share.project.forfeited_us / US_PER_S,
    )


def demands_of(share: TenantShare) -> tuple[Demand, ...]:
    """What waits for a pool; a lot that stands in the line of another pool does not, unless it collects."""
    reserved = share.pool.reserved
    collecting = sorted((lot for lot in share.lots if lot in reserved), key=lambda lot: reserved[lot][0])
    lots = sorted((lot for lot in share.lots if lot.home is share), key=lambda lot: lot.key)
    merged: dict[int, list[Lot]] = {}
    for lot in lots[_EXACT:]:
        merged.setdefault(lot.units_of(share), []).append(lot)
    return (
        *(_demand(share, [lot], lot.asked_at) for lot in collecting),
        *(_demand(share, [lot], None) for lot in lots[:_EXACT]),
        *(_demand(share, lots, None) for lots in merged.values()),
    )


def _demand(share: TenantShare, lots: list[Lot], reserved_at: float | None) -> Demand:
    first = lots[0]
    return Demand(
        priority=first.terms.priority,
        since=first.terms.since,
        units=first.units_of(share),
        waiting=sum(map(len, lots)),
        asked_at=share.waits_from,
        reserved_at=reserved_at,
    )
