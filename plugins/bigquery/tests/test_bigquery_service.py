"""Google's own client against a stand-in that runs the SQL, behind a proxy that breaks things."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hardpoint.core.store import BlobStore
from hardpoint.core.types.natural import LiteralValues
from hardpoint.plugin_api import (
    AnyType,
    ContractViolation,
    CreateRequest,
    DictType,
    ErrorKind,
    FrameType,
    Interface,
    JobRef,
    ListType,
    Phase,
    Reference,
    Severity,
    SimpleKind,
    SimpleType,
    Status,
    StructField,
    StructType,
    TaskSpec,
    TransientError,
    UnionType,
    UserError,
    Variable,
)
from hardpoint.plugin_api.testing.fakes import FakeContext, fake_request
from hardpoint_bigquery import diagnosis
from hardpoint_bigquery.handler import BigQueryHandler
from hardpoint_bigquery.testing import standin
from hardpoint_bigquery.testing.fault_proxy import Fault, FaultProxy, in_front_of
from hardpoint_bigquery.testing.job_book import JobBook
from hardpoint_bigquery.testing.switch import credentials_file

NONE, INT, FLOAT, STR, BOOL, BYTES, DATETIME, DATE, TIME, TIMEDELTA, DECIMAL, UUID = map(
    SimpleType, SimpleKind
)
POINT = StructType("Point", (StructField("x", INT), StructField("label", STR)))
TABLE = StructType("BigQueryTable", tuple(StructField(name, STR) for name in ("project", "dataset", "table")))
FRAME = FrameType("pyarrow")
SECRET = "BIGQUERY_CREDENTIALS"
LONG_SQL = (
    "SELECT COUNT(*) AS n FROM UNNEST(GENERATE_ARRAY(1, 200000)) a, UNNEST(GENERATE_ARRAY(1, 200000)) b"
)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """One stand-in for all tests of this file."""
    try:
        with standin.running() as url:
            yield url
    except standin.StandinMissingError as error:
        pytest.skip(f"platform: {error}")


class Warehouse:
    """A handler as an executor has it, with natural values in and out."""

    def __init__(self, proxy: FaultProxy, folder: Path) -> None:
        self.proxy, self.handler = proxy, BigQueryHandler()
        self.context = FakeContext({SECRET: credentials_file(proxy.url)})
        store: Any = BlobStore(str(folder))
        self.context.store = store
        self.context.values = LiteralValues(store)  # type: ignore[assignment]

    def request(
        self,
        sql: str,
        inputs: Mapping[str, tuple[AnyType, Any]] | None = None,
        outputs: Mapping[str, AnyType] | None = None,
        *,
        token: str = "",
        **config: Any,
    ) -> CreateRequest:
        given = inputs or {}
        interface = Interface(
            tuple(Variable(name, type) for name, (type, _) in given.items()),
            tuple(Variable(name, type) for name, type in (outputs or {}).items()),
        )
        place = {"project": standin.PROJECT, "endpoint": self.proxy.url}
        spec = TaskSpec("flow.py:q", "bigquery", "v1", interface, {**place, "sql": {"text": sql}, **config})
        wires = {name: self.context.values.encode(type, value) for name, (type, value) in given.items()}
        return fake_request(spec, wires, token=token or f"hp-{uuid4().hex}")

    def create(self, request: CreateRequest) -> JobRef:
        return self.handler.create(self.context, request)

    def ended(self, job: JobRef) -> Status:
        deadline = time.monotonic() + 20
        while True:
            status = self.handler.poll_many(self.context, [job])[job.id]
            if status.phase.terminal or time.monotonic() > deadline:
                return status
            time.sleep(0.02)

    def run(self, request: CreateRequest) -> dict[str, Any]:
        job = self.create(request)
        status = self.ended(job)
        assert status.phase is Phase.SUCCEEDED, status
        outputs = self.handler.outputs(self.context, request, job)
        types = {each.name: each.type for each in request.spec.interface.outputs}
        assert set(outputs) == set(types)
        return {name: self.context.values.decode(types[name], wire) for name, wire in outputs.items()}

    def table(self, request: CreateRequest) -> Any:
        """The only output, as the Parquet file has it."""
        job = self.create(request)
        assert self.ended(job).phase is Phase.SUCCEEDED
        [wire] = self.handler.outputs(self.context, request, job).values()
        data = self.context.store.read_bytes(msgspec.convert(wire, Reference))
        return pq.read_table(io.BytesIO(data))

    def shown(self, job: JobRef) -> dict[str, Any]:
        """The job as the stand-in itself describes it."""
        path = f"/bigquery/v2/projects/{standin.PROJECT}/jobs/{job.id}?location=US"
        with urlopen(self.proxy.upstream + path, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def fails(self, sql: str, **config: Any) -> Status:
        status = self.ended(self.create(self.request(sql, **config)))
        assert status.phase is Phase.FAILED and status.error is not None
        return status


@pytest.fixture
def book() -> JobBook:
    return JobBook(holds=False)


@pytest.fixture
def warehouse(server: str, book: JobBook, tmp_path: Path) -> Iterator[Warehouse]:
    with in_front_of(server, book) as proxy:
        yield Warehouse(proxy, tmp_path)


SCALARS: dict[str, tuple[AnyType, Any]] = {
    "whole": (INT, -(2**63)),
    "real": (FLOAT, 0.1),
    "word": (STR, "naïve 'quoted' \"text\"\n-- and `more` \\"),
    "yes": (BOOL, True),
    "raw": (BYTES, b"\x00\xff'"),
    "moment": (DATETIME, dt.datetime(2024, 2, 29, 23, 59, 59, 123456, dt.UTC)),
    "local": (DATETIME, dt.datetime(2024, 2, 29, 23, 59, 59, 123456)),
    "day": (DATE, dt.date(2024, 2, 29)),
    "clock": (TIME, dt.time(23, 59, 59, 123456)),
    "price": (DECIMAL, Decimal("-12345678901234567890.123456789")),
    "nothing": (UnionType((INT, NONE)), None),
    "names": (ListType(STR), ["a", "it's", "; DROP TABLE x"]),
    "empty": (ListType(INT), []),
    "point": (POINT, {"x": 7, "label": "'"}),
    "points": (ListType(POINT), [{"x": 1, "label": "a"}, {"x": 2, "label": "b"}]),
}


def test_typed_inputs_are_bound_and_come_back_as_they_were(warehouse: Warehouse) -> None:
    columns = ", ".join(f"@{name} AS {name}" for name in SCALARS)
    outputs = {name: type for name, (type, _) in SCALARS.items()}
    found = warehouse.run(warehouse.request(f"SELECT {columns}", SCALARS, outputs))
    assert found == {name: value for name, (_, value) in SCALARS.items()}


def test_a_dict_is_bound_as_json(warehouse: Warehouse) -> None:
    inputs: dict[str, tuple[AnyType, Any]] = {"known": (DictType(STR, INT), {"it's": 1})}
    found = warehouse.run(warehouse.request("SELECT TO_JSON_STRING(@known) AS known", inputs, {"known": STR}))
    assert json.loads(found["known"]) == {"it's": 1}


INJECTIONS = [
    "'",
    "''",
    '"',
    "`",
    "\\",
    "\\'",
    "'; DROP TABLE victims.people; --",
    "' OR '1'='1",
    "1; DROP TABLE victims.people",
    "*/ DROP TABLE victims.people /*",
    "-- comment",
    "# comment",
    "@word",
    "@@error.message",
    "{table}",
    "?",
    "\x00",
    "\n;\r\n",
    "ʼ; DROP TABLE victims.people",
    "＇ OR 1=1",
    "\u202edrop",
    "𝕊elect 'x'",
    "0x27",
    "1e309",
    "NULL",
    "r'''raw'''",
    '"""',
]


