"""What the doctor says of pools and rates, from the rows of a store."""

from __future__ import annotations

import msgspec
import pytest

from hardpoint.executor.doctor.findings import HOST, About
from hardpoint.executor.doctor.quota import FULL_LONG_S, LATELY_S, of_quota
from hardpoint.executor.journal.shared import Holding, PoolRows, RateRow
from hardpoint.executor.pool_view import PoolReport, RateReport, rate_reports
from hardpoint.executor.rates.gcra import Limit
from hardpoint.executor.rates.rate_state import RateState, throttled
from hardpoint.plugin_api import RateLimit, Severity

NOW = 1_700_000_000.0
LIMIT = RateLimit("acme:x", 10.0, 10.0)


def owner_of(task_type: str) -> str:
    return {"acme": "hardpoint-acme"}.get(task_type, HOST)


def pool(capacity: int | None, held: int, waiting: int, name: str = "acme:x") -> PoolReport:
    return PoolReport(name, capacity, held, None if capacity is None else capacity - held, waiting)


def held(units: int, since: float) -> PoolRows:
    return PoolRows(holdings=(Holding("acme:x", "p", "d", units, 0.0, since),))


def told(pools: list[PoolReport], rows: PoolRows, rates: list[RateReport] | None = None) -> list[About]:
    return list(of_quota(pools, rates or [], rows, owner_of, NOW))


def test_a_pool_that_has_room_is_told_with_its_headroom() -> None:
    (found,) = told([pool(5, 3, 0), pool(9, 1, 0, "acme:y"), pool(2, 2, 0, "acme:*")], held(3, NOW))
    assert (found.plugin, found.finding.severity) == ("hardpoint-acme", Severity.OK)
    assert found.finding.message == "pool `acme:x`: 3 of 5 held, the fullest of 2 pools"


def test_a_closed_pool_is_a_warning() -> None:
    (found,) = told([pool(0, 0, 4)], PoolRows())
    assert (found.plugin, found.finding.severity) == ("hardpoint-acme", Severity.WARNING)
    assert found.finding.message == "pool `acme:x` is closed: its capacity is 0"


def test_a_pool_that_is_full_for_long_is_a_warning() -> None:
    (found,) = told([pool(5, 5, 12)], held(5, NOW - 1800.0))
    assert found.finding.severity is Severity.WARNING
    assert found.finding.message == (
        "pool `acme:x` is full: 5 of 5 held, 12 waiting, and nothing has moved for 30 min"
    )
    assert found.finding.hint == "`hardpoint pools explain acme:x` shows who holds it"


@pytest.mark.parametrize(
    ("report", "since"),
    [
        pytest.param(pool(5, 5, 12), NOW - FULL_LONG_S + 1, id="it moves"),
        pytest.param(pool(5, 5, 0), NOW - FULL_LONG_S - 1, id="nobody waits"),
        pytest.param(pool(5, 4, 1), NOW - FULL_LONG_S - 1, id="there is room"),
        pytest.param(pool(None, 5, 9), NOW - FULL_LONG_S - 1, id="no limit"),
    ],
)
def test_a_pool_that_is_only_busy_is_no_warning(report: PoolReport, since: float) -> None:
    (found,) = told([report], held(5, since))
    assert found.finding.severity is Severity.OK


def throttled_rows(ago_s: float, retry_after_s: float | None = None, times: int = 2) -> PoolRows:
    state = RateState()
    for number in range(times):
        at = NOW - ago_s - 2.0 * (times - number - 1)
        state = throttled(state, Limit(10.0, 10), at, at - 0.1, retry_after_s)
    return PoolRows(rates=(RateRow("acme:x", "write", msgspec.msgpack.encode(state)),))


def told_of_rates(rows: PoolRows) -> list[About]:
    return told([], rows, rate_reports(rows, [LIMIT], NOW))


def test_a_rate_that_its_service_throttled_lately_is_a_warning() -> None:
    (found,) = told_of_rates(throttled_rows(120.0))
    assert (found.plugin, found.finding.severity) == ("hardpoint-acme", Severity.WARNING)
    assert found.finding.message == (
        "account `acme:x` is down to 2.5 of 10 writes/s: its service throttled 2 min ago"
    )


def test_a_rate_that_was_throttled_long_ago_is_no_news() -> None:
    assert told_of_rates(throttled_rows(LATELY_S + 1)) == []


def test_an_account_that_its_service_closed_is_a_warning() -> None:
    (found,) = told_of_rates(throttled_rows(0.0, retry_after_s=90.0, times=1))
    assert found.finding.message == (
        "account `acme:x` is closed to writes for 90 s: its service asked to wait"
    )


def test_what_belongs_to_no_plugin_is_the_hosts() -> None:
    (found,) = told([pool(0, 0, 0, "local")], PoolRows())
    assert found.plugin == HOST
