"""What an operator's words do: weights, guarantees, caps, lending, priorities, and live changes."""

from __future__ import annotations

from collections import Counter

import pytest

from hardpoint.executor.throttle import (
    ClaimTooLargeError,
    Holder,
    Limit,
    PoolPolicy,
    Tenant,
    TenantPolicy,
    Throttle,
)
from hardpoint.plugin_api import ResourceClaim, UsageError

DB = "db"


class Room:
    """One pool, and tenants named `project` or `project.domain` who flood it."""

    def __init__(self, policy: PoolPolicy) -> None:
        self.policy = policy
        self.throttle = Throttle(lambda pool: self.policy)
        self.now = 0.0
        self.holds: list[Holder] = []
        self._asked = 0

    def ask(
        self,
        who: str,
        count: int = 1,
        *,
        units: int = 1,
        priority: int = 0,
        since: float = 0.0,
        run: str = "",
    ) -> list[Holder]:
        project, _, domain = who.partition(".")
        tenant = Tenant(project, domain or "d")
        lot = self.throttle.lot(
            f"{who}{run}", tenant, [ResourceClaim(DB, units)], since=since, priority=priority
        )
        holders = [(f"{who}{run}", str(self._asked + n)) for n in range(count)]
        self._asked += count
        for holder in holders:
            self.throttle.ask(lot, holder, self.now)
        return holders

    def decide(self) -> list[str]:
        granted = self.throttle.decide(self.now)
        self.holds += granted
        return [holder[0] for holder in granted]

    def release(self, who: str) -> None:
        holder = next(each for each in self.holds if each[0] == who)
        self.holds.remove(holder)
        self.throttle.release(holder, self.now)

    def set(self, policy: PoolPolicy | None) -> None:
        self.policy = policy or PoolPolicy()
        self.throttle.configure(DB, policy)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (PoolPolicy(capacity=9), {"a": 3, "b": 3, "c": 3}),
        (PoolPolicy(capacity=8, projects={"a": TenantPolicy(weight=2.0)}), {"a": 4, "b": 2, "c": 2}),
        (PoolPolicy(capacity=9, projects={"a": TenantPolicy(cap=1)}), {"a": 1, "b": 4, "c": 4}),
        (PoolPolicy(capacity=9, projects={"a": TenantPolicy(guarantee=7)}), {"a": 7, "b": 1, "c": 1}),
        (
            PoolPolicy(capacity=6, projects={"a": TenantPolicy(guarantee=8), "b": TenantPolicy(guarantee=4)}),
            {"a": 4, "b": 2},
        ),
        (PoolPolicy(capacity=9, projects={"idle": TenantPolicy(guarantee=5)}), {"a": 3, "b": 3, "c": 3}),
        (
            PoolPolicy(capacity=9, projects={"idle": TenantPolicy(guarantee=5, lend=2)}),
            {"a": 2, "b": 2, "c": 2},
        ),
        (PoolPolicy(capacity=9, projects={"a": TenantPolicy(guarantee=3, lend=0)}), {"a": 3, "b": 3, "c": 3}),
        (PoolPolicy(capacity=9, each_project=TenantPolicy(cap=2)), {"a": 2, "b": 2, "c": 2}),
        (PoolPolicy(each_project=TenantPolicy(cap=2)), {"a": 2, "b": 2, "c": 2}),
        (PoolPolicy(), {"a": 20, "b": 20, "c": 20}),
        (PoolPolicy(capacity=0), {}),
    ],
)
def test_projects_that_flood_get_what_their_policies_say(
    policy: PoolPolicy, expected: dict[str, int]
) -> None:
    room = Room(policy)
    for who in "abc":
        room.ask(who, 20)
    assert Counter(room.decide()) == expected


@pytest.mark.parametrize(
    ("domains", "expected"),
    [
        ({}, {"a.x": 2, "a.y": 2, "b.x": 4}),
        ({Tenant("a", "x"): TenantPolicy(weight=3.0)}, {"a.x": 3, "a.y": 1, "b.x": 4}),
        ({Tenant("a", "x"): TenantPolicy(cap=1)}, {"a.x": 1, "a.y": 3, "b.x": 4}),
        ({Tenant("a", "x"): TenantPolicy(guarantee=4)}, {"a.x": 4, "b.x": 4}),
        ({Tenant("a", "idle"): TenantPolicy(guarantee=2, lend=0)}, {"a.x": 2, "a.y": 1, "b.x": 3}),
        ({Tenant("b", "x"): TenantPolicy(cap=1)}, {"a.x": 4, "a.y": 3, "b.x": 1}),
    ],
)
def test_a_project_counts_as_one_and_shares_among_its_domains(
    domains: dict[Tenant, TenantPolicy], expected: dict[str, int]
) -> None:
    room = Room(PoolPolicy(capacity=8, domains=domains))
    for who in ("a.x", "a.y", "b.x"):
        room.ask(who, 20)
    assert Counter(room.decide()) == expected