def test_no_value_is_ever_sql(warehouse: Warehouse) -> None:
    dataset = f"victims_{uuid4().hex[:8]}"
    warehouse.run(
        warehouse.request(f"CREATE SCHEMA {dataset}; CREATE TABLE {dataset}.people AS SELECT 'ann' AS name")
    )
    corpus = [each.replace("victims", dataset) for each in INJECTIONS]
    inputs: dict[str, tuple[AnyType, Any]] = {f"w{i}": (STR, each) for i, each in enumerate(corpus)}
    sql = "SELECT " + ", ".join(f"@{name} AS {name}" for name in inputs)
    assert warehouse.run(warehouse.request(sql, inputs, dict.fromkeys(inputs, STR))) == {
        name: value for name, (_, value) in inputs.items()
    }
    matching = f"SELECT COUNTIF(name IN UNNEST(@words)) AS n, COUNT(*) AS rows_there FROM {dataset}.people"
    words: dict[str, tuple[AnyType, Any]] = {"words": (ListType(STR), corpus)}
    found = warehouse.run(warehouse.request(matching, words, {"n": INT, "rows_there": INT}))
    assert found == {"n": 0, "rows_there": 1}


@pytest.mark.parametrize(
    "name",
    ["x`; DROP TABLE y; --", "a.b` WHERE 1=1", "", ".", "a..b", "a b", "a;b", "a`b", "(SELECT 1)", "a\nb"],
)
def test_only_names_are_identifiers(warehouse: Warehouse, name: str) -> None:
    request = warehouse.request("SELECT * FROM {table}", {"table": (STR, name)}, identifiers=["table"])
    with pytest.raises(UserError, match="is not a name of a table or column"):
        warehouse.create(request)
    assert warehouse.proxy.calls == []


