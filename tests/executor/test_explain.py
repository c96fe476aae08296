"""Why a node waits and when it may begin, from tables of what is held and wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hardpoint_jobservice import JobTask

from hardpoint.core import map_task, task, workflow
from hardpoint.core.flatten import flatten
from hardpoint.executor.cli.plugins import the_registry
from hardpoint.executor.config.settings import LocalSettings, Settings
from hardpoint.executor.durations import History, learn, quantile, seconds_left
from hardpoint.executor.engine.pool_policies import PoolPolicies
from hardpoint.executor.engine.run import Run
from hardpoint.executor.explain import Cause, HeldBy, Range, Waiting
from hardpoint.executor.journal.events import (
    ArrayOpened,
    AttemptFailed,
    AttemptPrepared,
    AttemptStarted,
    AttemptSucceeded,
    Budget,
    CreateUnsettled,
    Event,
    RunPhase,
    Submitted,
)
from hardpoint.executor.journal.protocol import ExecutionRow
from hardpoint.executor.pool_view import RateReport
from hardpoint.executor.run_claims import ClaimsOf
from hardpoint.executor.situation import Busy, Claimant, Situation
from hardpoint.executor.throttle.policy import PoolPolicy, Tenant, TenantPolicy
from hardpoint.executor.waits import Facts, waits_of, with_starts
from hardpoint.plugin_api import ErrorInfo, ResourceClaim, Resources

NOW = 1000.0
ME, OTHER = Tenant("p", "d"), Tenant("other", "d")
DB = "jobservice:default"
REGISTRY = the_registry()

job = JobTask("job", url="http://127.0.0.1:1")


@task
def add(a: int) -> int:
    return a


@task(resources=Resources(cpu=2.0))
def heavy(a: int) -> int:
    return a


@workflow
def two_jobs() -> int:
    job(value=1)
    last: int = job(value=2)
    return last


@workflow
def chained() -> int:
    return heavy(a=add(a=1))


@workflow
def adds() -> int:
    add(a=1)
    return add(a=2)


@workflow
def heavies() -> int:
    heavy(a=1)
    return heavy(a=2)


@workflow
def mapped() -> list[int]:
    return map_task(add, concurrency=2)(a=[1, 2, 3, 4, 5])


def run_of(flow: Any, *events: Event, max_parallelism: int = 0) -> Run:
    compiled = flow.compile()
    row = ExecutionRow("r", "f.py:main", "d", *ME, RunPhase.RUNNING, 900.0)
    submitted = Submitted(900.0, "f.py:main", "d", {}, "", *ME, max_parallelism=max_parallelism)
    return Run(row, compiled, flatten(compiled), [submitted, *events])


def facts_of(
    run: Run, policy: PoolPolicy | None = None, others: Situation | None = None, **more: Any
) -> Facts:
    settings = Settings(local=LocalSettings(cpu=3.0))
    policies = PoolPolicies(REGISTRY.pools, settings, {"r": run})
    claims_of = ClaimsOf(run, REGISTRY.task_type, policies)
    limits = policy or PoolPolicy(capacity=2)
    return Facts(
        NOW,
        claims_of,
        lambda pool: limits if pool == DB else policies.policy(pool),
        others or Situation(),
        **more,
    )


def held_by(run: str, node: str, units: int = 1, tenant: Tenant = OTHER, since: float = 990.0) -> Busy:
    return Busy((run, node), tenant, (ResourceClaim(DB, units),), since)


def wants(
    run: str, units: int = 1, tenant: Tenant = OTHER, *, asked_at: float = 999.0, **more: Any
) -> Claimant:
    return Claimant(run, tenant, (ResourceClaim(DB, units),), (f"{run}.0",), asked_at, **more)


def prepared(node: str, units: int = 1, attempt: int = 1) -> AttemptPrepared:
    return AttemptPrepared(901.0, node, attempt, "acc", (ResourceClaim(DB, units),))


def first(run: Run, facts: Facts) -> Waiting:
    return waits_of(run, facts)[0]


FULL = Situation((held_by("x", "a"), held_by("y", "b")))


@pytest.mark.parametrize(
    ("units", "policy", "others", "cause", "words"),
    [
        (1, PoolPolicy(capacity=2), FULL, Cause.CAPACITY, f"`{DB}` is full: 2 of 2 held"),
        (
            3,
            PoolPolicy(capacity=4),
            FULL,
            Cause.CAPACITY,
            f"`{DB}` is full: 2 of 4 held, and it wants 3",
        ),
        (3, PoolPolicy(capacity=2), FULL, Cause.TOO_LARGE, f"`{DB}` can never grant 3 units at once"),
        (
            2,
            PoolPolicy(capacity=9, projects={"p": TenantPolicy(cap=3)}),
            Situation((held_by("x", "a", 2, ME),)),
            Cause.CAP,
            f"project `p` has its cap of `{DB}`: 2 of 3 held, and it wants 2",
        ),
        (
            1,
            PoolPolicy(capacity=9, domains={ME: TenantPolicy(cap=2)}),
            Situation((held_by("x", "a", 2, ME),)),
            Cause.CAP,
            f"tenant `p/d` has its cap of `{DB}`: 2 of 2 held",
        ),
        (
            1,
            PoolPolicy(capacity=4),
            Situation((held_by("x", "a", 2),), (wants("z", 4, Tenant("third", "d"), asked_at=850.0),)),
            Cause.RESERVATION,
            f"larger claims that waited longer collect what is free of `{DB}`: 4 units",
        ),
        (
            1,
            PoolPolicy(capacity=2, projects={"kept": TenantPolicy(guarantee=1, lend=0)}),
            Situation((held_by("x", "a"),)),
            Cause.LEND,
            f"what is free of `{DB}` is kept for tenants that do not lend it: 1 units",
        ),
    ],
)
def test_each_limit_of_a_pool_has_its_words(
    units: int, policy: PoolPolicy, others: Situation, cause: Cause, words: str
) -> None:
    run = run_of(two_jobs, prepared("job", units))
    found = first(run, facts_of(run, policy, others))
    assert (found.node, found.cause, found.where, found.words) == ("job", cause, DB, words)
    assert found.helps


def test_who_holds_most_comes_first_and_the_place_counts_all_runs_of_the_tenant() -> None:
    others = Situation(
        (held_by("x", "a"), held_by("y", "b", 3), held_by("z", "c", since=980.0)),
        (
            wants("older", tenant=ME, since=800.0),
            wants("newer", tenant=ME, since=950.0),
            wants("urgent", tenant=ME, since=999.0, priority=5),
            wants("else"),
        ),
    )
    run = run_of(two_jobs, prepared("job"), prepared("job_2"))
    found = waits_of(run, facts_of(run, PoolPolicy(capacity=5), others))
    assert [(each.node, each.position) for each in found] == [("job", 3), ("job_2", 4)]
    assert found[0].holders == (HeldBy("y", "b", 3), HeldBy("z", "c", 1), HeldBy("x", "a", 1))


def test_what_fits_is_about_to_start() -> None:
    run = run_of(two_jobs, prepared("job"), prepared("job_2"))
    found = waits_of(run, facts_of(run, PoolPolicy(capacity=3), FULL))
    assert [each.cause for each in found] == [Cause.NOTHING, Cause.CAPACITY]


def test_limits_of_the_run_and_of_its_machine() -> None:
    run = run_of(adds, AttemptStarted(950.0, "add", 1), max_parallelism=1)
    found = first(run, facts_of(run))
    words = "`max_parallelism` of its run: 1 of at most 1 in flight"
    assert (found.cause, found.words) == (Cause.MAX_PARALLELISM, words)
    assert found.holders == (HeldBy("r", "add", 1),)
    run = run_of(adds, AttemptStarted(950.0, "add", 1))
    found = first(run, facts_of(run))
    words = "the worker processes of its executor are busy: 1 attempt is with them"
    assert (found.cause, found.words) == (Cause.WORKERS, words)
    run = run_of(heavies, AttemptStarted(950.0, "heavy", 1))
    found = first(run, facts_of(run))
    words = "cpu of its executor's machine: 2 of 3 held, and it wants 2"
    assert (found.cause, found.words) == (Cause.MACHINE, words)


def test_items_of_an_array_are_told_together() -> None:
    opened = ArrayOpened(901.0, "add", 5, 5, ("result",))
    started = [AttemptStarted(950.0, f"add[{index}]", 1) for index in range(2)]
    run = run_of(mapped, opened, started[0])
    found = first(run, facts_of(run))
    assert (found.node, found.cause, found.items) == ("add", Cause.WORKERS, 1)
    run = run_of(mapped, opened, *started)
    found = first(run, facts_of(run))
    words = "`concurrency` of its map: 2 of 2 items in flight"
    assert (found.node, found.cause, found.items, found.words) == ("add", Cause.CONCURRENCY, 3, words)


def test_upstream_backoff_and_what_is_not_known_yet() -> None:
    run = run_of(chained)
    assert [(each.node, each.cause, each.where) for each in waits_of(run, facts_of(run))][1:] == [
        ("heavy", Cause.UPSTREAM, "add")
    ]
    failed = AttemptFailed(950.0, "add", 1, ErrorInfo("ValueError", "no"), Budget.USER, 1012.5)
    run = run_of(adds, AttemptStarted(940.0, "add", 1), failed)
    found = first(run, facts_of(run))
    words = "its next attempt may start in 12.5 s: attempt 1 failed with ValueError"
    assert (found.cause, found.words, found.start) == (Cause.BACKOFF, words, Range(12.5, 12.5))
    run = run_of(two_jobs)
    assert first(run, facts_of(run)).cause is Cause.PREPARING


@pytest.mark.parametrize(
    ("rate", "words", "start"),
    [
        (
            RateReport("jobservice:acc", "write", 5.0, 5.0, closed_until=1007.0, next_at=1007.0),
            "no calls to `jobservice:acc` for 7.0 s: its service asked for that",
            7.0,
        ),
        (
            RateReport("jobservice:acc", "read", 2.5, 5.0, next_at=1003.0),
            "call rate of `jobservice:acc`: 2.5 reads/s, and those before it take 3.0 s",
            3.0,
        ),
    ],
)
def test_the_rate_of_an_account_holds_up_a_create(rate: RateReport, words: str, start: float) -> None:
    run = run_of(two_jobs, prepared("job"), AttemptStarted(950.0, "job", 1, "token"))
    found = first(run, facts_of(run, rates={(rate.account, rate.kind): rate}))
    assert (found.node, found.cause, found.words) == ("job", Cause.RATE, words)
    assert found.start == Range(start, start)


def test_a_service_that_does_not_answer_is_named() -> None:
    gone = CreateUnsettled(960.0, "job", 1, ErrorInfo("TransientError", "connection refused"), 1010.0)
    run = run_of(two_jobs, prepared("job"), AttemptStarted(950.0, "job", 1, "token"), gone)
    found = first(run, facts_of(run))
    assert (found.cause, found.words) == (Cause.SERVICE, "waits for its service: connection refused")


def test_a_run_that_winds_down_waits_for_nothing() -> None:
    failed = AttemptFailed(950.0, "add", 1, ErrorInfo("ValueError", "no"), Budget.USER)
    run = run_of(adds, AttemptStarted(940.0, "add", 1), failed)
    assert waits_of(run, facts_of(run)) == []


# When they may begin


def starts(run: Run, facts: Facts) -> list[Range | None]:
    return [each.start for each in with_starts(run, facts, waits_of(run, facts))]


def test_a_start_lies_between_what_the_quickest_and_the_slowest_attempts_took() -> None:
    run = run_of(two_jobs, prepared("job"), prepared("job_2"))
    samples: Sequence[float] = [20.0] * 5 + [40.0] * 5
    history = History({run.spec("job").name: [5.0, 6.0]})
    others = Situation((held_by("x", "a"),))
    facts = facts_of(run, PoolPolicy(capacity=1), others, history=history, samples={("x", "a"): samples})
    assert starts(run, facts) == [Range(10.0, 30.0), Range(15.0, 36.0)]


def test_without_a_history_of_what_is_in_the_way_nothing_is_predicted() -> None:
    run = run_of(two_jobs, prepared("job"), prepared("job_2"))
    facts = facts_of(run, PoolPolicy(capacity=1), Situation((held_by("x", "a"),)))
    found = with_starts(run, facts, waits_of(run, facts))
    assert [each.start for each in found] == [None, None]
    assert found[0].basis == f"no history of `{run.spec('job').name}`"


def test_others_that_come_first_are_counted_in() -> None:
    run = run_of(two_jobs, prepared("job"), prepared("job_2"))
    before = Situation((held_by("x", "a", tenant=ME),), (wants("older", tenant=ME, since=800.0),))
    samples = {("x", "a"): [20.0]}
    history = History({run.spec("job").name: [20.0]})
    facts = facts_of(run, PoolPolicy(capacity=1), before, samples=samples, history=history)
    assert starts(run, facts) == [Range(30.0, 30.0), Range(50.0, 50.0)]


def test_what_has_run_for_long_takes_as_long_as_those_that_did() -> None:
    assert [seconds_left([10.0, 20.0, 30.0], ran_s, 0.5) for ran_s in (0.0, 15.0, 29.0)] == [20.0, 15.0, 1.0]
    assert (seconds_left([], 3.0, 0.5), quantile([4.0], 0.0)) == (None, 4.0)


def test_history_is_learned_by_task() -> None:
    history = History({}, {}, {})
    events: list[Event] = [
        ArrayOpened(0.0, "squares", 3, 3, ("result",)),
        prepared("squares[0]", 2),
        AttemptStarted(1.0, "squares[0]", 1),
        AttemptStarted(1.0, "squares[1]", 1),
        AttemptSucceeded(4.0, "squares[0]", 1, {}),
        AttemptFailed(9.0, "squares[1]", 1, ErrorInfo("E", "e"), Budget.USER),
    ]
    learn(history, events, lambda unit: unit.partition("[")[0].upper())
    claims = (ResourceClaim(DB, 2),)
    assert history == History({"SQUARES": [3.0]}, {"squares": 3}, {"SQUARES": claims})
