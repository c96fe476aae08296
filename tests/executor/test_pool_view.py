"""Pools as an operator sees them, from the rows of a store; and who is next in line."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.json import encode

from hardpoint.executor.engine.shared_pools import Said
from hardpoint.executor.journal.events import RunPhase, Submitted
from hardpoint.executor.journal.memory import MemoryJournal
from hardpoint.executor.journal.opening import open_journal
from hardpoint.executor.journal.protocol import ExecutionRow
from hardpoint.executor.journal.shared import Holding, PoolRows, RateRow, Wanted
from hardpoint.executor.pool_line import line_of
from hardpoint.executor.pool_view import PoolReport, pool_reports, rate_reports
from hardpoint.executor.situation import Busy
from hardpoint.executor.throttle.foreign import Demand
from hardpoint.executor.throttle.policy import PoolPolicy, Tenant, TenantPolicy
from hardpoint.plugin_api import RateLimit, ResourceClaim

NOW = 1000.0
POLICY = PoolPolicy(capacity=4, projects={"ads": TenantPolicy(guarantee=1), "late": TenantPolicy(cap=2)})


def demand(since: float, units: int = 1, waiting: int = 1, priority: int = 0) -> Demand:
    return Demand(priority, since, units, waiting, asked_at=990.0)


def wanted(executor: str, project: str, *demands: Demand, pool: str = "db") -> Wanted:
    return Wanted(pool, executor, project, "dev", encode(Said(demands)))


def row(execution: str, project: str, since: float) -> ExecutionRow:
    return ExecutionRow(execution, "w", "d", project, "dev", RunPhase.RUNNING, since)


ROWS = PoolRows(
    holdings=(Holding("db", "ads", "dev", 3, 50.0, 990.0), Holding("db", "gone", "dev", 0, 9.0, 1.0)),
    wanted=(
        wanted("alive", "ads", demand(1.0, waiting=2), demand(2.0, units=2)),
        wanted("alive", "search", demand(3.0)),
        wanted("dead", "search", demand(4.0, waiting=7)),
    ),
    seen={"alive": 999.0, "dead": 900.0},
)


def report(rows: PoolRows) -> PoolReport:
    (found,) = pool_reports(["db"], rows, [], lambda pool: POLICY, NOW)
    return found


def test_a_report_counts_what_all_hold_and_what_the_living_want() -> None:
    found = report(ROWS)
    assert (found.capacity, found.held, found.free, found.waiting) == (4, 3, 1, 4)
    lines = [(each.project, each.domain, each.held, each.waiting, each.borrowed) for each in found.tenants]
    assert lines == [
        ("ads", None, 3, 3, 2),
        ("ads", "dev", 3, 3, 0),
        ("late", None, 0, 0, 0),
        ("search", None, 0, 1, 0),
        ("search", "dev", 0, 1, 0),
    ]
    assert found.tenants[0].slot_s == pytest.approx(80.0)
    assert [(each.guarantee, each.cap) for each in found.tenants if each.domain is None] == [
        (1, None),
        (0, 2),
        (0, None),
    ]


def test_a_pool_that_nobody_uses_shows_who_is_named() -> None:
    found = report(PoolRows())
    assert [(each.project, each.guarantee, each.cap) for each in found.tenants] == [
        ("ads", 1, None),
        ("late", 0, 2),
    ]


def test_a_pool_without_a_limit_has_no_free_units_to_count() -> None:
    (found,) = pool_reports(["db"], ROWS, [], lambda pool: PoolPolicy(), NOW)
    assert (found.capacity, found.free, found.held) == (None, None, 3)


def test_those_who_would_be_granted_first_stand_first_in_line() -> None:
    busy = tuple(
        Busy(("a1", f"n{each}"), Tenant("ads", "dev"), (ResourceClaim("db"),), 950.0) for each in range(4)
    )
    full = ROWS._replace(
        holdings=(Holding("db", "ads", "dev", 4, 50.0, 990.0),),
        wanted=(
            wanted("alive", "ads", demand(1.0, waiting=2), demand(2.0, units=2, priority=3)),
            wanted("alive", "search", demand(3.0)),
            wanted("alive", "late", demand(5.0, waiting=4)),
        ),
    )
    running = [row("a1", "ads", 1.0), row("a2", "ads", 2.0), row("s1", "search", 3.0)]
    found = line_of("db", busy, full, running, lambda pool: POLICY, NOW)
    told = [(each.execution, each.units, each.waiting, each.place, each.cause) for each in found]
    assert told == [
        ("<alive>", 1, 4, 1, "capacity"),
        ("s1", 1, 1, 2, "capacity"),
        ("a2", 2, 1, 4, "capacity"),
        ("a1", 1, 2, 5, "capacity"),
    ]
    assert found[0].words == "`db` is full: 4 of 4 held"


def test_rates_that_were_used_are_told_beside_those_declared() -> None:
    declared = [RateLimit("athena:*", 20.0, 5.0)]
    rows = PoolRows(rates=(RateRow("athena:primary", "read", b""), RateRow("other:x", "read", b"")))
    found = rate_reports(rows, declared, NOW)
    assert [(each.account, each.kind, each.per_s) for each in found] == [
        ("athena:*", "read", 20.0),
        ("athena:*", "write", 5.0),
    ]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "memory"])
def test_a_journal_tells_all_rows(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = str(request.getfixturevalue("postgres_url")) if kind == "postgresql" else kind
    journal = open_journal(tmp_path, url)
    assert journal.pools.rows() == PoolRows({}, seen={})
    journal.pools.set("db", b"{}")
    journal.pools.change_rate("db:acc", "read", lambda body: b"state")
    if kind != "memory":
        journal.pools.lock({"db": -1}, "me", 10.0)
        journal.pools.want([wanted("me", "ads", demand(1.0))])
        journal.pools.unlock()
    found = journal.pools.rows()
    assert (found.settings, found.rates) == ({"db": b"{}"}, (RateRow("db:acc", "read", b"state"),))
    if kind != "memory":
        assert found.wanted == (wanted("me", "ads", demand(1.0)),)
        assert found.seen == {"me": 10.0}
    journal.close()


def test_a_run_of_an_unknown_age_is_named_after_its_executor() -> None:
    journal = MemoryJournal()
    journal.create(row("r", "ads", 2.0), b"", [Submitted(2.0, "w", "d", {}, "", "ads", "dev")])
    rows = PoolRows(wanted=(wanted("alive", "ads", demand(1.0), demand(2.0)),), seen={"alive": NOW})
    found = line_of("db", (), rows, journal.rows(), lambda pool: PoolPolicy(capacity=0), NOW)
    assert {each.execution for each in found} == {"<alive>", "r"}