def test_a_job_writes_a_table_that_the_next_one_reads(warehouse: Warehouse) -> None:
    dataset = f"sales_{uuid4().hex[:8]}"
    warehouse.run(warehouse.request(f"CREATE SCHEMA {dataset}"))
    target = {"projectId": standin.PROJECT, "datasetId": dataset, "tableId": "orders"}
    job: dict[str, Any] = {
        "query": {"destinationTable": target, "writeDisposition": "WRITE_TRUNCATE"},
        "labels": {"team": "a"},
    }
    made = warehouse.run(
        warehouse.request(
            "SELECT n, n * n AS square FROM UNNEST([1, 2, 3]) AS n", None, {"t": TABLE}, job=job
        )
    )
    assert made == {"t": {"project": standin.PROJECT, "dataset": dataset, "table": "orders"}}
    sql = "SELECT SUM(square) AS total FROM {source} WHERE n >= @least"
    inputs: dict[str, tuple[AnyType, Any]] = {"source": (TABLE, made["t"]), "least": (INT, 2)}
    request = warehouse.request(sql, inputs, {"total": INT}, identifiers=["source"])
    assert warehouse.run(request) == {"total": 13}
    refused = warehouse.fails(
        "SELECT 1 AS n, 1 AS square", job={"query": {**job["query"], "writeDisposition": "WRITE_EMPTY"}}
    )
    assert refused.error is not None and (refused.error.code, refused.error.kind) == (
        "Duplicate",
        ErrorKind.USER,
    )
    assert "write_disposition" in refused.error.hint


def test_a_result_is_a_table_with_the_services_schema(warehouse: Warehouse) -> None:
    sql = (
        "SELECT n, CAST(n AS STRING) AS word, [n, n] AS pair "
        "FROM UNNEST(GENERATE_ARRAY(1, 1200)) AS n ORDER BY n"
    )
    table = warehouse.table(warehouse.request(sql, None, {"rows": FRAME}))
    assert (table.num_rows, table.column("n").to_pylist()[-1]) == (1200, 1200)
    assert table.schema.field("n").type == pa.int64() and table.schema.field("word").type == pa.string()
    assert table.column("pair").to_pylist()[1] == [2, 2]


def test_an_empty_result_is_a_table_with_its_columns(warehouse: Warehouse) -> None:
    sql = "SELECT n, DATE '2024-01-01' AS day FROM UNNEST([1]) AS n WHERE n > 1"
    table = warehouse.table(warehouse.request(sql, None, {"rows": FRAME}))
    assert (table.num_rows, table.column_names) == (0, ["n", "day"])
    assert table.schema.field("day").type == pa.date32()


def test_a_result_takes_one_call_and_polls_of_many_jobs_one(warehouse: Warehouse) -> None:
    requests = [warehouse.request(f"SELECT {n} AS n", None, {"n": INT}) for n in range(8)]
    jobs = [warehouse.create(each) for each in requests]
    before = len(warehouse.proxy.calls)
    statuses = warehouse.handler.poll_many(warehouse.context, jobs)
    assert {each.phase for each in statuses.values()} == {Phase.SUCCEEDED}
    found = [
        warehouse.handler.outputs(warehouse.context, r, j)["n"] for r, j in zip(requests, jobs, strict=True)
    ]
    assert found == list(range(8))
    calls = warehouse.proxy.calls[before:]
    assert len(calls) == 1 + 8 and calls[0] == "GET /bigquery/v2/projects/p1/jobs"


@pytest.mark.parametrize(
    ("sql", "outputs", "said"),
    [
        (
            "SELECT 1 AS n UNION ALL SELECT 2",
            {"n": INT},
            "The result has 2 rows, and scalar outputs need one: `n`",
        ),
        ("SELECT 1 AS m", {"n": INT}, "The result has no column `n`, only `m`"),
        ("SELECT 'x' AS n", {"n": INT}, "Column `n`: "),
        ("CREATE TEMP TABLE t AS SELECT 1 AS n", {"n": INT}, "The last statement returns no rows"),
    ],
)
def test_outputs_that_do_not_fit_are_the_authors(
    warehouse: Warehouse, sql: str, outputs: dict[str, AnyType], said: str
) -> None:
    with pytest.raises(UserError) as caught:
        warehouse.run(warehouse.request(sql, None, outputs))
    assert said in str(caught.value)