def test_what_is_kept_is_there_at_once_when_its_tenant_comes() -> None:
    room = Room(PoolPolicy(capacity=5, projects={"late": TenantPolicy(guarantee=3, lend=1)}))
    room.ask("a", 9)
    assert room.decide() == ["a"] * 3
    room.ask("late", 9)
    assert room.decide() == ["late"] * 2
    room.release("a")
    assert room.decide() == ["late"]
    room.release("a")
    assert room.decide() == ["a"]


def test_units_kept_for_more_than_there_are_stop_nobody_from_using_its_own() -> None:
    kept = TenantPolicy(guarantee=4, lend=0)
    room = Room(PoolPolicy(capacity=4, projects={"a": kept, "b": kept}))
    room.ask("a", 9)
    room.ask("c", 9)
    assert room.decide() == ["a"] * 4
    assert [(large.most, large.limit) for large in room.throttle.too_large()] == [(0, Limit.LEND)]


def test_in_a_tenant_priority_goes_before_age_and_age_before_the_order_of_asking() -> None:
    room = Room(PoolPolicy(capacity=0))
    room.ask("a", 2, run="young", since=9.0)
    room.ask("a", 1, run="old", since=1.0)
    room.ask("a", 1, run="urgent", since=99.0, priority=1)
    room.decide()
    room.set(PoolPolicy(capacity=9))
    assert room.decide() == ["aurgent", "aold", "ayoung", "ayoung"]


def test_a_high_priority_does_not_help_against_other_tenants() -> None:
    room = Room(PoolPolicy(capacity=4))
    room.ask("a", 9, priority=100)
    room.ask("b", 9)
    assert Counter(room.decide()) == {"a": 2, "b": 2}


def test_of_equal_tenants_the_one_that_waits_longer_goes_first() -> None:
    room = Room(PoolPolicy(capacity=0))
    room.ask("z")
    room.now = 1.0
    room.ask("a")
    room.decide()
    room.set(PoolPolicy(capacity=1))
    assert room.decide() == ["z"]


def test_who_used_fewer_slot_seconds_goes_first_and_idleness_earns_nothing() -> None:
    room = Room(PoolPolicy(capacity=1))
    room.ask("a", 9)
    room.decide()
    room.now = 100.0
    room.ask("b", 9)
    # `b` was idle for 100 s; it begins level with `a`, wins once, and then they alternate.
    order = []
    for _ in range(6):
        room.release(room.holds[0][0])
        order += room.decide()
        room.now += 10.0
    assert order == ["b", "a", "b", "a", "b", "a"] or order == ["a", "b", "a", "b", "a", "b"]


def test_idleness_earns_nothing_either_when_everybody_was_idle() -> None:
    room = Room(PoolPolicy(capacity=1))
    room.ask("a")
    room.decide()
    room.now = 100.0
    room.release("a")
    room.ask("b", 2)
    assert room.decide() == ["b"]
    # `b` began where `a` had left off, so now it is ahead by what it used since.
    room.ask("a")
    room.now = 110.0
    room.release("b")
    assert room.decide() == ["a"]


def test_a_lowered_pool_grants_nothing_until_it_fits_and_takes_nothing_away() -> None:
    room = Room(PoolPolicy(capacity=4))
    room.ask("a", 9)
    assert len(room.decide()) == 4
    room.set(PoolPolicy(capacity=2))
    assert room.decide() == []
    for left in (3, 2):
        room.release("a")
        assert room.decide() == []
        assert len(room.holds) == left
    room.release("a")
    assert room.decide() == ["a"]
    room.set(PoolPolicy(capacity=5))
    assert room.decide() == ["a"] * 3


def test_a_deleted_pool_limits_nobody() -> None:
    room = Room(PoolPolicy(capacity=1))
    room.ask("a", 9)
    room.ask("b", 9, units=2)
    room.decide()
    room.set(None)
    assert Counter(room.decide()) == {"a": 8, "b": 9}


