"""What a query would scan, told before it starts, and the refusal of one that would scan too much."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hardpoint.plugin_api import PermanentSystemError, Phase, SimpleKind, SimpleType
from hardpoint.plugin_api.query_task import Destination
from hardpoint.plugin_api.sql_text import Identifier

if TYPE_CHECKING:
    from tests.athena_bench import Bench

pytest_plugins = ["tests.athena_bench"]

INT = SimpleType(SimpleKind.INT)


def test_a_query_that_would_scan_too_much_is_not_started(bench: Bench) -> None:
    bench.standin.reset(explained=2e9)
    request = bench.request("SELECT 1", bytes_max=1_000_000_000)
    for _ in range(2):
        with pytest.raises(PermanentSystemError, match="would scan 2,000,000,000 bytes") as caught:
            bench.handler.create(bench.context, request)
        assert caught.value.hint
    assert bench.standin.queries()[0]["token"] != request.token and len(bench.standin.queries()) == 1


def test_a_query_below_its_ceiling_runs(bench: Bench) -> None:
    bench.standin.reset(explained=1e6)
    request = bench.request("SELECT 1 AS n", outputs={"n": INT}, bytes_max=1_000_000)
    job, status = bench.ended(request)
    assert status.phase is Phase.SUCCEEDED
    assert bench.handler.find(bench.context, request) == job


def test_a_query_that_nobody_can_estimate_is_not_started(bench: Bench) -> None:
    with pytest.raises(PermanentSystemError, match="no statistics of these tables"):
        bench.handler.create(bench.context, bench.request("SELECT 1", bytes_max=10**15))
    with_values = bench.request("SELECT 1 WHERE :n = 1", {"n": (INT, 1)}, bytes_max=10**15)
    with pytest.raises(PermanentSystemError, match="not for EXPLAIN"):
        bench.handler.create(bench.context, with_values)


def test_an_estimate_tells_bytes_and_the_plan(bench: Bench) -> None:
    bench.standin.reset(explained=2e9)
    estimate = bench.handler.estimate(bench.context, bench.request("SELECT 42 AS n"))
    assert estimate.usage == {"bytes_scanned": 2e9} and "Projections: n" in estimate.text
    assert bench.context.calls.writes == 0


def test_an_estimate_of_a_wrong_query_says_so(bench: Bench) -> None:
    estimate = bench.handler.estimate(bench.context, bench.request("SELEC 1"))
    assert estimate.usage == {} and estimate.text.startswith("Athena does not explain this query: ")
    assert "SYNTAX_ERROR" in estimate.text


def test_an_estimate_of_a_query_with_values_says_that_there_is_none(bench: Bench) -> None:
    estimate = bench.handler.estimate(bench.context, bench.request("SELECT 1 WHERE :n = 1", {"n": (INT, 1)}))
    assert estimate.usage == {}
    assert "parameters for SELECT, INSERT INTO, CREATE TABLE AS and UNLOAD, not for EXPLAIN" in estimate.text


def test_a_destination_is_not_made_by_an_estimate(bench: Bench) -> None:
    bench.standin.reset(explained=5e6)
    to = Destination(Identifier("default.made"), "replace")
    bench.standin.sql("CREATE TABLE made AS SELECT 7 AS n")
    estimate = bench.handler.estimate(bench.context, bench.request("SELECT 42 AS n", destination=to))
    assert estimate.usage == {"bytes_scanned": 5e6}
    assert bench.standin.sql("SELECT n FROM made") == [[7]]
