"""Who may start: every attempt asks here, and begins when the throttle has granted what it claims."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from hardpoint.executor.engine.desk import Desk
from hardpoint.executor.engine.node_run import NodeRun
from hardpoint.executor.engine.patience import Patience
from hardpoint.executor.engine.pool_policies import PoolPolicies, run_pool
from hardpoint.executor.engine.run import Run
from hardpoint.executor.engine.shared_pools import SharedPools, is_shared
from hardpoint.executor.journal.events import CancelCause, CancelRequested
from hardpoint.executor.journal.protocol import Append, Pools
from hardpoint.executor.journal.shared import Lease
from hardpoint.executor.throttle.lots import Holder, Lot, merged
from hardpoint.executor.throttle.policy import Tenant
from hardpoint.executor.throttle.throttle import Throttle
from hardpoint.plugin_api import ResourceClaim, Resources

LOOK_EVERY_S = 0.2
"""How often a pool that somebody here waits for is looked at: another executor may have given units back."""
ALIVE_EVERY_S = 1.0
"""How often the others are told that this executor still wants what it wants."""

Claims = tuple[ResourceClaim, ...]
Begin = Callable[[Run, NodeRun], None]


class Governor:
    """Owned by the engine's thread.

    Args:
        desk: Clock, timers and runs.
        pools: What the journal knows of shared pools.
        policies: What holds for each pool.
        patience: For a database that is away.
        executor: Name of this one.
        yields: Whether an attempt of a node may be ended to give its units to others.
        begin: Called with a node that was granted what it claims, while it may still start.
    """

    def __init__(
        self,
        desk: Desk,
        pools: Pools,
        policies: PoolPolicies,
        patience: Patience,
        executor: str,
        yields: Callable[[Run, NodeRun], bool],
        begin: Begin,
    ) -> None:
        self.throttle = Throttle(policies.policy, executor)
        self._desk = desk
        self._policies = policies
        self._yields = yields
        self._begin = begin
        self._shared = SharedPools(self.throttle, pools, patience, executor, self._follow)
        self._leases: dict[str, dict[str, tuple[Lease, ...]]] = {}
        self._local_claims: dict[Resources, Claims] = {}
        self._stirred = False
        self._looking = False
        self._looked_at = 0.0
        self._due: float | None = None

    # What lanes call

    def ask(self, run: Run, node: NodeRun, claims: Claims) -> None:
        """Begin the node's attempt once all of its claims are granted; at once if there are none."""
        wanted = self._wanted(run, claims)
        if not wanted:
            self._begin(run, node)
            return
        lot, holder, now = self._lot(run, node, wanted), (run.id, node.id), self._desk.clock.now()
        own = not any(is_shared(claim.pool) for claim in wanted)
        if own and not self._desk.draining and self.throttle.grant_now(lot, holder, now):
            self._granted(holder)
        else:
            self.throttle.ask(lot, holder, now)
            self._stirred = True

    def local_claims(self, resources: Resources) -> Claims:
        """What a Python task holds of this machine while it runs."""
        claims = self._local_claims.get(resources)
        if claims is None:
            claims = self._local_claims[resources] = self._policies.claims(resources)
        return claims

    def hold(self, run: Run, node: NodeRun, claims: Claims) -> None:
        """Book what an attempt holds that was in flight when its run was adopted."""
        if node.id in self._leases.get(run.id, {}):
            return
        wanted = self._wanted(run, claims)
        if wanted:
            self.throttle.hold(self._lot(run, node, wanted), (run.id, node.id), self._desk.clock.now())
            run.held += self._take(run, node.id, wanted)

    def release(self, run: Run, node: NodeRun) -> None:
        """Give back what a node's attempt holds, if anything."""
        leases = self._leases.get(run.id, {}).pop(node.id, None)
        if leases is None:
            return
        self.throttle.release((run.id, node.id), self._desk.clock.now())
        for lease in leases:
            # What was granted for the commit that is being made now never gets into the database.
            fresh = next((kept for kept in (run.granted, run.held) if lease in kept), None)
            if fresh is not None:
                fresh.remove(lease)
            elif is_shared(lease.pool):
                run.released.append(lease)
        self._stirred = True

    def give_back(self, run: Run, node: NodeRun, claims: Claims) -> None:
        """Tell the others that what an attempt of another engine held is free."""
        if node.id not in self._leases.get(run.id, {}):
            run.released += [each for each in _leases(run, node.id, claims) if is_shared(each.pool)]

    def leave(self, run: Run) -> None:
        """Drop everything of a run: it has ended, or is another engine's now, and holds its units there."""
        now = self._desk.clock.now()
        self.throttle.leave(run.id, now)
        self._leases.pop(run.id, None)
        self._shared.left(run.id, now)
        self._stirred = True

    def resize(self, pool: str, capacity: int) -> None:
        """Set how much there is of a pool of this process."""
        if self.throttle.resize(pool, capacity):
            self._stirred = True

    def committed(self, appends: Sequence[Append]) -> None:
        """What was granted and given back is in the journal."""
        self._shared.committed(appends)

    @property
    def is_waited_for(self) -> bool:
        """Whether anybody waits for anything."""
        return self.throttle.is_waited_for

    # Deciding

    def decide(self) -> None:
        """Let begin whoever may; nothing is done if nothing has changed."""
        while self._stirred and self.throttle.is_waited_for and not self._desk.draining:
            now = self._desk.clock.now()
            if not self._lock(now):
                return  # still stirred: it goes on after the commit
            self._stirred = False
            self._decide(now)

    def _lock(self, now: float) -> bool:
        """Let nobody else decide over what is waited for; False if others could be in each other's way."""
        waited_for = {pool for pool in self.throttle.waited_for() if is_shared(pool)}
        if waited_for and not self._shared.locked:
            # All that the commit may write to: two executors that lock one by one wait for each other.
            self._shared.lock(filter(is_shared, self.throttle.touched()), now)
        return waited_for <= self._shared.locked

    def _decide(self, now: float) -> None:
        for holder in self.throttle.decide(now):
            self._granted(holder)
        self._refuse()
        self._preempt(now)
        if self._shared.locked:
            self._shared.say(now)
            if not any(run.granted for run in self._desk.runs.values()):
                self._shared.unlock()
        self._looked_at = now
        self._look_again(now)

    def _granted(self, holder: Holder) -> None:
        run = self._desk.runs.get(holder[0])
        node = run.state.find(holder[1]) if run is not None else None
        if run is None or node is None or not run.may_start(node):
            self.throttle.release(holder, self._desk.clock.now())
            self._stirred = True
            return
        lot = self.throttle.held_by(holder)
        run.granted += self._take(run, node.id, lot.terms.claims)
        self._begin(run, node)
        if not node.state.in_flight and not run.may_start(node):
            self.release(run, node)

    def _refuse(self) -> None:
        for excess in self.throttle.too_large():
            for execution, id in excess.holders:
                run = self._desk.runs.get(execution)
                node = run.state.find(id) if run is not None else None
                if run is not None and node is not None and run.may_start(node):
                    self._desk.fail(run, node, excess.error().info())

    def _preempt(self, now: float) -> None:
        for execution, id in self.throttle.victims(now):
            run = self._desk.runs.get(execution)
            node = run.state.find(id) if run is not None else None
            if run is not None and node is not None and node.state.in_flight and node.cancel is None:
                event = CancelRequested(now, node.id, node.attempt, CancelCause.PREEMPTED)
                self._desk.emit(run, event, durable=True)

    # When to decide again

    def _look_again(self, now: float) -> None:
        due = self.throttle.next_due
        if due is not None and due != self._due:
            self._due = due
            self._desk.timers.at(due, self._stir)
        if not self._looking and any(map(is_shared, self.throttle.waited_for())):
            self._looking = True
            self._desk.timers.at(now + LOOK_EVERY_S, self._look)

    def _stir(self) -> None:
        self._stirred = True

    def _look(self) -> None:
        """Decide again if another executor has changed something, or has to hear of this one."""
        self._looking = False
        waited_for = [pool for pool in self.throttle.waited_for() if is_shared(pool)]
        if not waited_for or self._desk.draining:
            return
        now = self._desk.clock.now()
        if now - self._looked_at >= ALIVE_EVERY_S or self._shared.changed(waited_for):
            self._stirred = True
        else:
            self._look_again(now)

    # Small things

    def _follow(self, pool: str, settings: bytes | None) -> None:
        self._policies.follow(pool, settings)
        self.throttle.configure(pool, self._policies.policy(pool))

    def _wanted(self, run: Run, claims: Iterable[ResourceClaim]) -> Claims:
        if run.max_parallelism:
            return (*claims, ResourceClaim(run_pool(run.id)))
        return tuple(claims)

    def _lot(self, run: Run, node: NodeRun, claims: Claims) -> Lot:
        return self.throttle.lot(
            run.id,
            Tenant(run.row.project, run.row.domain),
            claims,
            since=run.row.submitted_at,
            priority=run.priority,
            preemptible=self._yields(run, node),
        )

    def _take(self, run: Run, node: str, claims: Iterable[ResourceClaim]) -> list[Lease]:
        """Remember what a node holds; return what the others must know of it."""
        leases = _leases(run, node, claims)
        self._leases.setdefault(run.id, {})[node] = leases
        return [lease for lease in leases if is_shared(lease.pool)]


def _leases(run: Run, node: str, claims: Iterable[ResourceClaim]) -> tuple[Lease, ...]:
    row = run.row
    return tuple(Lease(node, claim.pool, claim.units, row.project, row.domain) for claim in merged(claims))
