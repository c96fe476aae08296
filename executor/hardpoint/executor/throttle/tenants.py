"""A tenant in a pool: the leaf of the tree, where lots stand in line and units are booked."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, Union

from hardpoint.executor.throttle.keys import LotKey, ShareKey
from hardpoint.executor.throttle.lines import Line
from hardpoint.executor.throttle.policy import Tenant
from hardpoint.executor.throttle.shares import Share

if TYPE_CHECKING:
    from hardpoint.executor.throttle.foreign import ForeignClaim
    from hardpoint.executor.throttle.lots import Lot
    from hardpoint.executor.throttle.pool import Pool

Resident: TypeAlias = Union["Lot", "ForeignClaim"]
"""What stands in the line of a tenant: a lot of ours, or a demand of another executor."""


class TenantShare(Share):
    """A domain of a project in a pool: whose lots wait and hold there.

    Args:
        tenant: Project and domain.
        project: The share of its project.
        pool: Whose tree it is in.
    """

    __slots__ = (
        "foreign",
        "holding",
        "lots",
        "others_held",
        "others_offset_us",
        "own_held",
        "own_offset_us",
        "pool",
        "project",
        "residents",
        "tenant",
    )

    def __init__(self, tenant: Tenant, project: Share, pool: Pool) -> None:
        super().__init__(tenant.domain, project)
        self.tenant = tenant
        self.project = project
        self.pool = pool
        self.residents: dict[int, Line[Resident]] = {}
        self.below = self.residents
        # All lots that claim units here, also those that stand elsewhere.
        self.lots: dict[Lot, None] = {}
        self.holding: dict[Lot, None] = {}
        self.foreign: dict[str, list[ForeignClaim]] = {}
        self.own_held = self.own_offset_us = 0
        self.others_held = self.others_offset_us = 0

    def book(self, units: int, now_us: int) -> None:
        """Let it and all above it hold more; negative: less."""
        self.add(units, now_us)
        self.project.add(units, now_us)
        self.pool.root.held += units

    def others_hold(self, units: int, used_us: int, now_us: int) -> bool:
        """Take over what other executors hold, and the slot time they had used by now; whether it is news."""
        more_us = used_us - (self.others_offset_us + self.others_held * now_us)
        more = units - self.others_held
        if not (more or more_us):
            return False
        self.others_held, self.others_offset_us = units, used_us - units * now_us
        for share in (self, self.project):
            share.offset_us += more_us
        self.book(more, now_us)
        return True

    def enter(self, resident: Resident, units: int) -> None:
        """Let somebody stand in its line."""
        line = self.residents.get(units)
        if line is None:
            line = self.residents[units] = Line()
        line.put(resident, resident.key)
        self.move()
        self.project.move()

    def exit(self, resident: Resident, units: int) -> None:
        """Let somebody stand in its line no more."""
        line = self.residents[units]
        line.drop(resident)
        if line:
            return
        del self.residents[units]
        root = self.pool.root
        for lines, share in ((self.project.lines, self), (root.lines, self.project)):
            if units not in lines:
                return
            lines[units].drop(share)
            if lines[units]:
                return
            del lines[units]

    def taken_from_own(self, units: int) -> int | None:
        """How many of so many units its project never lends anyway; None if its siblings keep too many."""
        project = self.project
        own = self.reserve - max(0, self.kept - self.held - units)
        inner = project.inner - own
        if own < units and project.cap is not None and project.cap - project.held - units < inner:
            return None
        return project.reserve - max(project.kept - project.held - units, inner, 0)

    def may_borrow(self, units: int, set_aside: int) -> bool:
        """Whether what others never lend stays free if it gets so many units.

        Args:
            units: Wanted.
            set_aside: Units of the pool that reservations have collected.
        """
        own = self.taken_from_own(units)
        root = self.pool.root
        if own is None or root.cap is None:
            return own is not None
        return own == units or root.cap - root.held - units - set_aside >= root.inner - own

    def rank(self, resident_key: LotKey) -> tuple[ShareKey, ShareKey, LotKey]:
        """Where somebody stands among all who want something of the pool."""
        return (self.project.key, self.key, resident_key)
