"""What an operator says about a pool: how much there is, and what its tenants may have or must lend."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from hardpoint.plugin_api import UsageError

RESERVE_AFTER_S = 30.0


class Tenant(NamedTuple):
    """Who is shared between: projects first, then the domains of a project.

    >>> Tenant("ads", "production").project
    'ads'
    """

    project: str
    domain: str


class TenantPolicy(msgspec.Struct, frozen=True, omit_defaults=True):
    """The place of a project in a pool, or of a domain within its project.

    Args:
        weight: How much more than a sibling of weight 1 it is meant to hold, > 0.
        guarantee: Units it gets before anybody who has its guarantee already.
        cap: Most units it may hold; None for no limit.
        lend: Units of an unused guarantee that others may use; None for all. What it does not lend is
            always kept free for it.

    Raises:
        UsageError: Values that contradict each other.

    >>> TenantPolicy(guarantee=5, lend=2).kept
    3
    """

    weight: float = 1.0
    guarantee: int = 0
    cap: int | None = None
    lend: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.weight < float("inf"):
            raise UsageError(f"The weight of a tenant is {self.weight:g}", hint="Give a number above 0")
        if self.guarantee < 0 or (self.cap is not None and self.cap < self.guarantee):
            raise UsageError(
                f"A guarantee of {self.guarantee} units does not lie between 0 and the cap of {self.cap}",
                hint="Raise `cap=` or lower `guarantee=`",
            )
        if self.lend is not None and self.lend < 0:
            raise UsageError(f"A tenant lends {self.lend} units", hint="Give `lend=0` to lend nothing")

    @property
    def kept(self) -> int:
        """Units of the guarantee that are never lent."""
        return 0 if self.lend is None else max(0, self.guarantee - self.lend)


class PoolPolicy(msgspec.Struct, frozen=True, omit_defaults=True):
    """Capacity of a pool, and the policies of its tenants.

    Args:
        capacity: Units; None for no limit.
        projects: Policies of projects, by name.
        domains: Policies of domains within their projects.
        each_project: The policy of a project that is not named.
        each_domain: The policy of a domain that is not named.
        reserve_after_s: Seconds after which a claim of several units collects what becomes free, once it
            is its turn; None if this pool never waits for one.

    >>> pool = PoolPolicy(capacity=40, each_project=TenantPolicy(cap=20))
    >>> pool.of_project("ads").cap, pool.of_domain(Tenant("ads", "test")).cap
    (20, None)
    """

    capacity: int | None = None
    projects: dict[str, TenantPolicy] = {}
    domains: dict[Tenant, TenantPolicy] = {}
    each_project: TenantPolicy = TenantPolicy()
    each_domain: TenantPolicy = TenantPolicy()
    reserve_after_s: float | None = RESERVE_AFTER_S

    def __post_init__(self) -> None:
        if self.capacity is not None and self.capacity < 0:
            raise UsageError(
                f"The capacity of a pool is {self.capacity}", hint="Give 0 to close it, None for no limit"
            )

    def of_project(self, project: str) -> TenantPolicy:
        """How a project counts among projects."""
        return self.projects.get(project, self.each_project)

    def of_domain(self, tenant: Tenant) -> TenantPolicy:
        """How a domain counts among the domains of its project."""
        return self.domains.get(tenant, self.each_domain)

    @property
    def is_limited(self) -> bool:
        """Whether anything in it could ever make a claim wait."""
        return self.capacity is not None or any(
            policy.cap is not None
            for policy in (
                self.each_project,
                self.each_domain,
                *self.projects.values(),
                *self.domains.values(),
            )
        )
