"""Who may hold what, and who is next: the face of everything else in this package."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from hardpoint.executor.throttle.book import Book
from hardpoint.executor.throttle.deciding import Round
from hardpoint.executor.throttle.explaining import Usage, Why, explain, usage_of
from hardpoint.executor.throttle.foreign import Demand, ForeignClaim, Held
from hardpoint.executor.throttle.keys import microseconds
from hardpoint.executor.throttle.lots import Holder, Lot, LotTerms, merged
from hardpoint.executor.throttle.oversize import TooLarge, excess
from hardpoint.executor.throttle.policy import PoolPolicy, Tenant
from hardpoint.executor.throttle.preemption import Preemption
from hardpoint.executor.throttle.reporting import Reporter, Standing
from hardpoint.plugin_api import ResourceClaim


class Throttle:
    """Shares the units of pools among tenants, max-min fairly by what is held.

    A free unit goes to the eligible project, and in it the domain, that is furthest under its guarantee,
    else holds the least per weight, else has used the fewest slot-seconds per weight, else waited longest;
    in a domain to the execution with the highest priority, else the oldest; in it to whoever asked first.
    A claim over several pools is granted all or none. Nothing that fits is left waiting, except what is
    left free for another executor and what reservations collect. Calls only note what happened; `decide`
    grants. One thread owns it; times are seconds since the epoch and never go back.

    Args:
        policy: Asked for each pool when it is first claimed, and again after nobody used it; in between,
            `configure` changes it.
        executor: Name of this executor among those that share pools over one database.

    >>> throttle = Throttle(lambda pool: PoolPolicy(capacity=2))
    >>> lots = {
    ...     name: throttle.lot(name, Tenant(name, "production"), [ResourceClaim("athena")], since=0.0)
    ...     for name in ("ads", "search")
    ... }
    >>> for node in ("a", "b", "c"):
    ...     throttle.ask(lots["ads"], ("ads", node), now=1.0)
    >>> throttle.decide(now=1.0)
    [('ads', 'a'), ('ads', 'b')]
    >>> throttle.ask(lots["search"], ("search", "z"), now=2.0)
    >>> throttle.release(("ads", "a"), now=3.0)
    >>> throttle.decide(now=3.0)
    [('search', 'z')]
    """

    def __init__(self, policy: Callable[[str], PoolPolicy], executor: str = "") -> None:
        self._book = Book(policy, executor)
        self._too_large: dict[Lot, None] = {}
        self._preemption = Preemption()
        self._reporter = Reporter()

    def lot(
        self,
        execution: str,
        tenant: Tenant,
        claims: Iterable[ResourceClaim],
        *,
        since: float,
        priority: int = 0,
        preemptible: bool = False,
    ) -> Lot:
        """The lot of nodes of an execution that want the same; the same object for the same terms.

        Args:
            execution: Whose nodes they are.
            tenant: Who is charged.
            claims: Units of pools, all or none.
            since: When the execution was submitted: among equal priorities the older goes first.
            priority: Larger goes first, within the tenant.
            preemptible: Whether `victims` may name its holders.
        """
        terms = LotTerms(execution, tenant, merged(claims), since, priority, preemptible)
        return self._book.lot(terms)

    def ask(self, lot: Lot, holder: Holder, now: float) -> None:
        """Let a holder wait for what its lot claims, once; one that holds it already is passed over."""
        if holder in self._book.holds:
            return
        before = lot.key
        lot.add(holder, now)
        if len(lot) == 1:
            self._book.begin_waiting(lot, now)
            if excess(lot):
                self._set_aside(lot)
        elif lot.key is not before:
            self._book.move_up(lot)
        if lot.home is not None:
            self._book.stirred[lot.home] = None

    def grant_now(self, lot: Lot, holder: Holder, now: float) -> bool:
        """Grant a claim at once where nobody waits and it fits, so that there is nothing to decide.

        Returns:
            Whether it was granted; else it has to `ask`.
        """
        if len(lot) or holder in self._book.holds:
            return False
        for share, units in lot.needs:
            pool = share.pool
            if pool.waiting or pool.foreign or pool.reserved or pool.refusal(share, units, 0) is not None:
                return False
        self._book.grant(lot, holder, now)
        return True

    @property
    def is_waited_for(self) -> bool:
        """Whether anybody here waits for anything."""
        return self._book.waiting > 0

    def withdraw(self, lot: Lot, holder: Holder) -> None:
        """Let a holder that waits in a lot wait no more."""
        before = lot.key
        collecting = lot in self._book.reservations
        if not lot.withdraw(holder):
            return
        if not lot:
            self._too_large.pop(lot, None)
            self._book.end_waiting(lot)
        elif lot.key is not before:
            # What it collected was for a holder that is gone.
            if collecting:
                self._book.reservations.end(lot)
                self._book.touch(lot)
                self._book.fresh[lot] = None
            self._book.move_up(lot)

    def hold(self, lot: Lot, holder: Holder, now: float) -> None:
        """Book what an adopted attempt holds, whether or not it fits."""
        if holder not in self._book.holds:
            self._book.grant(lot, holder, now)

    def release(self, holder: Holder, now: float) -> None:
        """Give back what a holder holds, if anything."""
        lot = self._book.give_back(holder, now)
        if lot is not None:
            self._preemption.forget(holder)

    def leave(self, execution: str, now: float) -> None:
        """Drop everything of an execution: who waits, and what is held."""
        for lot in self._book.runs.pop(execution, {}).values():
            if lot:
                lot.clear()
                self._too_large.pop(lot, None)
                self._book.end_waiting(lot)
            for holder in list(lot.granted):
                self.release(holder, now)
            self._book.drop(lot)

    def decide(self, now: float, only: Collection[str] | None = None) -> list[Holder]:
        """Grant what can be granted; the work depends on what changed, not on how many wait.

        Args:
            now: Seconds.
            only: Pools to decide on, by name; None for all. Others are decided on some other time.

        Returns:
            Who was granted, in that order; already booked.
        """
        decision = Round(self._book, now, only)
        decision.run()
        return decision.granted

    def configure(self, pool: str, policy: PoolPolicy | None) -> None:
        """Change the policy of a pool: raise, lower or, with None, take every limit from it.

        Nothing that is held is taken away; if it is too much now, nothing is granted until it fits.
        """
        known = self._book.pools.get(pool)
        if known is None:
            return
        known.follow(policy or PoolPolicy())
        self._book.dirty[pool] = known
        for lot in self._book.lots_of(known):
            if excess(lot):
                self._set_aside(lot)
            elif lot in self._too_large:
                del self._too_large[lot]
                self._book.fresh[lot] = None
            else:
                self._book.reservations.watch(lot)
        self._book.drop_unused(known)

    def resize(self, pool: str, capacity: int) -> bool:
        """Set how much there is of a pool, whatever its policy says; cheap, for what changes all the time.

        Returns:
            Whether that is not what there was.
        """
        known = self._book.pool(pool)
        if known.root.cap == capacity:
            return False
        known.root.cap = capacity
        self._book.dirty[pool] = known
        return True

    def waited_for(self) -> list[str]:
        """Pools that somebody here waits for."""
        return [name for name, pool in self._book.pools.items() if pool.waiting]

    def touched(self) -> list[str]:
        """Pools that somebody here claims, or of which other executors have to hear."""
        claimed = {name for name, pool in self._book.pools.items() if pool.users}
        return sorted(claimed.union(share.pool.name for share in self._book.stirred))

    def held_by(self, holder: Holder) -> Lot:
        """The lot by whose terms a holder was granted."""
        return self._book.holds[holder]

    def too_large(self) -> list[TooLarge]:
        """Claims that could never be granted; their holders wait no more."""
        found = []
        for lot in self._too_large:
            excessive = excess(lot)
            assert excessive is not None
            found.append(TooLarge(tuple(lot.waiting()), *excessive))
            lot.clear()
            self._book.end_waiting(lot)
        self._too_large.clear()
        return found

    @property
    def next_due(self) -> float | None:
        """When to decide again though nothing happens, in seconds: a lot may make a reservation then."""
        return self._book.reservations.next_due

    def others_hold(self, pool: str, tenant: Tenant, held: Held) -> None:
        """Take over what all other executors `together` hold of a pool for a tenant."""
        share = self._book.pool(pool).tenant(tenant)
        news = [
            share.others_hold(held.units, microseconds(held.slot_s), self._book.us(held.at)),
            share.forfeit(microseconds(held.forfeited_s)),
            share.project.forfeit(microseconds(held.project_forfeited_s)),
        ]
        if any(news):
            self._book.dirty[pool] = share.pool
        self._book.drop_unused(share.pool)

    def others_want(self, executor: str, pool: str, tenant: Tenant, demands: Sequence[Demand]) -> None:
        """Take over what another executor wants of a pool for a tenant; nothing if it is gone.

        What fairly belongs to it is left free, in each round of decisions anew.
        """
        share = self._book.pool(pool).tenant(tenant)
        before = share.foreign.get(executor, [])
        if [claim.demand for claim in before] != list(demands):
            numbers = self._book.numbers
            claims = [ForeignClaim(executor, each, share, seq=next(numbers)) for each in demands]
            # The new ones first: in between the tenant must not seem idle.
            for claim in claims:
                claim.begin()
            for claim in before:
                claim.end()
            share.foreign[executor] = claims
            self._book.dirty[pool] = share.pool
        self._book.drop_unused(share.pool)

    def wants(self, now: float) -> list[Standing]:
        """What this executor wants and holds, where it changed since the last call."""
        return self._reporter.changes(self._book, now)

    def victims(self, now: float) -> list[Holder]:
        """Holders to preempt now, so that who holds less than its share gets it; each is named once."""
        return self._preemption.victims(self._book, now)

    def why(self, lot: Lot, now: float, holder: Holder | None = None) -> Why | None:
        """Why the next holder of a lot waits, or the one that is named; None if it does not."""
        return explain(self._book, lot, holder, now)

    def usage(self, pool: str, now: float) -> list[Usage]:
        """What each project of a pool holds, wants and may have, each followed by its domains."""
        return usage_of(self._book, pool, now)

    def _set_aside(self, lot: Lot) -> None:
        self._too_large[lot] = None
        self._book.leave_line(lot)
        self._book.fresh.pop(lot, None)
        if lot in self._book.reservations:
            self._book.reservations.end(lot)
            self._book.touch(lot)
