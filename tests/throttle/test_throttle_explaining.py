"""Why somebody waits, and how a pool is used, as an operator reads it."""

from __future__ import annotations

from hardpoint.executor.throttle import Demand, Limit, Lot, PoolPolicy, Tenant, TenantPolicy, Throttle
from hardpoint.plugin_api import ResourceClaim

ADS, CORE = Tenant("ads", "prod"), Tenant("core", "prod")


def lot(throttle: Throttle, tenant: Tenant, units: int = 1, *, run: str = "", priority: int = 0) -> Lot:
    return throttle.lot(
        run or tenant.project, tenant, [ResourceClaim("db", units)], since=0.0, priority=priority
    )


def ask(throttle: Throttle, where: Lot, *nodes: str) -> None:
    for node in nodes:
        throttle.ask(where, (where.terms.execution, node), 0.0)


def test_a_full_pool_names_its_holders() -> None:
    throttle = Throttle(lambda pool: PoolPolicy(capacity=3))
    big = lot(throttle, CORE, 2, run="big")
    ask(throttle, big, "x")
    throttle.decide(0.0)
    ads = lot(throttle, ADS)
    ask(throttle, ads, "a", "b", "c")
    throttle.decide(1.0)
    urgent = lot(throttle, ADS, run="urgent", priority=1)
    ask(throttle, urgent, "u")
    throttle.decide(2.0)
    why = throttle.why(ads, 4.0, ("ads", "c"))
    assert why is not None
    assert (why.limit, why.pool, why.units) == (Limit.CAPACITY, "db", 1)
    assert (why.capacity, why.held, why.free, why.tenant) == (3, 3, 0, ADS)
    assert why.tenants == ((CORE, 2), (ADS, 1))
    assert why.holders == ((("big", "x"), 2), (("ads", "a"), 1))
    assert (why.ahead, why.position) == (2, 3)
    assert [(row.domain, row.held, row.waiting) for row in why.own] == [(None, 1, 3), ("prod", 1, 3)]
    assert throttle.why(big, 4.0) is None


def test_each_limit_is_called_by_its_name() -> None:
    cases = {
        Limit.CAP: PoolPolicy(capacity=9, projects={"ads": TenantPolicy(cap=1)}),
        Limit.CAPACITY: PoolPolicy(capacity=1),
        Limit.LEND: PoolPolicy(capacity=9, projects={"core": TenantPolicy(guarantee=8, lend=0)}),
    }
    for limit, policy in cases.items():
        throttle = Throttle(lambda pool, policy=policy: policy)  # type: ignore[misc]
        waiting = lot(throttle, ADS)
        ask(throttle, waiting, "a", "b")
        assert throttle.decide(0.0) == [("ads", "a")]
        why = throttle.why(waiting, 0.0)
        assert why is not None
        assert why.limit is limit


def test_what_is_left_for_others_is_called_share() -> None:
    throttle = Throttle(lambda pool: PoolPolicy(capacity=1), "one")
    throttle.others_want("two", "db", CORE, [Demand(0, 0.0, 1, 1, asked_at=0.0)])
    waiting = lot(throttle, ADS)
    throttle.ask(waiting, ("ads", "a"), 5.0)
    assert throttle.decide(5.0) == []
    why = throttle.why(waiting, 5.0)
    assert why is not None
    assert (why.limit, why.free) == (Limit.SHARE, 1)


def test_a_claim_that_is_too_large_says_so() -> None:
    throttle = Throttle(lambda pool: PoolPolicy(capacity=1))
    waiting = lot(throttle, ADS, 2)
    ask(throttle, waiting, "a")
    why = throttle.why(waiting, 0.0)
    assert why is not None
    assert why.limit is Limit.TOO_LARGE


def test_usage_shows_projects_and_their_domains() -> None:
    policy = PoolPolicy(capacity=6, projects={"core": TenantPolicy(guarantee=1, cap=5, weight=2.0)})
    throttle = Throttle(lambda pool: policy)
    ask(throttle, lot(throttle, CORE), "1", "2")
    ask(throttle, lot(throttle, ADS), "1", "2", "3", "4", "5")
    throttle.decide(0.0)
    throttle.others_want("two", "db", CORE, [Demand(0, 0.0, 1, 4, asked_at=10.0)])
    rows = throttle.usage("db", 10.0)
    assert [
        (row.project, row.domain, row.held, row.waiting, row.borrowed, row.slot_s, row.guarantee, row.cap)
        for row in rows
    ] == [
        ("ads", None, 4, 1, 0, 40.0, 0, None),
        ("ads", "prod", 4, 1, 0, 40.0, 0, None),
        ("core", None, 2, 4, 1, 20.0, 1, 5),
        ("core", "prod", 2, 4, 0, 20.0, 0, None),
    ]
    assert throttle.usage("unknown", 0.0) == []
