"""Executors that share pools and tell each other: they agree, and together never admit too many."""

from __future__ import annotations

import dataclasses
from collections import Counter

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from hardpoint.executor.throttle import (
    Demand,
    Held,
    Holder,
    PoolPolicy,
    Standing,
    Tenant,
    TenantPolicy,
    Throttle,
    together,
)
from hardpoint.plugin_api import ResourceClaim

DB = "db"
TENANTS = [Tenant("a", "x"), Tenant("a", "y"), Tenant("b", "x"), Tenant("c", "x")]


@dataclasses.dataclass
class Database:
    """What every executor has written last."""

    standings: dict[str, dict[tuple[str, Tenant], Standing]] = dataclasses.field(default_factory=dict)


class Executor:
    """A throttle that writes to the database what changed, and reads what the others wrote."""

    def __init__(self, name: str, database: Database, policy: PoolPolicy) -> None:
        self.name = name
        self.throttle = Throttle(lambda pool: policy, name)
        self.holds: dict[Holder, int] = {}
        self._database = database
        self._asked = 0
        self._units: dict[Holder, int] = {}
        database.standings[name] = {}

    def ask(self, tenant: Tenant, count: int, units: int, since: float, now: float) -> None:
        execution = f"{self.name}:{tenant.project}.{tenant.domain}:{since:g}"
        lot = self.throttle.lot(execution, tenant, [ResourceClaim(DB, units)], since=since)
        for _ in range(count):
            self._asked += 1
            self._units[execution, str(self._asked)] = units
            self.throttle.ask(lot, (execution, str(self._asked)), now)

    def units_held(self) -> int:
        return sum(self._units[holder] for holder in self.holds)

    def write(self, now: float) -> None:
        for standing in self.throttle.wants(now):
            self._database.standings[self.name][standing.pool, standing.tenant] = standing

    def read(self, now: float) -> None:
        others = {
            name: standings for name, standings in self._database.standings.items() if name != self.name
        }
        for tenant in TENANTS:
            held = [each[DB, tenant].held for each in others.values() if (DB, tenant) in each]
            self.throttle.others_hold(DB, tenant, together(held, now))
            for name, standings in others.items():
                standing = standings.get((DB, tenant))
                self.throttle.others_want(name, DB, tenant, standing.demands if standing else ())

    def decide(self, now: float) -> list[Holder]:
        granted = self.throttle.decide(now)
        for holder in granted:
            self.holds[holder] = 1
        return granted


def everybody_knows(executors: list[Executor], now: float) -> None:
    for executor in executors:
        executor.write(now)
    for executor in executors:
        executor.read(now)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 2), st.integers(0, 3), st.integers(1, 4)),
        st.tuples(st.just("ask"), st.integers(0, 2), st.integers(0, 3), st.integers(1, 4)),
        st.tuples(st.just("release"), st.integers(0, 2), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("release"), st.integers(0, 2), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("wait"), st.just(0), st.integers(1, 9), st.just(0)),
    ),
    min_size=3,
    max_size=30,
)
policies = st.sampled_from(
    [
        PoolPolicy(capacity=5),
        PoolPolicy(capacity=7, each_project=TenantPolicy(cap=3)),
        PoolPolicy(capacity=6, projects={"a": TenantPolicy(weight=2.0), "b": TenantPolicy(guarantee=2)}),
        PoolPolicy(capacity=6, projects={"c": TenantPolicy(guarantee=2, lend=0)}),
    ]
)


def within(policy: PoolPolicy, held: Counter[Tenant]) -> None:
    """Nobody holds more than the policy allows."""
    assert held.total() <= (policy.capacity or 0)
    for project in {tenant.project for tenant in held}:
        cap = policy.of_project(project).cap
        of_project = sum(units for tenant, units in held.items() if tenant.project == project)
        assert cap is None or of_project <= cap


