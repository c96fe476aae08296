"""Claims over several pools: all or none, in nobody's way, and never for ever."""

from __future__ import annotations

import random
from collections import Counter, deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardpoint.executor.throttle import Holder, Limit, Lot, PoolPolicy, Tenant, TenantPolicy, Throttle
from hardpoint.plugin_api import ResourceClaim

A, B, C = Tenant("a", "x"), Tenant("b", "x"), Tenant("b", "y")
TENANTS = [A, B, C]
CLAIMS = [
    {"p": 1},
    {"q": 1},
    {"p": 2},
    {"p": 1, "q": 1},
    {"p": 1, "r": 1},
    {"q": 2, "r": 1},
    {"p": 2, "q": 2, "r": 2},
    {"free": 1, "p": 1},
    {},
]


def claimed(units: dict[str, int]) -> list[ResourceClaim]:
    return [ResourceClaim(pool, count) for pool, count in units.items()]


class Desk:
    """A throttle, and an account of its own of everything that was said to it."""

    def __init__(self, capacity: dict[str, int], *, cap: int | None, reserve_after_s: float | None) -> None:
        self.cap = cap
        self.reserve_after_s = reserve_after_s
        self.capacity: dict[str, int | None] = {"free": None, **capacity}
        self.throttle = Throttle(lambda pool: self.policy(pool))
        self.lots: dict[Holder, Lot] = {}
        self.waits: dict[Holder, dict[str, int]] = {}
        self.holds: dict[Holder, dict[str, int]] = {}
        self.now = 0.0

    def policy(self, pool: str) -> PoolPolicy:
        return PoolPolicy(
            capacity=self.capacity[pool],
            each_project=TenantPolicy(cap=self.cap),
            reserve_after_s=self.reserve_after_s,
        )

    def ask(self, tenant: Tenant, units: dict[str, int], count: int = 1, priority: int = 0) -> list[Holder]:
        execution = f"{tenant.project}.{tenant.domain}"
        lot = self.throttle.lot(execution, tenant, claimed(units), since=0.0, priority=priority)
        holders = [(execution, f"n{len(self.lots) + n}") for n in range(count)]
        for holder in holders:
            self.lots[holder], self.waits[holder] = lot, units
            self.throttle.ask(lot, holder, self.now)
        return holders

    def release(self, holder: Holder) -> None:
        del self.holds[holder]
        self.throttle.release(holder, self.now)

    def withdraw(self, holder: Holder) -> None:
        del self.waits[holder]
        self.throttle.withdraw(self.lots[holder], holder)

    def set(self, pool: str, capacity: int | None) -> None:
        self.capacity[pool] = capacity
        self.throttle.configure(pool, self.policy(pool))

    def held(self, pool: str, project: str | None = None) -> int:
        return sum(
            units.get(pool, 0)
            for holder, units in self.holds.items()
            if project in (None, self.lots[holder].terms.tenant.project)
        )

    def decide(self) -> list[Holder]:
        granted = self.throttle.decide(self.now)
        for large in self.throttle.too_large():
            capacity = self.capacity[large.pool]
            assert large.units > min(each for each in (capacity, self.cap) if each is not None)
            for holder in large.holders:
                del self.waits[holder]
        for holder in granted:
            units = self.holds[holder] = self.waits.pop(holder)
            for pool in units:
                capacity = self.capacity[pool]
                assert capacity is None or self.held(pool) <= capacity
                assert self.cap is None or self.held(pool, self.lots[holder].terms.tenant.project) <= self.cap
        for pool in self.capacity:
            rows = [row for row in self.throttle.usage(pool, self.now) if row.domain is None]
            assert sum(row.held for row in rows) == self.held(pool)
        return granted

    def fits(self, holder: Holder) -> bool:
        project = self.lots[holder].terms.tenant.project
        return all(
            (capacity is None or self.held(pool) + units <= capacity)
            and (self.cap is None or self.held(pool, project) + units <= self.cap)
            for pool, units in self.waits[holder].items()
            for capacity in (self.capacity[pool],)
        )


steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 2), st.integers(0, len(CLAIMS) - 1), st.integers(1, 3)),
        st.tuples(st.just("ask"), st.integers(0, 2), st.integers(0, len(CLAIMS) - 1), st.integers(1, 3)),
        st.tuples(st.just("release"), st.integers(0, 20), st.just(0), st.just(0)),
        st.tuples(st.just("release"), st.integers(0, 20), st.just(0), st.just(0)),
        st.tuples(st.just("withdraw"), st.integers(0, 20), st.just(0), st.just(0)),
        st.tuples(st.just("set"), st.integers(0, 2), st.integers(0, 6), st.just(0)),
        st.tuples(st.just("leave"), st.integers(0, 2), st.just(0), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 9), st.just(0), st.just(0)),
    ),
    max_size=40,
)


def play(desk: Desk, what: str, which: int, other: int, count: int) -> None:
    match what:
        case "ask":
            desk.ask(TENANTS[which], CLAIMS[other], count, priority=other % 2)
        case "release" if desk.holds:
            desk.release(list(desk.holds)[which % len(desk.holds)])
        case "withdraw" if desk.waits:
            desk.withdraw(list(desk.waits)[which % len(desk.waits)])
        case "set":
            desk.set("pqr"[which], other)
        case "leave":
            execution = f"{TENANTS[which].project}.{TENANTS[which].domain}"
            desk.throttle.leave(execution, desk.now)
            for book in (desk.waits, desk.holds):
                for holder in [each for each in book if each[0] == execution]:
                    del book[holder]
        case "wait":
            desk.now += which
        case _:
            pass


@settings(max_examples=200)
@given(steps=steps, cap=st.sampled_from([None, 3]))
def test_nothing_that_fits_is_left_waiting_and_nothing_is_held_in_part(
    steps: list[tuple[str, int, int, int]], cap: int | None
) -> None:
    desk = Desk({"p": 3, "q": 3, "r": 2}, cap=cap, reserve_after_s=None)
    for step in steps:
        play(desk, *step)
        desk.decide()
        assert [holder for holder in desk.waits if desk.fits(holder)] == []


@settings(max_examples=200)
@given(steps=steps, cap=st.sampled_from([None, 3]), every=st.integers(1, 4))
def test_with_reservations_what_waits_is_refused_somewhere_and_granted_in_the_end(
    steps: list[tuple[str, int, int, int]], cap: int | None, every: int
) -> None:
    desk = Desk({"p": 3, "q": 3, "r": 2}, cap=cap, reserve_after_s=5.0)
    for number, step in enumerate(steps):
        play(desk, *step)
        if number % every == 0:
            desk.decide()
            limits = {desk.throttle.why(desk.lots[holder], desk.now) for holder in desk.waits}
            assert [why for why in limits if why is None or why.limit is Limit.SHARE] == []
    for name in "pqr":
        desk.set(name, 4)
    desk.decide()
    for _ in range(3 * len(desk.lots) + 3):
        desk.now += 1
        if desk.holds:
            desk.release(next(iter(desk.holds)))
        desk.decide()
    assert desk.waits == {}


@settings(max_examples=100)
@given(steps=steps)
def test_the_same_story_has_the_same_end(steps: list[tuple[str, int, int, int]]) -> None:
    told = []
    for _ in range(2):
        desk = Desk({"p": 3, "q": 3, "r": 2}, cap=None, reserve_after_s=5.0)
        story = []
        for step in steps:
            play(desk, *step)
            story.append(desk.decide())
        told.append(story)
    assert told[0] == told[1]


def test_a_pool_is_lowered_raised_and_deleted_while_hundreds_of_jobs_run() -> None:
    desk = Desk({"p": 200, "q": 50, "r": 50}, cap=None, reserve_after_s=20.0)
    source = random.Random(7)
    for tenant in TENANTS * 5:
        desk.ask(tenant, source.choice(CLAIMS[:7]), 60)
    desk.decide()
    for _ in range(150):
        desk.now += 1
        for holder in source.sample(list(desk.holds), min(len(desk.holds), 4)):
            desk.release(holder)
        desk.set(source.choice("pqr"), source.choice([None, 3, 20, 60, 200]))
        desk.decide()
    while desk.waits:
        desk.now += 1
        released = list(desk.holds)[:20]
        for holder in released:
            desk.release(holder)
        assert released or desk.decide(), "nothing is held, and nothing is granted"
        desk.decide()


