"""What other executors on the same database hold and want."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from hardpoint.executor.throttle.keys import LotKey

if TYPE_CHECKING:
    from hardpoint.executor.throttle.tenants import TenantShare


class Demand(msgspec.Struct, frozen=True):
    """Claims alike that wait in one executor, for one pool and tenant: the next of them, and how many.

    Args:
        priority: Of the next; the others count as if they were like it.
        since: Age of its execution, in seconds.
        units: What each claims of the pool.
        waiting: How many.
        asked_at: When the tenant began to wait.
        reserved_at: When the next one asked, if it is a reservation.
    """

    priority: int
    since: float
    units: int
    waiting: int
    asked_at: float
    reserved_at: float | None = None


class Held(msgspec.Struct, frozen=True):
    """What an executor, or several together, hold of a pool for one tenant.

    Args:
        units: At the time `at`.
        slot_s: Slot-seconds used until then.
        at: Seconds.
        forfeited_s: Slot-seconds that count as used, within its project, because the tenant was idle.
        project_forfeited_s: The same for its project, in the pool.
    """

    units: int = 0
    slot_s: float = 0.0
    at: float = 0.0
    forfeited_s: float = 0.0
    project_forfeited_s: float = 0.0


def together(each: Iterable[Held], at: float) -> Held:
    """What several executors hold for a tenant, as of one time.

    >>> together([Held(1, 2.0, at=3.0), Held(2, 0.0, at=5.0, forfeited_s=9.0)], at=5.0)
    Held(units=3, slot_s=4.0, at=5.0, forfeited_s=9.0, project_forfeited_s=0.0)
    """
    every = list(each)
    return Held(
        units=sum(held.units for held in every),
        slot_s=sum((held.slot_s + held.units * (at - held.at) for held in every), 0.0),
        at=at,
        # Each executor reports the same total, as far as it has heard of it.
        forfeited_s=max((held.forfeited_s for held in every), default=0.0),
        project_forfeited_s=max((held.project_forfeited_s for held in every), default=0.0),
    )


class ForeignClaim:
    """The demand of another executor, standing in the line of its tenant like a lot of ours.

    Args:
        executor: Whose it is.
        demand: What it wants.
        share: In whose line it stands.
        seq: No other claim and no lot here has the same.
    """

    __slots__ = ("demand", "executor", "key", "left", "share")

    def __init__(self, executor: str, demand: Demand, share: TenantShare, *, seq: int) -> None:
        self.executor = executor
        self.demand = demand
        self.share = share
        self.left = demand.waiting
        self.key: LotKey = (-demand.priority, demand.since, executor, "", 0.0, seq)

    @property
    def asked_at(self) -> float:
        """When the one that waits longest asked."""
        return self.demand.asked_at

    def begin(self) -> None:
        """Stand in the line, or collect units if it is a reservation."""
        share, demand = self.share, self.demand
        share.pool.foreign += 1
        for level in (share, share.project):
            level.want(demand.asked_at)
        if demand.reserved_at is None:
            share.enter(self, demand.units)
        else:
            share.pool.reserved[self] = ((demand.reserved_at, self.executor, 0), demand.units)
            share.pool.set_aside += demand.units

    def end(self) -> None:
        """Want nothing any more."""
        pool = self.share.pool
        pool.foreign -= 1
        for level in (self.share, self.share.project):
            level.want_less()
        if self.demand.reserved_at is None:
            self.share.exit(self, self.demand.units)
        else:
            del pool.reserved[self]
            pool.set_aside -= self.demand.units
