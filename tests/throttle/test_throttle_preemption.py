"""Who is asked to give back, and that nothing goes to and fro."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from hardpoint.executor.throttle import Holder, Lot, PoolPolicy, Tenant, TenantPolicy, Throttle
from hardpoint.plugin_api import ResourceClaim


class Arena:
    """One pool whose victims are stopped at once and ask again."""

    def __init__(self, policy: PoolPolicy) -> None:
        self.throttle = Throttle(lambda pool: policy)
        self.now = 0.0
        self.lots: dict[Holder, Lot] = {}
        self.holds: list[Holder] = []
        self.killed: list[str] = []

    def ask(self, who: str, count: int, *, units: int = 1, preemptible: bool = True) -> None:
        project, _, domain = who.partition(".")
        lot = self.throttle.lot(
            who,
            Tenant(project, domain or "d"),
            [ResourceClaim("db", units)],
            since=0.0,
            preemptible=preemptible,
        )
        for _ in range(count):
            holder = (who, str(len(self.lots)))
            self.lots[holder] = lot
            self.throttle.ask(lot, holder, self.now)

    def settle(self) -> Counter[str]:
        for _ in range(200):
            self.now += 1
            self.holds += self.throttle.decide(self.now)
            victims = self.throttle.victims(self.now)
            if not victims:
                return self.held()
            for victim in victims:
                self.holds.remove(victim)
                self.killed.append(victim[0])
                self.throttle.release(victim, self.now)
                self.throttle.ask(self.lots[victim], victim, self.now)
        raise AssertionError("it never comes to rest")

    def held(self) -> Counter[str]:
        return Counter(holder[0] for holder in self.holds)

    def release(self, which: int) -> None:
        if self.holds:
            self.throttle.release(self.holds.pop(which % len(self.holds)), self.now)


def test_whoever_comes_late_gets_its_share_at_once() -> None:
    arena = Arena(PoolPolicy(capacity=9))
    arena.ask("a", 20)
    assert arena.settle() == {"a": 9}
    arena.ask("b", 20)
    arena.ask("c", 20)
    assert arena.settle() == {"a": 3, "b": 3, "c": 3}
    assert arena.killed == ["a"] * 6


def test_the_newest_holder_goes_first() -> None:
    arena = Arena(PoolPolicy(capacity=3))
    for _ in range(3):
        arena.ask("a", 1)
        arena.settle()
    newest = arena.holds[-1]
    arena.ask("b", 1)
    arena.throttle.decide(arena.now)
    assert arena.throttle.victims(arena.now) == [newest]
    assert arena.throttle.victims(arena.now) == []


def test_what_is_not_preemptible_is_left_alone() -> None:
    arena = Arena(PoolPolicy(capacity=4))
    arena.ask("a", 3, preemptible=False)
    arena.settle()
    arena.ask("a", 5)
    arena.settle()
    arena.ask("b", 9)
    assert arena.settle() == {"a": 3, "b": 1}


def test_a_tenant_at_its_share_takes_nothing() -> None:
    arena = Arena(PoolPolicy(capacity=5))
    arena.ask("b", 2)
    arena.settle()
    arena.ask("a", 9)
    arena.settle()
    arena.ask("b", 9)
    assert arena.settle() == {"a": 3, "b": 2}
    assert arena.killed == []


def test_a_guarantee_is_taken_back_from_who_borrowed_it() -> None:
    arena = Arena(PoolPolicy(capacity=6, projects={"b": TenantPolicy(guarantee=4)}))
    arena.ask("a", 9)
    arena.settle()
    arena.ask("b", 9)
    assert arena.settle() == {"a": 2, "b": 4}


def test_domains_of_one_project_take_from_each_other() -> None:
    arena = Arena(PoolPolicy(capacity=4))
    arena.ask("p.x", 9)
    arena.settle()
    arena.ask("p.y", 9)
    assert arena.settle() == {"p.x": 2, "p.y": 2}


def test_several_units_need_several_victims_or_none() -> None:
    arena = Arena(PoolPolicy(capacity=6))
    arena.ask("a", 9)
    arena.settle()
    arena.ask("b", 1, units=3)
    assert arena.settle() == {"a": 3, "b": 1}
    arena = Arena(PoolPolicy(capacity=6))
    arena.ask("a", 9)
    arena.settle()
    arena.ask("b", 1, units=4)
    assert arena.settle() == {"a": 6}


def test_nobody_is_stopped_for_what_a_reservation_collects_anyway() -> None:
    arena = Arena(PoolPolicy(capacity=4, reserve_after_s=5.0))
    arena.ask("a", 9, preemptible=False)
    arena.settle()
    arena.ask("b", 1, units=3)
    arena.settle()
    arena.now = 20.0
    arena.release(0)
    arena.settle()
    assert arena.held() == {"a": 3}
    for _ in range(2):
        arena.release(0)
        arena.settle()
    assert arena.held() == {"a": 1, "b": 1}
    assert arena.killed == []


def test_nobody_is_stopped_for_a_node_that_another_pool_holds_up() -> None:
    throttle = Throttle(lambda pool: PoolPolicy(capacity=1))
    a = throttle.lot("a", Tenant("a", "d"), [ResourceClaim("db")], since=0.0, preemptible=True)
    other = throttle.lot("o", Tenant("o", "d"), [ResourceClaim("other")], since=0.0)
    both = throttle.lot("b", Tenant("b", "d"), [ResourceClaim("db"), ResourceClaim("other")], since=0.0)
    throttle.ask(a, ("a", "1"), 0.0)
    throttle.ask(other, ("o", "1"), 0.0)
    throttle.decide(0.0)
    throttle.ask(both, ("b", "1"), 1.0)
    throttle.decide(1.0)
    assert throttle.victims(1.0) == []


@settings(max_examples=100)
@given(
    weights=st.lists(st.sampled_from([1.0, 1.0, 2.0, 0.5]), min_size=4, max_size=4),
    guarantees=st.lists(st.sampled_from([0, 0, 2, 3]), min_size=4, max_size=4),
    steps=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 8), st.integers(1, 2)), max_size=12),
)
def test_it_always_comes_to_rest(
    weights: list[float], guarantees: list[int], steps: list[tuple[int, int, int]]
) -> None:
    projects = {
        name: TenantPolicy(weight=weight, guarantee=guarantee)
        for name, weight, guarantee in zip("abcd", weights, guarantees, strict=True)
    }
    arena = Arena(PoolPolicy(capacity=8, projects=projects))
    for who, count, units in steps:
        if who == 4:
            arena.release(count)
        else:
            arena.ask("abcd"[who], count, units=units)
        arena.settle()
        assert sum(arena.lots[holder].needs[0].units for holder in arena.holds) <= 8


def test_a_loser_does_not_end_up_below_the_gainer() -> None:
    arena = Arena(PoolPolicy(capacity=6))
    arena.ask("a", 1, units=2)
    arena.settle()
    arena.ask("a", 1, units=4)
    arena.settle()
    arena.ask("b", 1, units=4)
    assert arena.settle() == {"a": 2}
    assert arena.killed == []
