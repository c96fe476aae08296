"""Who gets the units of a pool: between tenants, within one, and what is taken back."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hardpoint.executor.config.pool_policy import encode_live
from hardpoint.executor.config.settings import PoolSettings, TenantSettings
from hardpoint.executor.engine.run import Run
from hardpoint.executor.journal.events import (
    AttemptFailed,
    AttemptStarted,
    Budget,
    CancelCause,
    CancelRequested,
    RunPhase,
)
from hardpoint.plugin_api import ResourceClaim

if TYPE_CHECKING:
    from tests.jobs.conftest import Lab

ONE, FOUR = (ResourceClaim("one"),), (ResourceClaim("four"),)


def in_flight(*runs: Run) -> list[int]:
    return [len(run.state.in_flight) for run in runs]


def order_of_starts(lab: Lab, *runs: Run) -> list[str]:
    starts = [(event.at, run.id) for run in runs for event in lab.events(run, AttemptStarted)]
    return [run for _, run in sorted(starts)]


def test_a_flood_of_one_project_does_not_keep_another_waiting(new_lab: type[Lab]) -> None:
    lab = new_lab(claims=FOUR)
    flood = lab.submit(*(lab.spec(10.0) for _ in range(40)), project="flood")
    lab.turn_for(1.0)
    late = lab.submit(*(lab.spec(10.0) for _ in range(4)), project="late")
    lab.turn_for(12.0)
    assert in_flight(flood, late) == [2, 2]


def test_idle_capacity_is_lent_to_whoever_wants_it(new_lab: type[Lab]) -> None:
    lab = new_lab(claims=FOUR)
    run = lab.submit(*(lab.spec(10.0) for _ in range(8)))
    lab.turn_for(1.0)
    assert in_flight(run) == [4]


def test_within_a_tenant_priority_goes_before_age(new_lab: type[Lab]) -> None:
    lab = new_lab(claims=ONE)
    first = lab.submit(*(lab.spec(1.0) for _ in range(2)))
    lab.turn_for(0.5)
    older = lab.submit(lab.spec(1.0))
    urgent = lab.submit(lab.spec(1.0), priority=5)
    for run in (first, older, urgent):
        assert lab.finish(run) is RunPhase.SUCCEEDED
    assert order_of_starts(lab, first, older, urgent) == [first.id, urgent.id, first.id, older.id]


def test_a_run_has_no_more_in_flight_than_its_max_parallelism(new_lab: type[Lab]) -> None:
    lab = new_lab(claims=())
    run = lab.submit(*(lab.spec(5.0) for _ in range(7)), max_parallelism=3)
    most = 0
    while not run.future.done():
        lab.turn_for(0.5)
        most = max(most, *in_flight(run))
    assert (most, run.state.phase) == (3, RunPhase.SUCCEEDED)


def test_a_claim_larger_than_its_pool_fails_its_node_at_once(new_lab: type[Lab]) -> None:
    lab = new_lab(claims=(ResourceClaim("four", 5),))
    run = lab.submit(lab.spec(1.0))
    assert lab.finish(run) is RunPhase.FAILED
    (failed,) = lab.events(run, AttemptFailed)
    assert failed.error.message == "A claim of 5 units of pool `four` can never be granted: the pool has 4"
    assert lab.time.at_s < 1.0


def test_what_yields_gives_way_to_a_tenant_below_its_share(new_lab: type[Lab]) -> None:
    lab = new_lab(claims=FOUR)
    greedy = lab.submit(*(lab.spec(500.0, interruptible=True) for _ in range(4)), project="greedy")
    lab.turn_for(5.0)
    fair = lab.submit(*(lab.spec(30.0) for _ in range(4)), project="fair")
    lab.turn_for(5.0)
    assert in_flight(greedy, fair) == [2, 2]
    cancels = lab.events(greedy, CancelRequested)
    assert [event.cause for event in cancels] == [CancelCause.PREEMPTED] * 2
    ended = lab.events(greedy, AttemptFailed)
    assert [(event.error.code, event.budget) for event in ended] == [("Preempted", Budget.NOBODY)] * 2
    assert lab.finish(fair) is RunPhase.SUCCEEDED
    assert not lab.events(fair, CancelRequested)
    assert lab.finish(greedy, limit_s=2000.0) is RunPhase.SUCCEEDED


def test_what_does_not_yield_is_left_alone(new_lab: type[Lab]) -> None:
    lab = new_lab(claims=FOUR)
    greedy = lab.submit(*(lab.spec(50.0) for _ in range(4)), project="greedy")
    lab.turn_for(5.0)
    fair = lab.submit(lab.spec(1.0), project="fair")
    lab.turn_for(30.0)
    assert (in_flight(greedy, fair), lab.events(greedy, CancelRequested)) == ([4, 0], [])


def test_what_an_operator_sets_holds_at_once(new_lab: type[Lab]) -> None:
    lab = new_lab(claims=FOUR)
    run = lab.submit(*(lab.spec(20.0) for _ in range(12)), project="big")
    lab.turn_for(1.0)
    pools = lab.journal.pools
    pools.set("four", encode_live(PoolSettings(capacity=6)))
    lab.turn_for(2.0)
    assert in_flight(run) == [6]
    pools.set("four", encode_live(PoolSettings(capacity=6, projects={"big": TenantSettings(cap=1)})))
    lab.turn_for(25.0)
    assert in_flight(run) == [1]
    pools.set("four", None)
    lab.turn_for(2.0)
    assert in_flight(run) == [4]


def test_a_run_that_ended_leaves_nothing_behind(new_lab: type[Lab]) -> None:
    lab = new_lab(claims=FOUR)
    for _ in range(3):
        run = lab.submit(*(lab.spec(1.0) for _ in range(6)))
        assert lab.finish(run) is RunPhase.SUCCEEDED
    lab.turn_for(1.0)
    governor = lab.engine._lanes.governor
    assert (governor.throttle.waited_for(), Counter(governor._leases)) == ([], Counter())