def test_a_syntax_error_is_told_with_its_line_and_tried_once(warehouse: Warehouse) -> None:
    error = warehouse.fails("SELECT 1,\n  2 frm x y").error
    assert error is not None
    message, line, caret = error.message.split("\n")
    assert message.startswith("invalidQuery: Syntax error: ")
    assert line == "2 |   2 frm x y" and caret.startswith("  | ") and caret.endswith("^")
    assert (error.code, error.kind) == ("InvalidQuery", ErrorKind.SYSTEM)


def test_a_missing_table_is_told_with_googles_reason(warehouse: Warehouse) -> None:
    error = warehouse.fails("SELECT * FROM nowhere.nothing").error
    assert error is not None and (error.code, error.kind) == ("NotFound", ErrorKind.USER)
    assert error.message.startswith("notFound: Not found") and "location" in error.hint


def test_a_running_query_is_cancelled(warehouse: Warehouse) -> None:
    job = warehouse.create(warehouse.request(LONG_SQL))
    assert warehouse.handler.poll_many(warehouse.context, [job])[job.id].phase is Phase.RUNNING
    warehouse.handler.cancel(warehouse.context, job, "test")
    status = warehouse.ended(job)
    assert status.phase is Phase.CANCELLED and status.reason.startswith("stopped")


def test_a_short_query_is_noticed_while_a_long_one_runs(warehouse: Warehouse) -> None:
    slow = warehouse.create(warehouse.request(LONG_SQL))
    quick = warehouse.create(warehouse.request("SELECT 1"))
    statuses = warehouse.handler.poll_many(warehouse.context, [slow, quick])
    warehouse.handler.cancel(warehouse.context, slow, "test")
    assert statuses[slow.id].phase is Phase.RUNNING
    assert warehouse.ended(quick).phase is Phase.SUCCEEDED and warehouse.ended(slow).phase is Phase.CANCELLED


def test_an_accepted_submit_without_an_answer_is_one_job(warehouse: Warehouse) -> None:
    request = warehouse.request("SELECT 1 AS n", None, {"n": INT})
    warehouse.proxy.add(Fault("lost", writes_only=True))
    with pytest.raises(TransientError, match="got no answer"):
        warehouse.create(request)
    found = warehouse.handler.find(warehouse.context, request)
    assert found is not None
    # It has ended by now, and is adopted all the same.
    assert warehouse.ended(found).phase is Phase.SUCCEEDED
    assert warehouse.create(request) == found
    assert warehouse.run(request) == {"n": 1}


def test_a_name_that_is_taken_but_not_shown_yet_is_asked_for_again(warehouse: Warehouse) -> None:
    request = warehouse.request("SELECT 1 AS n")
    warehouse.proxy.add(Fault("refused", status=409), Fault("refused", status=404))
    with pytest.raises(TransientError, match="exists already, but is not shown yet"):
        warehouse.create(request)
    assert warehouse.create(request).id == request.token


def test_a_job_of_other_sql_is_not_adopted(warehouse: Warehouse) -> None:
    warehouse.create(warehouse.request("SELECT 1 AS n", token="hp-taken-" + (token := uuid4().hex)))
    with pytest.raises(ContractViolation, match="was started with other SQL"):
        warehouse.create(warehouse.request("SELECT 2 AS n", token="hp-taken-" + token))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("reset"), ErrorKind.TRANSIENT),
        (Fault("refused", status=503), ErrorKind.TRANSIENT),
        (Fault("refused", status=429, retry_after_s=3), ErrorKind.THROTTLED),
        (Fault("refused", status=403, reason="rateLimitExceeded"), ErrorKind.THROTTLED),
        (Fault("refused", status=403, reason="quotaExceeded"), ErrorKind.THROTTLED),
        (Fault("refused", status=403, reason="accessDenied"), ErrorKind.SYSTEM),
        (Fault("refused", status=400, reason="invalidQuery"), ErrorKind.SYSTEM),
        (Fault("refused", status=400, reason="invalid"), ErrorKind.USER),
        (Fault("garbled"), ErrorKind.TRANSIENT),
    ],
    ids=lambda each: f"{each.kind}-{each.status}-{each.reason}" if isinstance(each, Fault) else each.value,
)
def test_refusals_are_classed_by_googles_reason(warehouse: Warehouse, fault: Fault, kind: ErrorKind) -> None:
    request = warehouse.request("SELECT 1 AS n")
    warehouse.proxy.add(fault)
    with pytest.raises(Exception) as caught:
        warehouse.create(request)
    error: Any = caught.value
    assert error.info().kind is kind
    assert fault.reason in str(error)
    assert warehouse.create(request).id == request.token


