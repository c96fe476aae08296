"""One pool: how much is free, what refuses a claim, and who is next."""

from __future__ import annotations

import enum
from typing import NamedTuple, TypeAlias

from hardpoint.executor.throttle.keys import LotKey, ShareKey
from hardpoint.executor.throttle.lots import Lot
from hardpoint.executor.throttle.policy import PoolPolicy, Tenant
from hardpoint.executor.throttle.shares import Share
from hardpoint.executor.throttle.tenants import Resident, TenantShare

UNLIMITED = 1 << 62

Order: TypeAlias = tuple[float, str, int]
"""Place of a reservation among all: when it was asked, by which executor, its number there."""

Rank: TypeAlias = tuple[ShareKey, ShareKey, LotKey]
"""Place among all who want something of a pool; smaller goes first."""


class Limit(enum.StrEnum):
    """What makes a claim wait."""

    TOO_LARGE = "too_large"
    CAP = "cap"
    CAPACITY = "capacity"
    RESERVATION = "reservation"
    LEND = "lend"
    SHARE = "share"


class Candidate(NamedTuple):
    """Who would be next in a pool.

    Args:
        share: Its tenant.
        units: What it wants.
        resident: A lot of ours, or a demand of another executor.
    """

    share: TenantShare
    units: int
    resident: Resident

    @property
    def rank(self) -> Rank:
        """Its place among all."""
        return self.share.rank(self.resident.key)


