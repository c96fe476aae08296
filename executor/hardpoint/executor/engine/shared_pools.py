"""Pools that several executors share over one journal: what others hold and want, and what they are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from hardpoint.executor.engine.patience import Patience
from hardpoint.executor.journal.protocol import Append, Pools
from hardpoint.executor.journal.shared import Holding, Lease, Shared, Wanted
from hardpoint.executor.throttle.foreign import Demand, Held
from hardpoint.executor.throttle.policy import Tenant
from hardpoint.executor.throttle.reporting import Standing
from hardpoint.executor.throttle.throttle import Throttle

OF_THIS_PROCESS = ("local:", "run:")
"""How pools begin that live and die with their process."""


def is_shared(pool: str) -> bool:
    """Whether other executors have to know of a pool.

    >>> [is_shared(pool) for pool in ("athena:primary", "local:cpu", "run:r1")]
    [True, False, False]
    """
    return not pool.startswith(OF_THIS_PROCESS)


class _Own:
    """What the database says that this executor holds, of a pool for a tenant."""

    __slots__ = ("_since", "_slot_s", "units")

    def __init__(self, since: float) -> None:
        self.units = 0
        self._slot_s, self._since = 0.0, since

    def slot_s(self, now: float) -> float:
        return self._slot_s + self.units * max(0.0, now - self._since)

    def change(self, units: int, now: float) -> None:
        self._slot_s, self._since = self.slot_s(now), now
        self.units += units


_Key = tuple[str, Tenant]


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an executor says of a pool and a tenant.

    Args:
        demands: What waits there.
        forfeited_s: Slot-seconds that the tenant's idleness counts as; as far as that executor has heard.
        project_forfeited_s: The same of its project.
    """

    demands: tuple[Demand, ...] = ()
    forfeited_s: float = 0.0
    project_forfeited_s: float = 0.0


class SharedPools:
    """Owned by the engine's thread.

    Args:
        throttle: Learns what others hold and want.
        pools: The journal's.
        patience: For a database that is away.
        executor: Name of this one.
        follow: Called with a pool and what its operator has set, or None.
    """

    def __init__(
        self,
        throttle: Throttle,
        pools: Pools,
        patience: Patience,
        executor: str,
        follow: Callable[[str, bytes | None], None],
    ) -> None:
        self.locked: frozenset[str] = frozenset()
        self._throttle = throttle
        self._pools = pools
        self._patience = patience
        self._executor = executor
        self._follow = follow
        self._known: dict[str, int] = {}
        self._own: dict[_Key, _Own] = {}
        self._leases: dict[str, dict[tuple[str, str], Lease]] = {}
        self._totals: dict[_Key, Holding] = {}
        self._said: dict[str, dict[_Key, Said]] = {}
        self._living: frozenset[str] = frozenset()

    def changed(self, pools: Iterable[str]) -> bool:
        """Whether anybody has changed one of these pools since it was last decided on."""
        names = sorted(pools)
        versions = self._patience.call(lambda: self._pools.versions(names))
        return any(self._known.get(pool) != version for pool, version in versions.items())

    def lock(self, pools: Iterable[str], now: float) -> None:
        """Learn what has changed in pools; nobody else decides on them until the next commit, or `unlock`."""
        known = {pool: self._known.get(pool, -1) for pool in pools}
        shared = self._patience.call(lambda: self._pools.lock(known, self._executor, now))
        self.locked = frozenset(known)
        self._known.update(shared.versions)
        self._learn(shared, now)

    def say(self, now: float) -> None:
        """Tell the others what waits here, if that has changed."""
        wanted = [
            Wanted(each.pool, self._executor, *each.tenant, _encode(each))
            for each in self._throttle.wants(now)
            if is_shared(each.pool)
        ]
        if wanted:
            self._pools.want(wanted)

    def unlock(self) -> None:
        """Nothing was granted."""
        self.locked = frozenset()
        self._pools.unlock()

    def committed(self, appends: Sequence[Append]) -> None:
        """What was granted and given back is in the database now."""
        self.locked = frozenset()
        for append in appends:
            if append.released or append.granted or append.held:
                self._booked(append)

    def _booked(self, append: Append) -> None:
        leases = self._leases.setdefault(append.execution, {})
        for lease in append.released:
            if (known := leases.pop((lease.node, lease.pool), None)) is not None:
                self._count(known, -known.units, append.at)
        for lease in (*append.granted, *append.held):
            if (lease.node, lease.pool) not in leases:
                leases[lease.node, lease.pool] = lease
                self._count(lease, lease.units, append.at)

    def left(self, execution: str, now: float) -> None:
        """A run is no longer ours: what the database says that it holds is somebody else's."""
        for lease in self._leases.pop(execution, {}).values():
            self._count(lease, -lease.units, now)
            # As if never seen: of all that is there, a part has changed hands.
            self._known[lease.pool] = -1

    def _count(self, lease: Lease, units: int, now: float) -> None:
        key = (lease.pool, Tenant(lease.project, lease.domain))
        own = self._own.get(key)
        if own is None:
            own = self._own[key] = _Own(now)
        own.change(units, now)

    def _learn(self, shared: Shared, now: float) -> None:
        for pool, settings in shared.settings.items():
            self._follow(pool, settings)
        changed: dict[_Key, None] = {}
        for holding in shared.holdings:
            key = (holding.pool, Tenant(holding.project, holding.domain))
            self._totals[key] = holding
            changed[key] = None
        news: dict[str, dict[_Key, Said]] = {}
        for wanted in shared.wanted:
            key = (wanted.pool, Tenant(wanted.project, wanted.domain))
            news.setdefault(wanted.executor, {})[key] = _decode(wanted.demands)
            changed[key] = None
        for executor, changes in news.items():
            self._said.setdefault(executor, {}).update(changes)
        for executor, kept in self._said.items():
            if (executor in shared.living) != (executor in self._living):
                self._tell_wanted(executor, kept, alive=executor in shared.living)
            elif executor in news:
                self._tell_wanted(executor, news[executor], alive=executor in shared.living)
        self._living = shared.living
        for key in changed:
            self._tell_held(key, now)

    def _tell_held(self, key: _Key, now: float) -> None:
        """What is held in all, without what we hold ourselves."""
        total, own = self._totals.get(key), self._own.get(key)
        units, slot_s = 0, 0.0
        if total is not None:
            units, slot_s = total.units, total.slot_s + total.units * max(0.0, now - total.since)
        if own is not None:
            units, slot_s = units - own.units, slot_s - own.slot_s(now)
        said = [each[key] for each in self._said.values() if key in each]
        held = Held(
            max(0, units),
            max(0.0, slot_s),
            now,
            max((each.forfeited_s for each in said), default=0.0),
            max((each.project_forfeited_s for each in said), default=0.0),
        )
        self._throttle.others_hold(*key, held)

    def _tell_wanted(self, executor: str, said: dict[_Key, Said], *, alive: bool) -> None:
        for key, each in said.items():
            self._throttle.others_want(executor, *key, each.demands if alive else ())


def _encode(standing: Standing) -> bytes:
    held = standing.held
    return msgspec.json.encode(Said(standing.demands, held.forfeited_s, held.project_forfeited_s))


def _decode(said: bytes) -> Said:
    return msgspec.json.decode(said, type=Said) if said else Said()
