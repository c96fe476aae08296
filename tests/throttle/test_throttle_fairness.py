"""On one pool the throttle does, grant for grant, what the slow and obvious model does."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from tests.throttle.fair_model import Holder, OnePool, Wait

from hardpoint.executor.throttle import Lot, PoolPolicy, Tenant, TenantPolicy, Throttle
from hardpoint.plugin_api import ResourceClaim

PROJECTS = ("ads", "core", "data")
TENANTS = [Tenant(project, domain) for project in PROJECTS for domain in ("prod", "test")]
RUNS = [(tenant, f"{tenant.project}-{tenant.domain}-{n}", n) for tenant in TENANTS for n in (0, 1)]


@st.composite
def tenant_policies(draw: DrawFn) -> TenantPolicy:
    guarantee = draw(st.integers(0, 3))
    return TenantPolicy(
        weight=draw(st.sampled_from([1.0, 1.0, 2.0, 0.5])),
        guarantee=guarantee,
        cap=draw(st.none() | st.integers(max(guarantee, 2), 6)),
        lend=draw(st.none() | st.integers(0, 2)),
    )


@st.composite
def pool_policies(draw: DrawFn) -> PoolPolicy:
    return PoolPolicy(
        capacity=draw(st.none() | st.integers(0, 9)),
        projects=draw(st.dictionaries(st.sampled_from(PROJECTS), tenant_policies(), max_size=2)),
        domains=draw(st.dictionaries(st.sampled_from(TENANTS), tenant_policies(), max_size=2)),
        reserve_after_s=None,
    )


operations = st.one_of(
    st.tuples(st.just("ask"), st.integers(0, 11), st.integers(1, 4), st.integers(1, 3)),
    st.tuples(st.just("ask"), st.integers(0, 11), st.integers(1, 4), st.just(1)),
    st.tuples(st.just("release"), st.integers(0, 30), st.just(0), st.just(0)),
    st.tuples(st.just("release"), st.integers(0, 30), st.just(0), st.just(0)),
    st.tuples(st.just("withdraw"), st.integers(0, 30), st.just(0), st.just(0)),
    st.tuples(st.just("wait"), st.integers(1, 5), st.just(0), st.just(0)),
    st.tuples(st.just("configure"), st.integers(0, 3), st.just(0), st.just(0)),
)


class Both:
    """The throttle and the model, told the same."""

    def __init__(self, policy: PoolPolicy) -> None:
        self.model = OnePool(policy)
        self.throttle = Throttle(lambda pool: self.model.policy)
        self.now = 0.0
        self.lots: dict[Holder, Lot] = {}
        for tenant in (*policy.domains, *(Tenant(name, "prod") for name in policy.projects)):
            self.model.path(tenant)

    def ask(self, run: int, count: int, units: int) -> None:
        tenant, execution, age = RUNS[run]
        lot = self.throttle.lot(
            execution, tenant, [ResourceClaim("db", units)], since=float(age // 2), priority=age % 2
        )
        for _ in range(count):
            holder = (execution, f"n{len(self.lots)}")
            self.lots[holder] = lot
            self.throttle.ask(lot, holder, self.now)
            order = (-lot.terms.priority, lot.terms.since, execution, self.now, lot.seq)
            self.model.ask(Wait(tenant, holder, units, order))

    def configure(self, policy: PoolPolicy) -> None:
        self.throttle.configure("db", policy)
        self.model.follow(policy)
        for tenant in (*policy.domains, *(Tenant(name, "prod") for name in policy.projects)):
            self.model.path(tenant)

    def decide(self) -> None:
        for large in self.throttle.too_large():
            for holder in large.holders:
                self.model.withdraw(holder)
        for holder in self.throttle.decide(self.now):
            firsts = [wait.holder for wait in self.model.firsts()]
            assert holder in firsts, "holder in firsts"
            self.model.grant(holder)
        assert [wait.holder for wait in self.model.waits.values() if self.model.may(wait)] == []
        self.compare()

    def compare(self) -> None:
        rows = {(row.project, row.domain): row for row in self.throttle.usage("db", self.now)}
        for project in self.model.root.parts.values():
            for domain in project.parts.values():
                row = rows.get((project.name, domain.name))
                held = sum(
                    wait.units
                    for wait in self.model.holds.values()
                    if wait.tenant == Tenant(project.name, domain.name)
                )
                waiting = sum(
                    wait.tenant == Tenant(project.name, domain.name) for wait in self.model.waits.values()
                )
                assert (row.held, row.waiting) == (held, waiting) if row else held == waiting == 0


@settings(max_examples=150)
@given(
    policies=st.lists(pool_policies(), min_size=4, max_size=4),
    steps=st.lists(operations, min_size=5, max_size=40),
)
def test_every_grant_goes_to_whom_the_rules_name(
    policies: list[PoolPolicy], steps: list[tuple[str, int, int, int]]
) -> None:
    both = Both(policies[0])
    for what, which, count, units in steps:
        match what:
            case "ask":
                both.ask(which, count, units)
            case "release" if both.model.holds:
                holder = list(both.model.holds)[which % len(both.model.holds)]
                both.throttle.release(holder, both.now)
                both.model.release(holder)
            case "withdraw" if both.model.waits:
                holder = list(both.model.waits)[which % len(both.model.waits)]
                both.throttle.withdraw(both.lots[holder], holder)
                both.model.withdraw(holder)
            case "configure":
                both.configure(policies[which])
            case "wait":
                both.now += which
                both.model.advance(both.now)
            case _:
                pass
        both.decide()


def test_a_model_that_counts_dispatches_would_be_found_out() -> None:
    # The comparison is worth something: let the model forget slot time, and it must object.
    both = Both(PoolPolicy(capacity=1))
    both.ask(0, 2, 1)
    both.decide()
    both.ask(4, 2, 1)
    both.now = 5.0
    both.model.advance(5.0)
    holder = next(iter(both.model.holds))
    both.throttle.release(holder, both.now)
    both.model.release(holder)
    both.model.path(TENANTS[2])[1].used += Fraction(9)
    with pytest.raises(AssertionError, match="holder in firsts"):
        both.decide()
