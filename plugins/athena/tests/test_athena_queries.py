"""Queries over the wire, through the vendor's client, and what stands in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hardpoint.plugin_api import (
    ContractViolation,
    ErrorKind,
    HardpointError,
    PermanentSystemError,
    Phase,
    SimpleKind,
    SimpleType,
    ThrottledError,
    TransientError,
)
from hardpoint.plugin_api.testing.http_dialect import Fault, FaultKind
from hardpoint_athena.config import Connection

if TYPE_CHECKING:
    from tests.athena_bench import Bench

pytest_plugins = ["tests.athena_bench"]

INT = SimpleType(SimpleKind.INT)
EXPIRED = Fault(FaultKind.REFUSE, status=400, code="ExpiredTokenException")


def test_a_wrong_query_fails_once_under_a_caret(bench: Bench) -> None:
    request = bench.request("SELECT n,\n  amonut\nFROM (SELECT 1 AS n) WHERE n = :n", {"n": (INT, 1)})
    _, status = bench.ended(request)
    assert status.error is not None
    assert status.error.message.endswith("2 |   amonut\n  |   ^")
    assert (status.error.code, status.error.kind) == ("COLUMN_NOT_FOUND", ErrorKind.SYSTEM)


def test_the_caret_stands_right_behind_a_value_of_several_lines(bench: Bench) -> None:
    sql = "SELECT json_parse(:rows) AS rows,\n json_parse(:rows), amonut FROM (SELECT 1 AS n)"
    values = "[" + ",\n\n".join(str(n) for n in range(1000)) + "]"
    _, status = bench.ended(bench.request(sql, {"rows": (SimpleType(SimpleKind.STR), values)}))
    assert status.error is not None
    shown, caret = status.error.message.splitlines()[-2:]
    assert shown[caret.index("^") :].startswith("amonut FROM")


def test_usage_is_told_with_the_end(bench: Bench) -> None:
    bench.standin.reset(scanned=12_345_678)
    _, status = bench.ended(bench.request("SELECT 1"))
    assert status.usage == {"bytes_scanned": 12_345_678.0, "engine_s": 0.1}


def test_fifty_queries_are_one_call(bench: Bench) -> None:
    jobs = [bench.handler.create(bench.context, bench.request("SELECT 1")) for _ in range(60)]
    bench.proxy.reset()
    assert len(bench.handler.poll_many(bench.context, jobs)) == 60
    assert bench.proxy.calls() == ["BatchGetQueryExecution"] * 2


def test_a_query_far_down_the_listing_is_found(bench: Bench) -> None:
    request = bench.request("SELECT 1")
    job = bench.handler.create(bench.context, request)
    for _ in range(55):
        bench.handler.create(bench.context, bench.request("SELECT 1"))
    assert bench.handler.find(bench.context, request) == job
    assert bench.proxy.calls().count("ListQueryExecutions") == 2


def test_a_query_that_may_reuse_a_result_is_sent_as_written(bench: Bench) -> None:
    request = bench.request("SELECT 1", reuse_minutes=5)
    bench.ended(request)
    assert bench.handler.find(bench.context, request) is None
    assert "carries no mark" in bench.context.logged[-1]
    assert bench.proxy.calls().count("ListQueryExecutions") == 0


def test_a_repeated_token_of_another_query_starts_nothing(bench: Bench) -> None:
    first = bench.request("SELECT 1", token="hp-" + "a" * 32)
    bench.handler.create(bench.context, first)
    with pytest.raises(ContractViolation, match="Idempotent parameters do not match"):
        bench.handler.create(bench.context, bench.request("SELECT 2", token=first.token))
    assert len(bench.standin.queries()) == 1


def test_expired_credentials_are_replaced_within_the_call(bench: Bench) -> None:
    bench.proxy.script(EXPIRED)
    job, status = bench.ended(bench.request("SELECT 1"))
    assert status.phase is Phase.SUCCEEDED and len(bench.standin.queries()) == 1
    bench.proxy.script(EXPIRED)
    assert bench.handler.poll_many(bench.context, [job])[job.id].phase is Phase.SUCCEEDED


def test_credentials_that_stay_expired_are_permanent(bench: Bench) -> None:
    bench.proxy.script(EXPIRED, EXPIRED)
    with pytest.raises(PermanentSystemError, match="ExpiredTokenException") as caught:
        bench.handler.create(bench.context, bench.request("SELECT 1"))
    assert "aws sso login" in caught.value.hint


def test_an_assumed_role_is_whose_the_calls_are(bench: Bench) -> None:
    connection = Connection(
        region="us-east-1",
        endpoint_url=bench.proxy.url,
        access_key="KEY",
        secret_key="SECRET",
        role_arn="arn:aws:iam::123456789012:role/reader",
        external_id="partner",
        sts_endpoint_url=bench.proxy.url,
    )
    _, status = bench.ended(bench.request("SELECT 1", connection=connection))
    assert status.phase is Phase.SUCCEEDED
    # Not named in `X-Amz-Target`: STS speaks another protocol.
    assert bench.proxy.calls()[:2] == ["", "StartQueryExecution"]


FAULTS: list[tuple[Fault, type[HardpointError]]] = [
    (Fault(FaultKind.REFUSE, status=400, code="ThrottlingException", retry_after_s=3.0), ThrottledError),
    (Fault(FaultKind.REFUSE, status=503, code="SlowDown"), ThrottledError),
    (Fault(FaultKind.REFUSE, status=503), TransientError),
    (Fault(FaultKind.CUT), TransientError),
    (Fault(FaultKind.LOSE), TransientError),
]


NAMES = [f"{each.kind.name}-{each.status}-{each.code}" for each, _ in FAULTS]


@pytest.mark.parametrize(("fault", "cls"), FAULTS, ids=NAMES)
def test_a_query_survives_faults_of_its_start(bench: Bench, fault: Fault, cls: type[HardpointError]) -> None:
    request = bench.request("SELECT 1 AS n", outputs={"n": INT})
    bench.proxy.script(fault)
    with pytest.raises(cls) as caught:
        bench.handler.create(bench.context, request)
    assert caught.value.info().retry_after_s == fault.retry_after_s
    job, _ = bench.ended(request)
    assert bench.handler.outputs(bench.context, request, job) == {"n": 1}
    assert len(bench.standin.queries()) == 1