def test_a_pool_that_nobody_uses_any_more_is_asked_about_again() -> None:
    room = Room(PoolPolicy(capacity=1))
    room.ask("a", 1)
    room.decide()
    room.throttle.leave("a", 1.0)
    assert room.throttle.usage(DB, 1.0) == []
    room.policy = PoolPolicy(capacity=3)
    room.ask("a", 9)
    assert room.decide() == ["a"] * 3


@pytest.mark.parametrize(
    ("policy", "most", "limit", "message"),
    [
        (PoolPolicy(capacity=2), 2, Limit.CAPACITY, "the pool has 2"),
        (PoolPolicy(capacity=9, projects={"a": TenantPolicy(cap=1)}), 1, Limit.CAP, "its tenant may hold 1"),
        (
            PoolPolicy(capacity=9, projects={"b": TenantPolicy(guarantee=8, lend=1)}),
            2,
            Limit.LEND,
            "others leave its tenant 2",
        ),
    ],
)
def test_a_claim_that_became_too_large_surfaces_and_waits_no_more(
    policy: PoolPolicy, most: int, limit: Limit, message: str
) -> None:
    room = Room(PoolPolicy(capacity=3))
    room.ask("z", 3)
    room.decide()
    holders = room.ask("a", 2, units=3)
    room.decide()
    assert room.throttle.too_large() == []
    room.set(policy)
    (large,) = room.throttle.too_large()
    assert (large.holders, large.pool, large.units) == (tuple(holders), DB, 3)
    assert (large.most, large.limit) == (most, limit)
    error = large.error()
    assert isinstance(error, ClaimTooLargeError)
    assert str(error).startswith(f"A claim of 3 units of pool `db` can never be granted: {message}")
    assert error.hint
    assert room.throttle.too_large() == []
    assert room.decide() == []


def test_a_claim_larger_than_its_pool_surfaces_when_it_is_asked() -> None:
    room = Room(PoolPolicy(capacity=2))
    room.ask("a", 1, units=3)
    assert len(room.throttle.too_large()) == 1


def test_a_claim_that_was_too_large_for_a_moment_goes_on_waiting() -> None:
    room = Room(PoolPolicy(capacity=3))
    room.ask("z", 3)
    room.decide()
    room.ask("a", 1, units=3)
    room.decide()
    room.set(PoolPolicy(capacity=2))
    room.set(PoolPolicy(capacity=6))
    assert room.throttle.too_large() == []
    assert room.decide() == ["a"]


def test_an_adopted_holder_is_booked_though_nothing_is_free() -> None:
    room = Room(PoolPolicy(capacity=1))
    room.ask("a")
    room.decide()
    lot = room.throttle.lot("b", Tenant("b", "d"), [ResourceClaim(DB)], since=0.0)
    room.throttle.hold(lot, ("b", "adopted"), 0.0)
    room.throttle.hold(lot, ("b", "adopted"), 0.0)
    room.ask("c")
    room.release("a")
    assert room.decide() == []
    room.throttle.release(("b", "adopted"), 1.0)
    room.throttle.release(("b", "adopted"), 1.0)
    assert room.decide() == ["c"]


def test_a_withdrawn_holder_is_passed_over_and_may_ask_again() -> None:
    room = Room(PoolPolicy(capacity=0))
    first, second, third = room.ask("a", 3)
    lot = room.throttle.lot("a", Tenant("a", "d"), [ResourceClaim(DB)], since=0.0)
    room.decide()
    for _ in range(2):
        room.throttle.withdraw(lot, second)
    room.throttle.ask(lot, second, 1.0)
    room.throttle.withdraw(lot, first)
    room.set(PoolPolicy(capacity=9))
    room.decide()
    assert room.holds == [third, second]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"weight": 0.0}, "The weight of a tenant is 0"),
        ({"guarantee": 3, "cap": 2}, "A guarantee of 3 units does not lie between 0 and the cap of 2"),
        ({"guarantee": -1}, "A guarantee of -1 units does not lie between 0 and the cap of None"),
        ({"lend": -1}, "A tenant lends -1 units"),
    ],
)
def test_a_policy_that_contradicts_itself_is_refused(values: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        TenantPolicy(**values)
    assert str(caught.value).splitlines()[0] == message
    assert caught.value.hint


def test_a_negative_capacity_is_refused() -> None:
    with pytest.raises(UsageError, match="The capacity of a pool is -1"):
        PoolPolicy(capacity=-1)