class Pool:
    """A pool and the tree of its tenants.

    Args:
        name: As in the claims.
        policy: Capacity and tenants.
    """

    __slots__ = (
        "collects",
        "foreign",
        "is_limited",
        "keeps",
        "name",
        "policy",
        "preemptible",
        "reserved",
        "root",
        "set_aside",
        "tenants",
        "users",
        "waiting",
    )

    def __init__(self, name: str, policy: PoolPolicy) -> None:
        self.name = name
        self.root = Share(name, None)
        self.tenants: dict[Tenant, TenantShare] = {}
        # Lots that claim it, demands of other executors, and preemptible holders.
        self.users = self.foreign = self.preemptible = 0
        # Lots in which somebody waits.
        self.waiting = 0
        # What reservations collect, by who made them: nobody else may have it.
        self.reserved: dict[object, tuple[Order, int]] = {}
        self.set_aside = 0
        self.follow(policy)

    def follow(self, policy: PoolPolicy) -> None:
        """Go by another policy from now on; what is held stays held."""
        self.policy = policy
        self.is_limited = policy.is_limited
        self.collects = policy.capacity is not None and policy.reserve_after_s is not None
        self.keeps = any(
            each.kept
            for each in (
                policy.each_project,
                policy.each_domain,
                *policy.projects.values(),
                *policy.domains.values(),
            )
        )
        self.root.cap = policy.capacity
        # Domains first: a project stands in line only if somebody in it does.
        for tenant, share in self.tenants.items():
            share.follow(policy.of_domain(tenant))
        for project in self.root.parts.values():
            project.follow(policy.of_project(project.name))
        # Those who keep something free must count before they ask for the first time.
        for name, terms in policy.projects.items():
            if terms.kept:
                self.project(name)
        for tenant, terms in policy.domains.items():
            if terms.kept:
                self.tenant(tenant)

    def project(self, name: str) -> Share:
        """The share of a project."""
        share = self.root.parts.get(name)
        if share is None:
            share = self.root.parts[name] = Share(name, self.root)
            share.follow(self.policy.of_project(name))
        return share

    def tenant(self, tenant: Tenant) -> TenantShare:
        """The share of a tenant."""
        share = self.tenants.get(tenant)
        if share is None:
            project = self.project(tenant.project)
            share = self.tenants[tenant] = TenantShare(tenant, project, self)
            project.parts[tenant.domain] = share
            share.follow(self.policy.of_domain(tenant))
        return share

    @property
    def free(self) -> int:
        """Units that nobody holds; negative after the capacity was lowered."""
        return UNLIMITED if self.root.cap is None else self.root.cap - self.root.held

    def most(self, share: TenantShare) -> tuple[int, Limit]:
        """The most units a tenant could ever be granted at once, and what limits them."""
        project = share.project
        kept = siblings = own = 0
        if self.keeps:
            siblings = sum(each.kept for each in project.parts.values()) - share.kept
            kept = sum(_kept(each) for each in self.root.parts.values()) - _kept(project) + siblings
            own = max(share.kept, project.kept - siblings)
        return min(
            (UNLIMITED if self.root.cap is None else self.root.cap, Limit.CAPACITY),
            (UNLIMITED if self.root.cap is None else max(self.root.cap - kept, own), Limit.LEND),
            (UNLIMITED if project.cap is None else project.cap, Limit.CAP),
            (UNLIMITED if project.cap is None else max(project.cap - siblings, own), Limit.LEND),
            (UNLIMITED if share.cap is None else share.cap, Limit.CAP),
        )

    def aside_before(self, order: Order) -> int:
        """Units that reservations older than this one have collected."""
        return sum(units for each, units in self.reserved.values() if each < order)

    def refusal(self, share: TenantShare, units: int, aside: int) -> Limit | None:
        """What makes a claim wait now; None if it fits.

        Args:
            share: The tenant.
            units: Wanted.
            aside: Units that reservations of others have collected.
        """
        project = share.project
        if share.cap is not None and share.held + units > share.cap:
            return Limit.CAP
        if project.cap is not None and project.held + units > project.cap:
            return Limit.CAP
        free = self.free
        if units > free - aside:
            return Limit.CAPACITY if units > free else Limit.RESERVATION
        if self.root.inner and not share.may_borrow(units, aside):
            return Limit.LEND
        return None

    def next(self, now: float | None = None) -> Candidate | None:
        """Who gets the next free unit.

        Args:
            now: Count lots in that are due for a reservation now, though they do not fit; None: do not.
        """
        cap = self.root.cap
        room = UNLIMITED if cap is None else cap - self.root.held - self.set_aside
        if room <= 0:
            return None
        best: Candidate | None = None
        for units in list(self.root.lines):
            fitting = self._first(units, room) if units <= room else None
            if fitting is not None:
                best = _better(best, fitting, units)
            # Only where something beside the number of units refused is there another to look at.
            if now is not None and self.collects and (fitting is None or self.root.inner):
                share = self.first_of(units)
                if share is not None and _is_due(share.residents[units].first(), now):
                    best = _better(best, share, units)
        return best

    def goes_before(self, rank: Rank) -> bool:
        """Whether somebody who stands here goes before a place, however little is free."""
        shares = ((units, self.first_of(units)) for units in list(self.root.lines))
        return any(
            resident is not None and share.rank(resident.key) < rank
            for units, share in shares
            if share is not None
            for resident in (share.residents[units].first(),)
        )

    def _first(self, units: int, room: int) -> TenantShare | None:
        """Who is first of those who want so many units and may have them now."""
        return self.first_of(units) if room >= units + self.root.inner else self._first_keeper(units)

    def first_of(self, units: int) -> TenantShare | None:
        """Who is first of those who want so many units, whether or not they are free."""
        line = self.root.lines.get(units)
        while line is not None and (project := line.first()) is not None:
            if project.has_room(units) and (share := self._first_in(project, units)) is not None:
                return share
            # It comes back when what it holds changes, or who waits in it.
            line.drop(project)
        return None

    def _first_in(self, project: Share, units: int) -> TenantShare | None:
        line = project.lines.get(units)
        while line is not None and (share := line.first()) is not None:
            assert isinstance(share, TenantShare)
            if not share.has_room(units):
                line.drop(share)
            elif project.inner and project.cap is not None and share.taken_from_own(units) is None:
                return self._first_spared(project, units)
            else:
                return share
        return None

    def _first_spared(self, project: Share, units: int) -> TenantShare | None:
        for share in project.lines[units].in_order():
            assert isinstance(share, TenantShare)
            if share.has_room(units) and share.taken_from_own(units) is not None:
                return share
        return None

    def _first_keeper(self, units: int) -> TenantShare | None:
        """Nothing is left but what somebody keeps: only those who keep something may have it."""
        for project in sorted(self.root.keepers, key=lambda each: each.key):
            line = project.lines.get(units)
            for share in line.in_order() if line and project.has_room(units) else ():
                assert isinstance(share, TenantShare)
                if share.has_room(units) and share.may_borrow(units, self.set_aside):
                    return share
        return None


def _better(best: Candidate | None, share: TenantShare, units: int) -> Candidate:
    resident = share.residents[units].first()
    assert resident is not None
    candidate = Candidate(share, units, resident)
    return best if best is not None and best.rank < candidate.rank else candidate


def _is_due(resident: Resident | None, now: float) -> bool:
    return isinstance(resident, Lot) and resident.is_due(now)


def _kept(project: Share) -> int:
    return max(project.kept, sum(each.kept for each in project.parts.values()))
