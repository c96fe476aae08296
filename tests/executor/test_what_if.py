"""Simulated courses: work of known times through the real throttle."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hardpoint.executor.situation import Busy, Situation, rebuild
from hardpoint.executor.throttle.policy import PoolPolicy, Tenant, TenantPolicy
from hardpoint.executor.throttle.throttle import Throttle
from hardpoint.executor.what_if import Running, Step, simulate
from hardpoint.plugin_api import ResourceClaim

ADS, SEARCH = Tenant("ads", "test"), Tenant("search", "test")
DB = (ResourceClaim("db"),)


def throttle(capacity: int | None = 2, **more: object) -> Throttle:
    return Throttle(lambda pool: PoolPolicy(capacity=capacity, **more))  # type: ignore[arg-type]


def step(name: str, *upstream: str, seconds: float = 10.0, tenant: Tenant = ADS, **more: object) -> Step:
    ups = tuple(("r", up) for up in upstream)
    return Step(("r", name), tenant, DB, seconds, ups, **more)  # type: ignore[arg-type]


def test_a_chain_takes_as_long_as_its_steps_and_waits_for_nothing() -> None:
    found = simulate([step("a"), step("b", "a", seconds=5.0)], throttle(), 100.0)
    assert (found.ended_at, found.limiting, found.waited_s) == (115.0, "", {})
    assert found.chain == (("r", "a"), ("r", "b"))


def test_what_limits_is_where_the_longest_chain_waits() -> None:
    both = (*DB, ResourceClaim("disk"))
    policies = {"db": PoolPolicy(capacity=1), "disk": PoolPolicy(capacity=8)}
    steps = [Step(("r", name), ADS, both, 10.0) for name in "abc"]
    found = simulate([*steps, step("d", "c", seconds=1.0)], Throttle(policies.__getitem__), 0.0)
    assert (found.ended_at, found.limiting, found.waited_s) == (31.0, "db", {"db": 20.0})


def test_an_array_goes_in_waves_and_its_waits_are_added_up() -> None:
    found = simulate([step("squares", items=6)], throttle(2), 0.0)
    course = found.courses["r", "squares"]
    assert (course.began_at, course.ended_at, course.waited_s) == (0.0, 30.0, {"db": 20.0})
    narrow = simulate([step("squares", items=6, at_once=1)], throttle(2), 0.0)
    assert (narrow.ended_at, narrow.limiting) == (60.0, "")


def test_what_never_ends_holds_up_only_what_waits_for_it() -> None:
    steps = [step("a", seconds=float("inf")), step("b"), step("c", "a"), step("d")]
    found = simulate(steps, throttle(2), 0.0)
    assert found.ended_at is None
    assert {name: found.courses["r", name].began_at for name in "abcd"} == {
        "a": 0.0,
        "b": 0.0,
        "c": None,
        "d": 10.0,
    }


def test_what_is_in_flight_ends_first_and_unlocks_what_waits_for_it() -> None:
    busy = Busy(("r", "a"), ADS, DB)
    made = rebuild(Situation((busy,)), lambda pool: PoolPolicy(capacity=1), 50.0).throttle
    steps = [step("a", items=0), step("b", "a", seconds=1.0)]
    found = simulate(steps, made, 50.0, [Running(busy, 57.0, ("r", "a"))])
    assert (found.courses["r", "b"].began_at, found.ended_at) == (57.0, 58.0)


def test_a_step_begins_no_earlier_than_it_may() -> None:
    found = simulate([step("a", not_before=130.0)], throttle(), 100.0)
    assert found.courses["r", "a"].began_at == 130.0


def test_a_capped_tenant_waits_while_others_go_on() -> None:
    policy = throttle(4, each_project=TenantPolicy(cap=1))
    steps = [step("a"), step("b"), step("x", tenant=SEARCH)]
    found = simulate(steps, policy, 0.0)
    assert [found.courses["r", name].began_at for name in "abx"] == [0.0, 10.0, 0.0]


def test_a_claim_that_can_never_be_granted_never_begins() -> None:
    made = throttle(2)
    found = simulate([Step(("r", "a"), ADS, (ResourceClaim("db", 3),), 1.0)], made, 0.0)
    assert (found.ended_at, found.courses["r", "a"].began_at) == (None, None)
    assert [each.most for each in made.too_large()] == [2]


def test_it_breaks_off_when_it_knows_enough() -> None:
    steps = [step("a"), step("b", "a"), step("c", "b")]
    found = simulate(steps, throttle(), 0.0, only=[("r", "b")])
    assert (found.courses["r", "b"].began_at, found.courses["r", "c"].began_at) == (10.0, None)


@given(
    capacity=st.integers(1, 4),
    seconds=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    links=st.sets(st.tuples(st.integers(0, 11), st.integers(0, 11))),
)
def test_no_more_is_held_than_there_is_and_nothing_fits_and_waits(
    capacity: int, seconds: list[int], links: set[tuple[int, int]]
) -> None:
    count = len(seconds)
    steps = [
        step(str(n), *(str(a) for a, b in sorted(links) if b == n and a < n), seconds=float(seconds[n]))
        for n in range(count)
    ]
    courses = simulate(steps, throttle(capacity), 0.0).courses
    spans = [(each.ready_at, each.began_at, each.ended_at) for each in courses.values()]
    assert all(None not in span for span in spans)
    for moment in sorted({began for _, began, _ in spans} | {ready for ready, _, _ in spans}):  # type: ignore[type-var]
        held = sum(began <= moment < ended for _, began, ended in spans)  # type: ignore[operator]
        waiting = sum(ready <= moment < began for ready, began, _ in spans)  # type: ignore[operator]
        assert held <= capacity
        assert not waiting or held == capacity
    for each, course in zip(steps, courses.values(), strict=True):
        assert course.ready_at == max((courses[up].ended_at or 0.0 for up in each.upstream), default=0.0)