def test_a_node_blocked_on_one_pool_holds_up_nobody_in_another() -> None:
    desk = Desk({"p": 1, "q": 1, "r": 1}, cap=None, reserve_after_s=None)
    desk.ask(A, {"q": 1})
    desk.decide()
    desk.ask(A, {"p": 1, "q": 1})
    assert desk.decide() == []
    assert desk.decide() == desk.ask(B, {"p": 1})[:0]
    assert len(desk.decide()) == 1


def test_a_claim_over_two_pools_passes_nobody_by_in_the_second() -> None:
    # `b` holds more of q than `a`. Its claim stands in the line of p, which is decided on first.
    desk = Desk({"p": 1, "q": 2, "r": 1}, cap=None, reserve_after_s=None)
    (blocker,) = desk.ask(C, {"p": 1, "q": 1})
    desk.ask(B, {"q": 1})
    desk.decide()
    desk.ask(B, {"p": 1, "q": 1})
    (first,) = desk.ask(A, {"q": 1})
    assert desk.decide() == []
    desk.release(blocker)
    assert desk.decide() == [first]


def test_a_claim_of_many_units_waits_no_longer_than_its_reservation_and_one_task() -> None:
    desk = Desk({"p": 8, "q": 1, "r": 1}, cap=None, reserve_after_s=30.0)
    source = random.Random(1)
    ends: list[tuple[float, Holder]] = []
    desk.ask(A, {"p": 1}, 400)
    granted = desk.decide()
    (big,) = desk.ask(B, {"p": 6})
    lasts: float | None = None
    while lasts is None and desk.now < 200:
        for holder in granted:
            ends.append((desk.now + source.uniform(5, 10), holder))
            if holder == big:
                lasts = desk.now
        ends.sort()
        desk.now, done = ends.pop(0)
        desk.release(done)
        granted = desk.decide()
    assert lasts is not None
    assert 30 <= lasts <= 30 + 10 + 10


def test_without_a_reservation_it_would_starve() -> None:
    desk = Desk({"p": 8, "q": 1, "r": 1}, cap=None, reserve_after_s=None)
    desk.ask(A, {"p": 1}, 400)
    running = deque(desk.decide())
    (big,) = desk.ask(B, {"p": 6})
    for _ in range(300):
        desk.now += 1
        desk.release(running.popleft())
        running += desk.decide()
    assert big in desk.waits


def test_what_is_due_while_units_are_idle_is_told_as_next_due() -> None:
    desk = Desk({"p": 4, "q": 1, "r": 1}, cap=None, reserve_after_s=30.0)
    desk.ask(A, {"p": 3})
    (small,) = desk.decide()
    (big,) = desk.ask(B, {"p": 3})
    desk.decide()
    assert desk.throttle.next_due == 30.0
    desk.now = 30.0
    desk.decide()
    assert desk.throttle.next_due is None
    (late,) = desk.ask(A, {"p": 1})
    assert desk.decide() == []
    why = desk.throttle.why(desk.lots[late], desk.now)
    assert why is not None
    assert (why.limit, why.free, why.set_aside) == (Limit.RESERVATION, 1, 3)
    desk.release(small)
    assert desk.decide() == [big, late]


def test_reservations_over_the_same_pools_do_not_wait_for_each_other() -> None:
    desk = Desk({"p": 4, "q": 4, "r": 1}, cap=None, reserve_after_s=10.0)
    running = deque(desk.ask(A, {"p": 1}, 40) + desk.ask(A, {"q": 1}, 40))
    granted = Counter[Holder]()
    desk.decide()
    wanted = desk.ask(B, {"p": 3, "q": 3}, 2) + desk.ask(C, {"q": 4, "p": 1}, 2)
    for _ in range(120):
        desk.now += 1
        if held := [holder for holder in running if holder in desk.holds]:
            desk.release(held[desk.now.__int__() % len(held)])
        for holder in wanted:
            if holder in desk.holds:
                desk.release(holder)
        granted.update(desk.decide())
    assert {holder: granted[holder] for holder in wanted} == dict.fromkeys(wanted, 1)


def test_a_reservation_that_its_tenant_s_cap_forbids_blocks_nobody() -> None:
    desk = Desk({"p": 4, "q": 1, "r": 1}, cap=3, reserve_after_s=10.0)
    desk.ask(A, {"p": 2})
    desk.decide()
    desk.ask(A, {"p": 2})
    desk.decide()
    desk.now = 60.0
    desk.decide()
    (small,) = desk.ask(B, {"p": 1})
    assert desk.decide() == [small]


