"""Settings that arrive, what a job used and would use, ceilings, and the diagnosis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hardpoint.plugin_api import Severity, UserError
from hardpoint.plugin_api.testing.http_dialect import Fault, FaultKind
from hardpoint_bigquery import diagnosis
from hardpoint_bigquery.testing import standin
from hardpoint_bigquery.testing.job_book import JobBook

if TYPE_CHECKING:
    from tests.bigquery_warehouse import Warehouse

pytest_plugins = ["tests.bigquery_warehouse"]


def test_usage_of_an_ended_job_is_told_with_its_price(warehouse: Warehouse, book: JobBook) -> None:
    book.statistics = {"totalBytesProcessed": "1000", "totalBytesBilled": str(2**40), "totalSlotMs": "77"}
    job = warehouse.create(warehouse.request("SELECT 1", price_usd_per_tib=6.25))
    usage = warehouse.ended(job).usage
    assert usage == {"bytes_scanned": 1000.0, "bytes_billed": 2.0**40, "slot_ms": 77.0, "cost_usd": 6.25}


def test_an_estimate_starts_nothing(warehouse: Warehouse, book: JobBook) -> None:
    book.statistics = {"totalBytesProcessed": str(2**31)}
    request = warehouse.request("SELECT 1 AS n", price_usd_per_tib=6.25)
    estimate = warehouse.handler.estimate(warehouse.context, request)
    assert estimate.text == "Dry run: the SELECT would read 2 GiB, for 0.01 USD"
    assert estimate.usage["bytes_scanned"] == 2.0**31
    assert warehouse.handler.find(warehouse.context, request) is None
    with pytest.raises(UserError, match="nope"):
        warehouse.handler.estimate(warehouse.context, warehouse.request("SELECT nope"))


@pytest.mark.parametrize(
    "ceiling", [{"ceiling_bytes": 999}, {"ceiling_usd": 0.01, "price_usd_per_tib": 2.0**40}]
)
def test_a_ceiling_refuses_before_anything_starts(
    warehouse: Warehouse, book: JobBook, ceiling: dict[str, Any]
) -> None:
    book.statistics = {"totalBytesProcessed": "1000"}
    request = warehouse.request("SELECT 1", **ceiling)
    with pytest.raises(UserError, match="above its ceiling"):
        warehouse.create(request)
    assert warehouse.handler.find(warehouse.context, request) is None and warehouse.context.calls.writes == 0


def test_a_job_that_runs_is_adopted_though_its_tables_grew_above_the_ceiling(
    warehouse: Warehouse, book: JobBook
) -> None:
    request = warehouse.request("SELECT 1", ceiling_bytes=999)
    job = warehouse.create(request)
    book.statistics = {"totalBytesProcessed": "1000"}
    assert warehouse.create(request) == job


def test_job_settings_arrive_at_the_service(warehouse: Warehouse) -> None:
    job = {
        "labels": {"team": "sales"},
        "jobTimeoutMs": "60000",
        "reservation": "projects/p1/locations/US/reservations/night",
        "query": {"priority": "BATCH", "maximumBytesBilled": "1000000", "useQueryCache": False},
    }
    made = warehouse.create(warehouse.request("SELECT 1", job=job))
    sent = warehouse.shown(made)["configuration"]
    assert {name: sent[name] for name in ("jobTimeoutMs", "reservation")} == {
        name: job[name] for name in ("jobTimeoutMs", "reservation")
    }
    assert sent["labels"]["team"] == "sales" and sent["query"]["priority"] == "BATCH"
    assert (sent["query"]["maximumBytesBilled"], sent["query"]["useQueryCache"]) == ("1000000", False)


def test_the_diagnosis_asks_with_a_dry_run(warehouse: Warehouse) -> None:
    place = {"GOOGLE_CLOUD_PROJECT": standin.PROJECT, "HARDPOINT_BIGQUERY_ENDPOINT": warehouse.proxy.url}
    found = list(diagnosis.findings(warehouse.context, place))
    assert [each.severity for each in found] == [Severity.OK, Severity.OK]
    assert found[1].message == "project `p1` in `US` takes queries"
    warehouse.proxy.script(Fault(FaultKind.REFUSE, status=403))
    assert [each.subject for each in diagnosis.findings(warehouse.context, place)] == [
        "client",
        "credentials",
    ]
    assert [each.severity for each in diagnosis.findings(warehouse.context, {})][1] is Severity.WARNING
