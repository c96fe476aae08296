"""Queries over the wire, through the vendor's client: values in, results out, and what stands in between."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec
import pyarrow as pa
import pytest

from hardpoint.core.types.frames import read_frame
from hardpoint.core.types.natural import LiteralValues
from hardpoint.plugin_api import (
    AnyType,
    ContractViolation,
    CreateRequest,
    ErrorKind,
    FrameType,
    HardpointError,
    Interface,
    JobRef,
    PermanentSystemError,
    Phase,
    SimpleKind,
    SimpleType,
    Status,
    TaskSpec,
    ThrottledError,
    TransientError,
    UnionType,
    UserError,
    Variable,
)
from hardpoint.plugin_api.sql_text import SqlText
from hardpoint.plugin_api.testing.fakes import FakeContext, PlainValues, fake_request
from hardpoint_athena.config import AthenaConfig, Connection
from hardpoint_athena.handler import AthenaHandler
from hardpoint_athena.testing.fault_proxy import Fault, FaultProxy, Kind
from hardpoint_athena.testing.standin import Standin

TABLE = FrameType("pyarrow")
TEXT, INT = SimpleType(SimpleKind.STR), SimpleType(SimpleKind.INT)
EXPIRED = Fault(Kind.REFUSE, status=400, code="ExpiredTokenException")


class Bench:
    """A handler in front of a running stand-in."""

    def __init__(self, standin: Standin, proxy: FaultProxy) -> None:
        self.standin, self.proxy = standin, proxy
        self.handler = AthenaHandler()
        self.context = FakeContext({"KEY": "AKIAEXAMPLE", "SECRET": "s"})
        # The fake ones know plain JSON only.
        self.context.values = cast(PlainValues, LiteralValues(self.context.store))
        standin.reset()
        proxy.reset()

    def request(
        self,
        sql: str,
        inputs: Mapping[str, tuple[AnyType, Any]] | None = None,
        outputs: Mapping[str, AnyType] | None = None,
        token: str = "",
        **settings: Any,
    ) -> CreateRequest:
        given, wanted = inputs or {}, outputs or {}
        face = Interface(
            tuple(Variable(name, type) for name, (type, _) in given.items()),
            tuple(Variable(name, type) for name, type in wanted.items()),
        )
        connection = Connection(
            region="us-east-1", endpoint_url=self.proxy.url, access_key="KEY", secret_key="SECRET"
        )
        config = AthenaConfig(SqlText(sql), **{"connection": connection, **settings})
        wires = {name: self.context.values.encode(type, value) for name, (type, value) in given.items()}
        spec = TaskSpec("flow.py:q", "athena", "v1", face, msgspec.to_builtins(config))
        return fake_request(spec, wires, token=token or f"hp-{uuid.uuid4().hex}")

    def ended(self, request: CreateRequest) -> tuple[JobRef, Status]:
        job = self.handler.create(self.context, request)
        while True:
            status = self.handler.poll_many(self.context, [job])[job.id]
            if status.phase.terminal:
                return job, status

    def outputs(self, *args: Any, **more: Any) -> dict[str, Any]:
        request = self.request(*args, **more)
        job, status = self.ended(request)
        assert status.phase is Phase.SUCCEEDED, status
        wires = self.handler.outputs(self.context, request, job)
        types = {each.name: each.type for each in request.spec.interface.outputs}
        return {name: self.natural(types[name], wire) for name, wire in wires.items()}

    def natural(self, type: AnyType, wire: Any) -> Any:
        if isinstance(type, FrameType):
            return read_frame(type, "pyarrow", wire, self.context.store)
        return self.context.values.decode(type, wire)


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Standin, FaultProxy]]:
    with Standin() as standin, FaultProxy(standin.port) as proxy:
        yield standin, proxy


@pytest.fixture
def bench(running: tuple[Standin, FaultProxy]) -> Iterator[Bench]:
    bench = Bench(*running)
    yield bench
    bench.context.store.close()


CORPUS = [
    "'",
    "''",
    "\\'",
    '"',
    "`",
    "' OR '1'='1",
    "'; DROP TABLE corpus; --",
    "x'); DELETE FROM corpus; --",
    "/* comment */ -- and another\n' UNION SELECT 1 --",
    "?",
    ":w",
    "{table}",
    "$1 %s \x00 \x1a",
    "\u02bc \uff07 \u2019 \u0000\u0301",
    "👩‍👩‍👧‍👦 \U0010ffff \u202e",
    "1",
    "1; 2",
    "NULL",
    "corpus",
    "",
    " ",
    "\r\n\t",
    "x" * 900,
]


def test_nothing_in_a_value_is_sql(bench: Bench) -> None:
    bench.standin.sql("CREATE TABLE corpus (id BIGINT, w VARCHAR)")
    for number, text in enumerate(CORPUS):
        bench.standin.sql(f"INSERT INTO corpus VALUES ({number}, decode(from_hex('{text.encode().hex()}')))")
    sql = "SELECT max(id) AS id, count(*) AS n FROM corpus WHERE w = :w -- :w"
    for number, text in enumerate(CORPUS):
        found = bench.outputs(sql, {"w": (TEXT, text)}, {"id": INT, "n": INT})
        assert found == {"id": number, "n": 1}, text
    assert bench.standin.sql("SELECT count(*) FROM corpus") == [[len(CORPUS)]]


KINDS: list[tuple[SimpleKind, Any]] = [
    (SimpleKind.INT, -(2**63) + 1),
    (SimpleKind.FLOAT, 0.1),
    (SimpleKind.BOOL, True),
    (SimpleKind.BYTES, b"\x00'\xff"),
    (SimpleKind.DATE, dt.date(1, 2, 3)),
    (SimpleKind.DATETIME, dt.datetime(2026, 1, 2, 3, 4, 5, 678901)),
    (SimpleKind.DECIMAL, decimal.Decimal("-12345678901234567890.123456")),
    (SimpleKind.UUID, uuid.UUID(int=7)),
]


@pytest.mark.parametrize(("kind", "value"), KINDS, ids=[kind.value for kind, _ in KINDS])
def test_values_of_every_kind_go_in_and_come_out(bench: Bench, kind: SimpleKind, value: object) -> None:
    type = SimpleType(kind)
    assert bench.outputs("SELECT :x AS x", {"x": (type, value)}, {"x": type}) == {"x": value}


def test_none_goes_in_and_comes_out(bench: Bench) -> None:
    maybe = UnionType((TEXT, SimpleType(SimpleKind.NONE)))
    assert bench.outputs("SELECT :x AS x", {"x": (maybe, None)}, {"x": maybe}) == {"x": None}


def test_a_result_is_a_typed_table_read_page_by_page(bench: Bench) -> None:
    sql = """
        SELECT range AS n, CAST(range AS VARCHAR) AS words, CAST(range AS DECIMAL(10, 2)) AS amount,
            range / 4 AS part, range % 2 = 0 AS even, DATE '2026-01-01' AS day,
            TIMESTAMP '2026-01-01 12:00:00.5' AS moment, X'00ff' AS bytes,
            CASE WHEN range > 0 THEN 'x' END AS gap
        FROM range(2500)
    """
    table = bench.outputs(sql, outputs={"rows": TABLE})["rows"]
    assert table.num_rows == 2500 and bench.proxy.calls().count("GetQueryResults") == 3
    assert dict(zip(table.schema.names, table.schema.types, strict=True)) == {
        "n": pa.int64(),
        "words": pa.string(),
        "amount": pa.decimal128(10, 2),
        "part": pa.float64(),
        "even": pa.bool_(),
        "day": pa.date32(),
        "moment": pa.timestamp("us"),
        "bytes": pa.binary(),
        "gap": pa.string(),
    }
    first, last = table.slice(0, 1).to_pylist()[0], table.slice(2499, 1).to_pylist()[0]
    assert first["gap"] is None and first["even"] and first["bytes"] == b"\x00\xff"
    assert last["n"] == 2499 and last["amount"] == decimal.Decimal("2499.00") and last["gap"] == "x"
    assert first["moment"] == dt.datetime(2026, 1, 1, 12, 0, 0, 500000)


def test_an_empty_result_is_a_table_with_its_columns(bench: Bench) -> None:
    table = bench.outputs("SELECT 1 AS a, 'x' AS b WHERE 1 = 0", outputs={"rows": TABLE})["rows"]
    assert (table.num_rows, table.schema.names) == (0, ["a", "b"])


def test_a_row_that_repeats_the_names_is_a_row(bench: Bench) -> None:
    table = bench.outputs("SELECT 'a' AS a", outputs={"rows": TABLE})["rows"]
    assert table.to_pylist() == [{"a": "a"}]


def test_without_outputs_nothing_is_read(bench: Bench) -> None:
    assert bench.outputs("CREATE TABLE made (x INTEGER)") == {}
    assert "GetQueryResults" not in bench.proxy.calls()


WRONG: dict[str, tuple[str, dict[str, AnyType]]] = {
    "The query has 2 rows": ("SELECT 1 AS n UNION ALL SELECT 2", {"n": INT}),
    "The query has 0 rows": ("SELECT 1 AS n WHERE 1 = 0", {"n": INT}),
    "The result has no column `total`": ("SELECT 1 AS n, 2 AS m", {"total": INT, "m": INT}),
    "The result has two columns `a`": ("SELECT 1 AS a, 2 AS a", {"rows": TABLE}),
    "must be its only output": ("SELECT 1 AS n", {"rows": TABLE, "n": INT}),
}


@pytest.mark.parametrize("message", WRONG)
def test_a_result_that_does_not_fit_is_the_authors(bench: Bench, message: str) -> None:
    sql, outputs = WRONG[message]
    with pytest.raises(UserError, match=message) as caught:
        bench.outputs(sql, outputs=outputs)
    assert caught.value.hint


def test_a_wrong_query_fails_once_under_a_caret(bench: Bench) -> None:
    request = bench.request("SELECT n,\n  amonut\nFROM (SELECT 1 AS n) WHERE n = :n", {"n": (INT, 1)})
    _, status = bench.ended(request)
    assert status.error is not None
    assert status.error.message.endswith("2 |   amonut\n  |   ^")
    assert (status.error.code, status.error.kind) == ("COLUMN_NOT_FOUND", ErrorKind.SYSTEM)


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
    (Fault(Kind.REFUSE, status=400, code="ThrottlingException", retry_after_s=3.0), ThrottledError),
    (Fault(Kind.REFUSE, status=503, code="SlowDown"), ThrottledError),
    (Fault(Kind.REFUSE, status=503), TransientError),
    (Fault(Kind.CUT), TransientError),
    (Fault(Kind.LOSE), TransientError),
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
    with pytest.raises(PermanentSystemError, match="Parameters are not supported"):
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