@pytest.mark.parametrize(
    "q", [PoolPolicy(capacity=3), PoolPolicy(capacity=9, each_project=TenantPolicy(cap=2))]
)
def test_a_claim_that_is_not_next_or_at_its_cap_elsewhere_collects_nothing(q: PoolPolicy) -> None:
    throttle = Throttle({"p": PoolPolicy(capacity=1), "q": q}.__getitem__)
    both = throttle.lot("both", B, claimed({"p": 1, "q": 1}), since=0.0)
    lots = {
        (tenant, pool): throttle.lot(f"{tenant.project}.{pool}", tenant, claimed({pool: 1}), since=0.0)
        for tenant in (A, B)
        for pool in "pq"
    }
    for tenant, pool, node in [(A, "p", "1"), (A, "q", "1"), (B, "q", "1"), (B, "q", "2")]:
        throttle.ask(lots[tenant, pool], (f"{tenant.project}.{pool}", node), 0.0)
    throttle.decide(0.0)
    throttle.ask(both, ("both", "1"), 1.0)
    throttle.ask(lots[A, "q"], ("a.q", "2"), 1.0)
    throttle.decide(1.0)
    throttle.release(("a.p", "1"), 40.0)
    throttle.decide(40.0)
    throttle.ask(lots[A, "p"], ("a.p", "2"), 41.0)
    assert throttle.decide(41.0) == [("a.p", "2")]


def test_a_withdrawn_reservation_gives_its_units_back() -> None:
    desk = Desk({"p": 4, "q": 1, "r": 1}, cap=None, reserve_after_s=10.0)
    desk.ask(A, {"p": 3})
    desk.decide()
    (big,) = desk.ask(B, {"p": 3})
    desk.decide()
    desk.now = 20.0
    desk.decide()
    (small,) = desk.ask(C, {"p": 1})
    assert desk.decide() == []
    desk.withdraw(big)
    assert desk.decide() == [small]


def test_the_bound_on_the_parallelism_of_a_run_never_makes_a_reservation() -> None:
    policies = {"db": PoolPolicy(capacity=2), "run:r": PoolPolicy(capacity=1, reserve_after_s=None)}
    throttle = Throttle(policies.__getitem__)
    lot = throttle.lot("r", A, claimed({"db": 1, "run:r": 1}), since=0.0)
    other = throttle.lot("s", B, claimed({"db": 1}), since=0.0)
    for node in "ab":
        throttle.ask(lot, ("r", node), 0.0)
    assert throttle.decide(0.0) == [("r", "a")]
    assert throttle.next_due is None
    throttle.ask(other, ("s", "z"), 99.0)
    assert throttle.decide(99.0) == [("s", "z")]
    why = throttle.why(lot, 99.0)
    assert why is not None
    assert (why.limit, why.pool) == (Limit.CAPACITY, "run:r")


def test_pools_that_are_not_asked_about_are_decided_on_later() -> None:
    desk = Desk({"p": 1, "q": 1, "r": 1}, cap=None, reserve_after_s=None)
    (first,), (second,) = desk.ask(A, {"p": 1}), desk.ask(A, {"q": 1})
    assert desk.throttle.decide(0.0, only={"q"}) == [second]
    assert desk.throttle.decide(0.0, only={"q"}) == []
    assert desk.throttle.decide(0.0) == [first]


def test_a_claim_of_nothing_is_granted_at_once() -> None:
    desk = Desk({"p": 0, "q": 0, "r": 0}, cap=0, reserve_after_s=None)
    holders = desk.ask(A, {}, 2) + desk.ask(A, {"p": 0})
    assert desk.decide() == holders


def test_a_hundred_thousand_waiting_nodes_take_a_pointer_each() -> None:
    tracemalloc = pytest.importorskip("tracemalloc")
    throttle = Throttle(lambda pool: PoolPolicy(capacity=1))
    lot = throttle.lot("run", A, claimed({"p": 1, "run:run": 1}), since=0.0)
    holders = [("run", str(n)) for n in range(100_000)]
    tracemalloc.start()
    for holder in holders:
        throttle.ask(lot, holder, 0.0)
    throttle.decide(0.0)
    used_bytes = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert used_bytes <= 20 * len(holders)