@settings(max_examples=150)
@given(steps=steps, policy=policies)
def test_executors_that_see_the_same_admit_together_what_there_is_and_no_more(
    steps: list[tuple[str, int, int, int]], policy: PoolPolicy
) -> None:
    database = Database()
    executors = [Executor(name, database, policy) for name in ("one", "two", "three")]
    alone = Throttle(lambda pool: policy)
    waiting, now = Counter[Tenant](), 0.0
    holders: dict[Holder, Tenant] = {}
    for what, which, other, count in steps:
        executor = executors[which]
        match what:
            case "ask":
                executor.ask(TENANTS[other], count, 1, float(which), now)
                waiting[TENANTS[other]] += count
            case "release" if executor.holds:
                holder = list(executor.holds)[other % len(executor.holds)]
                del executor.holds[holder]
                del holders[holder]
                executor.throttle.release(holder, now)
            case _:
                now += other
        everybody_knows(executors, now)
        # All decide on the same figures, before any of them hears of what another has granted.
        for each in executors:
            for holder in each.decide(now):
                project, domain = holder[0].split(":")[1].split(".")
                holders[holder] = Tenant(project, domain)
                waiting[holders[holder]] -= 1
        within(policy, Counter(holders.values()))
        everybody_knows(executors, now)
        assert [holder for each in executors for holder in each.decide(now)] == []
    # Whatever waits at the end is in the way of something; one executor alone would not grant it either.
    for tenant, units in Counter(holders.values()).items():
        alone.others_hold(DB, tenant, Held(units, at=now))
    for tenant, count in waiting.items():
        lot = alone.lot("left", tenant, [ResourceClaim(DB)], since=0.0)
        for number in range(count):
            alone.ask(lot, (f"left {tenant}", str(number)), now)
    assert alone.decide(now) == []


def test_a_slot_that_belongs_to_another_executor_is_left_free_and_the_next_is_taken() -> None:
    throttle = Throttle(lambda pool: PoolPolicy(capacity=3), "one")
    a, b = Tenant("a", "x"), Tenant("b", "x")
    lot = throttle.lot("r", a, [ResourceClaim(DB)], since=0.0)
    for node in "123456":
        throttle.ask(lot, ("r", node), 5.0)
    throttle.others_want("two", DB, b, [Demand(0, 0.0, 1, 1, asked_at=0.0)])
    assert throttle.decide(5.0) == [("r", "1"), ("r", "2")]
    assert throttle.decide(6.0) == []
    throttle.others_want("two", DB, b, [])
    throttle.others_hold(DB, b, Held(1, 0.0, 7.0))
    assert throttle.decide(7.0) == []
    throttle.others_hold(DB, b, Held(0, 3.0, 10.0))
    assert throttle.decide(10.0) == [("r", "3")]


def test_slot_seconds_used_elsewhere_count() -> None:
    throttle = Throttle(lambda pool: PoolPolicy(capacity=1), "one")
    a, b, c = Tenant("a", "x"), Tenant("b", "x"), Tenant("c", "x")
    lots = {tenant: throttle.lot(tenant.project, tenant, [ResourceClaim(DB)], since=0.0) for tenant in (a, b)}
    throttle.others_hold(DB, c, Held(1, 0.0, 0.0))
    for tenant, lot in lots.items():
        throttle.ask(lot, (tenant.project, "n"), 0.0)
    throttle.decide(0.0)
    throttle.others_hold(DB, a, Held(0, 60.0, 1.0))
    throttle.others_hold(DB, c, Held(0, 1.0, 1.0))
    assert throttle.decide(1.0) == [("b", "n")]
    rows = {row.project: row.slot_s for row in throttle.usage(DB, 2.0) if row.domain is None}
    assert rows == {"a": 60.0, "b": 1.0, "c": 1.0}


def test_a_reservation_of_another_executor_is_respected_here() -> None:
    throttle = Throttle(lambda pool: PoolPolicy(capacity=4), "one")
    lot = throttle.lot("r", Tenant("a", "x"), [ResourceClaim(DB)], since=0.0)
    for node in "123456":
        throttle.ask(lot, ("r", node), 5.0)
    big = Demand(0, 0.0, 3, 1, asked_at=0.0, reserved_at=0.0)
    throttle.others_want("two", DB, Tenant("b", "x"), [big])
    assert throttle.decide(5.0) == [("r", "1")]
    assert throttle.decide(5.0) == []


