"""What is held and wanted of pools at one moment, as a throttle: to ask why somebody waits, or until when."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from hardpoint.executor.engine.shared_pools import Said
from hardpoint.executor.journal.protocol import ExecutionRow
from hardpoint.executor.journal.shared import ALIVE_S, Lease, PoolRows, Wanted
from hardpoint.executor.throttle.foreign import Held
from hardpoint.executor.throttle.lots import Holder, Lot
from hardpoint.executor.throttle.policy import PoolPolicy, Tenant
from hardpoint.executor.throttle.throttle import Throttle
from hardpoint.plugin_api import ResourceClaim

PolicyOf = Callable[[str], PoolPolicy]


class Busy(msgspec.Struct, frozen=True):
    """An attempt that holds units.

    Args:
        holder: Its run and node.
        tenant: Who is charged.
        claims: What it holds.
        since: When it began; None if that is not known.
    """

    holder: Holder
    tenant: Tenant
    claims: tuple[ResourceClaim, ...]
    since: float | None = None


class Claimant(msgspec.Struct, frozen=True):
    """Nodes of one run that wait for the same.

    Args:
        execution: Their run; a name in angle brackets if it is not known which one it is.
        tenant: Who is to be charged.
        claims: Units of pools, all or none.
        nodes: Who waits, the first to have asked first.
        asked_at: When it asked; seconds since the epoch.
        since: Age of the run: when it was submitted.
        priority: Larger goes first, within the tenant.
    """

    execution: str
    tenant: Tenant
    claims: tuple[ResourceClaim, ...]
    nodes: tuple[str, ...]
    asked_at: float
    since: float = 0.0
    priority: int = 0


class Situation(msgspec.Struct, frozen=True):
    """What is held and wanted.

    Args:
        busy: Who holds what.
        claimants: Who waits.
        used: Slot-seconds used up to now, by pool and tenant; the units are those of `busy`.
    """

    busy: tuple[Busy, ...] = ()
    claimants: tuple[Claimant, ...] = ()
    used: Mapping[tuple[str, Tenant], Held] = {}

    def joined(self, other: Situation) -> Situation:
        """Both together."""
        used = {**self.used, **other.used}
        return Situation(self.busy + other.busy, self.claimants + other.claimants, used)


class Rebuilt(msgspec.Struct, frozen=True):
    """A throttle in that situation.

    Args:
        throttle: Nothing is decided yet.
        lots: One for each claimant, in their order; several may share one.
    """

    throttle: Throttle
    lots: tuple[Lot, ...]


def rebuild(situation: Situation, policy: PolicyOf, now: float) -> Rebuilt:
    """A throttle in which everybody holds and wants what they do.

    All wait in this one throttle, in whichever executor they do: so it decides as all of them together.

    >>> both = (ResourceClaim("db", 2),)
    >>> waits = Claimant("r2", Tenant("ads", "test"), both, ("a", "b"), asked_at=1.0)
    >>> here = Situation((Busy(("r1", "x"), Tenant("ads", "test"), both),), (waits,))
    >>> made = rebuild(here, lambda pool: PoolPolicy(capacity=4), now=5.0)
    >>> made.throttle.decide(5.0), made.throttle.why(made.lots[0], 5.0).limit.value
    ([('r2', 'a')], 'capacity')
    """
    throttle = Throttle(policy)
    # Before anything else is said of a pool: one that no lot claims is forgotten at once.
    holding = [
        (throttle.lot(each.holder[0], each.tenant, each.claims, since=0.0), each) for each in situation.busy
    ]
    lots = tuple(
        throttle.lot(each.execution, each.tenant, each.claims, since=each.since, priority=each.priority)
        for each in situation.claimants
    )
    for key, used in situation.used.items():
        throttle.others_hold(*key, used)
    # Those who used least first: whoever comes later than a busy tenant with more would lose its advantage.
    for lot, busy in sorted(holding, key=lambda each: _used_s(situation, each[1])):
        throttle.hold(lot, busy.holder, now)
    asking = zip(lots, situation.claimants, strict=True)
    for lot, claimant in sorted(asking, key=lambda each: each[1].asked_at):
        for node in claimant.nodes:
            throttle.ask(lot, (claimant.execution, node), min(now, claimant.asked_at))
    return Rebuilt(throttle, lots)


def _used_s(situation: Situation, busy: Busy) -> float:
    every = (situation.used.get((claim.pool, busy.tenant)) for claim in busy.claims)
    return max((used.slot_s + used.forfeited_s for used in every if used is not None), default=0.0)


def of_holdings(rows: PoolRows, now: float) -> Situation:
    """What tenants hold and have used, whoever it is that holds it for them."""
    busy = (
        Busy((f"<{each.pool}>", "/".join(tenant)), tenant, (ResourceClaim(each.pool, each.units),))
        for each in rows.holdings
        if each.units
        for tenant in [Tenant(each.project, each.domain)]
    )
    return Situation(tuple(busy), (), _used(rows, now))


def of_leases(leases: Iterable[tuple[str, Lease]], rows: PoolRows, now: float) -> Situation:
    """What attempts hold, one by one, and what their tenants have used."""
    busy = (
        Busy(
            (execution, lease.node),
            Tenant(lease.project, lease.domain),
            (ResourceClaim(lease.pool, lease.units),),
        )
        for execution, lease in leases
    )
    return Situation(_merged(busy), (), _used(rows, now))


def _used(rows: PoolRows, now: float) -> dict[tuple[str, Tenant], Held]:
    found = {
        (each.pool, Tenant(each.project, each.domain)): Held(
            slot_s=each.slot_s + each.units * max(0.0, now - each.since), at=now
        )
        for each in rows.holdings
    }
    for each in rows.wanted:
        key, said = (each.pool, Tenant(each.project, each.domain)), said_in(each)
        before = found.get(key, Held(at=now))
        found[key] = msgspec.structs.replace(
            before,
            forfeited_s=max(before.forfeited_s, said.forfeited_s),
            project_forfeited_s=max(before.project_forfeited_s, said.project_forfeited_s),
        )
    return found


def said_in(wanted: Wanted) -> Said:
    """What an executor told of a pool and a tenant."""
    return msgspec.json.decode(wanted.demands, type=Said) if wanted.demands else Said()


def _merged(busy: Iterable[Busy]) -> tuple[Busy, ...]:
    """One for each attempt, with its claims on several pools together."""
    found: dict[Holder, Busy] = {}
    for each in busy:
        before = found.get(each.holder)
        claims = each.claims if before is None else before.claims + each.claims
        found[each.holder] = msgspec.structs.replace(each, claims=claims)
    return tuple(found.values())


def of_wanted(rows: PoolRows, running: Sequence[ExecutionRow], now: float) -> Situation:
    """What waits in executors that gave a sign of life lately, as far as they told.

    Args:
        rows: From the store.
        running: Runs that have begun: what an executor tells is matched with them by tenant and age.
        now: Seconds since the epoch.
    """
    ids = {(row.project, row.domain, row.submitted_at): row.execution for row in running}
    claimants = []
    for wanted in rows.wanted:
        if rows.seen.get(wanted.executor, 0.0) < now - ALIVE_S:
            continue
        tenant = Tenant(wanted.project, wanted.domain)
        for number, demand in enumerate(said_in(wanted).demands):
            execution = ids.get((*tenant, demand.since), f"<{wanted.executor}>")
            nodes = tuple(f"{wanted.pool} {number} {each}" for each in range(demand.waiting))
            # Of others than reservations it is only known since when their tenant waits.
            asked_at = now if demand.reserved_at is None else demand.reserved_at
            claims = (ResourceClaim(wanted.pool, demand.units),)
            claimants.append(
                Claimant(execution, tenant, claims, nodes, asked_at, demand.since, demand.priority)
            )
    return Situation((), tuple(claimants))


def without(situation: Situation, execution: str) -> Situation:
    """The same without what a run holds and wants."""
    return msgspec.structs.replace(
        situation,
        busy=tuple(each for each in situation.busy if each.holder[0] != execution),
        claimants=tuple(each for each in situation.claimants if each.execution != execution),
    )
