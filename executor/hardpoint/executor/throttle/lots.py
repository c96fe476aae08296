"""Nodes that wait alike: same execution, same claims, one small object for all of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from hardpoint.executor.throttle.keys import LotKey
from hardpoint.executor.throttle.policy import Tenant
from hardpoint.plugin_api import ResourceClaim

if TYPE_CHECKING:
    from hardpoint.executor.throttle.tenants import TenantShare

Holder: TypeAlias = tuple[str, str]
"""An execution and a node in it, or an item of one: whatever holds one claim."""


class LotTerms(NamedTuple):
    """What the holders of a lot have in common.

    Args:
        execution: Whose nodes they are.
        tenant: Who is charged.
        claims: Units of pools, all or none; one claim a pool, sorted by it.
        since: Age of the execution: when it was submitted, in seconds.
        priority: Larger goes first, within the tenant.
        preemptible: Whether a holder may be asked to give back what it was granted.
    """

    execution: str
    tenant: Tenant
    claims: tuple[ResourceClaim, ...]
    since: float
    priority: int
    preemptible: bool


class Need(NamedTuple):
    """Units of one pool, and the share of the tenant that they are booked on."""

    share: TenantShare
    units: int


def merged(claims: Iterable[ResourceClaim]) -> tuple[ResourceClaim, ...]:
    """One claim a pool, in the order of their names; claims of nothing fall out.

    >>> claims = [ResourceClaim("b"), ResourceClaim("a"), ResourceClaim("b", 2)]
    >>> [(each.pool, each.units) for each in merged(claims)]
    [('a', 1), ('b', 3)]
    """
    units: dict[str, int] = {}
    for claim in claims:
        units[claim.pool] = units.get(claim.pool, 0) + claim.units
    return tuple(ResourceClaim(pool, units[pool]) for pool in sorted(units) if units[pool] > 0)


class Lot:
    """Waiting and granted holders of one kind; first asked, first granted.

    While it waits it stands in the line of one pool only, its `home`: one that has just refused it. A lot
    that is blocked elsewhere is thus in nobody's way.
    """

    __slots__ = ("_asked", "_gone", "_queue", "executor", "granted", "home", "key", "needs", "seq", "terms")

    def __init__(self, terms: LotTerms, needs: tuple[Need, ...], *, executor: str, seq: int) -> None:
        self.terms = terms
        self.needs = needs
        self.executor = executor
        self.seq = seq
        self.home: TenantShare | None = None
        self.key: LotKey = (0, 0.0, "", "", 0.0, 0)
        self.granted: dict[Holder, float] = {}
        self._queue: deque[Holder] = deque()
        # When they asked: one entry for all that asked at the same moment.
        self._asked: deque[list[float]] = deque()
        self._gone: set[Holder] = set()

    def __len__(self) -> int:
        return len(self._queue) - len(self._gone)

    @property
    def reserve_after_s(self) -> float | None:
        """How long its next holder waits before it collects units; None if it has no reason to.

        One unit is granted as soon as it is free. Several, of one pool or of more, may never be free at once.
        """
        collecting = [need for need in self.needs if need.share.pool.collects]
        if sum(need.units for need in collecting) <= 1:
            return None
        return min(need.share.pool.policy.reserve_after_s or 0.0 for need in collecting)

    def is_due(self, now: float) -> bool:
        """Whether its next holder may make a reservation, when it is its turn."""
        after_s = self.reserve_after_s
        return after_s is not None and now >= self.asked_at + after_s

    @property
    def asked_at(self) -> float:
        """When the next holder asked."""
        return self._asked[0][0]

    def units_of(self, share: TenantShare) -> int:
        """What a holder claims of the pool of a share."""
        return next(need.units for need in self.needs if need.share is share)

    def add(self, holder: Holder, now: float) -> None:
        """Put a holder last."""
        if holder in self._gone:
            self._forget_gone()
        self._queue.append(holder)
        if self._asked and self._asked[-1][0] == now:
            self._asked[-1][1] += 1
        else:
            self._asked.append([now, 1])
            if len(self._asked) == 1:
                self._set_key()

    def withdraw(self, holder: Holder) -> bool:
        """Let a waiting holder go; its place is cleared when it comes to the front. False if it had gone."""
        if not self or holder in self._gone or holder in self.granted:
            return False
        self._gone.add(holder)
        if len(self._gone) == len(self._queue):
            self.clear()
        elif self._queue[0] in self._gone:
            self._clear_front()
        return True

    def take(self) -> Holder:
        """Take the next holder out of the queue."""
        holder = self._queue.popleft()
        self._count_down()
        if self._gone:
            self._clear_front()
        return holder

    def clear(self) -> None:
        """Let everybody go who waits."""
        self._queue.clear()
        self._asked.clear()
        self._gone.clear()

    def waiting(self) -> list[Holder]:
        """Who waits, first asked first."""
        return [holder for holder in self._queue if holder not in self._gone]

    def place_of(self, holder: Holder) -> int:
        """How many of the lot go before a holder."""
        return self.waiting().index(holder)

    def _clear_front(self) -> None:
        while self._queue and self._queue[0] in self._gone:
            self._gone.discard(self._queue.popleft())
            self._count_down()

    def _count_down(self) -> None:
        front = self._asked[0]
        front[1] -= 1
        if not front[1]:
            self._asked.popleft()
            if self._asked:
                self._set_key()

    def _set_key(self) -> None:
        terms = self.terms
        self.key = (-terms.priority, terms.since, self.executor, terms.execution, self.asked_at, self.seq)

    def _forget_gone(self) -> None:
        times = [at for at, count in self._asked for _ in range(int(count))]
        kept = [
            (holder, at) for holder, at in zip(self._queue, times, strict=True) if holder not in self._gone
        ]
        self.clear()
        for holder, at in kept:
            self.add(holder, at)