def test_of_two_reservations_in_two_executors_the_older_goes_first_in_both() -> None:
    database = Database()
    policy = PoolPolicy(capacity=4, reserve_after_s=10.0)
    one, two = (Executor(name, database, policy) for name in ("one", "two"))
    one.ask(TENANTS[0], 4, 1, 0.0, 0.0)
    running = one.decide(0.0)
    everybody_knows([one, two], 0.0)
    one.ask(TENANTS[2], 1, 3, 0.0, 2.0)
    two.ask(TENANTS[3], 1, 3, 0.0, 1.0)
    now, order = 2.0, []
    for _ in range(12):
        now += 5.0
        if running:
            one.throttle.release(running.pop(0), now)
        everybody_knows([one, two], now)
        order += [(holder[0].split(":")[0], now) for each in (one, two) for holder in each.decide(now)]
        everybody_knows([one, two], now)
    assert order[0][0] == "two"


def test_only_what_changed_is_told() -> None:
    throttle = Throttle(lambda pool: PoolPolicy(capacity=1), "one")
    tenant = Tenant("a", "x")
    lot = throttle.lot("r", tenant, [ResourceClaim(DB)], since=7.0, priority=3)
    for node in "123":
        throttle.ask(lot, ("r", node), 1.0)
    throttle.decide(1.0)
    assert throttle.wants(3.0) == [
        Standing(DB, tenant, (Demand(3, 7.0, 1, 2, asked_at=1.0),), Held(1, 2.0, 3.0))
    ]
    assert throttle.wants(4.0) == []
    throttle.release(("r", "1"), 5.0)
    throttle.withdraw(lot, ("r", "2"))
    throttle.withdraw(lot, ("r", "3"))
    assert throttle.wants(6.0) == [Standing(DB, tenant, (), Held(0, 4.0, 6.0))]


def test_a_lot_that_stands_in_line_elsewhere_asks_nobody_to_leave_it_a_slot() -> None:
    policies = {DB: PoolPolicy(capacity=2), "other": PoolPolicy(capacity=0)}
    throttle = Throttle(policies.__getitem__, "one")
    tenant = Tenant("a", "x")
    full = throttle.lot("r", tenant, [ResourceClaim("other")], since=0.0)
    throttle.hold(full, ("r", "0"), 0.0)
    policies["other"] = PoolPolicy(capacity=1)
    throttle.configure("other", policies["other"])
    lot = throttle.lot("r", tenant, [ResourceClaim(DB), ResourceClaim("other")], since=0.0)
    throttle.ask(lot, ("r", "1"), 0.0)
    throttle.decide(0.0)
    demands = {standing.pool: standing.demands for standing in throttle.wants(0.0)}
    assert len(demands["other"]) == 1
    assert demands.get(DB, ()) == ()


@settings(max_examples=150)
@given(steps=steps, policy=policies, sizes=st.lists(st.integers(1, 3), min_size=1, max_size=5))
def test_with_claims_of_any_size_they_never_admit_too_many_and_everybody_is_granted_in_the_end(
    steps: list[tuple[str, int, int, int]], policy: PoolPolicy, sizes: list[int]
) -> None:
    policy = msgspec.structs.replace(policy, reserve_after_s=4.0)
    capacity = policy.capacity or 0
    database, now = Database(), 0.0
    executors = [Executor(name, database, policy) for name in ("one", "two", "three")]
    for number, (what, which, other, count) in enumerate(steps):
        executor = executors[which]
        match what:
            case "ask":
                executor.ask(TENANTS[other], count, sizes[number % len(sizes)], float(which), now)
            case "release" if executor.holds:
                holder = list(executor.holds)[other % len(executor.holds)]
                del executor.holds[holder]
                executor.throttle.release(holder, now)
            case _:
                now += other
        settle(executors, now, capacity)
    # Everything that runs ends, one after the other: then everything that waited has run.
    for _ in range(400):
        now += 1
        running = [(each, holder) for each in executors for holder in each.holds]
        for executor, holder in running[:1]:
            del executor.holds[holder]
            executor.throttle.release(holder, now)
        settle(executors, now, capacity)
        for each in executors:
            each.throttle.too_large()
        if not running:
            break
    assert [row.waiting for row in executors[0].throttle.usage(DB, now) if row.waiting] == []


def settle(executors: list[Executor], now: float, capacity: int) -> None:
    """Let all hear of each other and decide at once, until nobody grants anything."""
    for _ in range(20):
        everybody_knows(executors, now)
        granted = [holder for each in executors for holder in each.decide(now)]
        assert sum(each.units_held() for each in executors) <= capacity
        if not granted:
            return
    raise AssertionError("they never come to rest")