def test_a_token_that_ends_in_mid_run_is_fetched_anew(warehouse: Warehouse) -> None:
    warehouse.proxy.checks_tokens = True
    request = warehouse.request("SELECT 1 AS n", None, {"n": INT}, credentials_secret=SECRET)
    job = warehouse.create(request)
    warehouse.proxy.expire_tokens()
    assert warehouse.ended(job).phase is Phase.SUCCEEDED
    warehouse.proxy.expire_tokens()
    assert warehouse.handler.outputs(warehouse.context, request, job) == {"n": 1}


def test_a_secret_that_holds_no_credentials_is_told_without_its_value(warehouse: Warehouse) -> None:
    warehouse.context._secrets[SECRET] = '{"type": "service_account", "private_key": "hush"}'
    with pytest.raises(Exception, match="The secret `BIGQUERY_CREDENTIALS` holds no credentials") as caught:
        warehouse.create(warehouse.request("SELECT 1", credentials_secret=SECRET))
    assert "hush" not in str(caught.value) and caught.value.__context__ is None


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


def test_a_script_returns_its_last_result(warehouse: Warehouse) -> None:
    sql = "DECLARE x INT64 DEFAULT 20; SET x = x + @n; SELECT x AS n;"
    assert warehouse.run(warehouse.request(sql, {"n": (INT, 1)}, {"n": INT})) == {"n": 21}


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
    warehouse.proxy.add(Fault("refused", status=403))
    assert [each.subject for each in diagnosis.findings(warehouse.context, place)] == [
        "client",
        "credentials",
    ]
    assert [each.severity for each in diagnosis.findings(warehouse.context, {})][1] is Severity.WARNING


def hardpoint(folder: Path, proxy: FaultProxy, *words: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(Path(__file__).with_name("bigquery_flow.py"), folder / "flow.py")
    changed = {"HARDPOINT_HOME": str(folder / "home"), "BIGQUERY_ENDPOINT": proxy.url, "PYTHONPATH": ""}
    return subprocess.run(
        [str(Path(sys.executable).with_name("hardpoint")), *words],
        cwd=folder,
        env=os.environ | changed,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_workflow_goes_from_query_to_python_and_back_in_few_calls(
    warehouse: Warehouse, book: JobBook, tmp_path: Path
) -> None:
    book.statistics = {"totalBytesProcessed": "1000", "totalSlotMs": "5"}
    ran = hardpoint(tmp_path, warehouse.proxy, "run", "flow.py", "squares", "--most", "20", "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert list(json.loads(ran.stdout)["outputs"].values()) == [sum(n * n for n in range(1, 21))]
    calls = warehouse.proxy.calls
    inserted = sum(each.startswith("POST") for each in calls)
    assert inserted == 21 and len(calls) <= 3 * inserted, calls
    used = hardpoint(tmp_path, warehouse.proxy, "executions", "show", "last", "--usage")
    assert used.returncode == 0 and "bytes_scanned" in used.stdout, used.stdout + used.stderr


def test_a_query_that_cannot_run_shows_its_line_to_the_author(warehouse: Warehouse, tmp_path: Path) -> None:
    ran = hardpoint(tmp_path, warehouse.proxy, "run", "flow.py", "wrong")
    told = ran.stdout + ran.stderr
    assert ran.returncode == 1 and "2 |   2 frm x y" in told and "invalidQuery: Syntax error" in told, told
    assert sum(each.startswith("POST") for each in warehouse.proxy.calls) == 1


def test_a_plan_tells_what_a_dry_run_says(warehouse: Warehouse, tmp_path: Path) -> None:
    planned = hardpoint(tmp_path, warehouse.proxy, "plan", "flow.py", "wrong", "--estimate")
    assert "Syntax error" in planned.stdout + planned.stderr
    planned = hardpoint(tmp_path, warehouse.proxy, "plan", "flow.py", "squares", "--most", "3", "--estimate")
    assert planned.returncode == 0 and "Dry run: the SELECT would read" in planned.stdout, planned
