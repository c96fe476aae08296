"""Tables, scalars and destinations: what becomes of a result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
import pytest

from hardpoint.plugin_api import AnyType, ErrorKind, FrameType, Phase, SimpleKind, SimpleType, UserError
from hardpoint_bigquery.testing import standin

if TYPE_CHECKING:
    from tests.bigquery_warehouse import Warehouse

pytest_plugins = ["tests.bigquery_warehouse"]

INT, STR = SimpleType(SimpleKind.INT), SimpleType(SimpleKind.STR)


FRAME = FrameType("pyarrow")


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
            "SELECT n, n * n AS square FROM UNNEST([1, 2, 3]) AS n",
            None,
            {"t": STR},
            job=job,
            table_outputs=["t"],
        )
    )
    assert made == {"t": f"{standin.PROJECT}.{dataset}.orders"}
    sql = "SELECT SUM(square) AS total FROM {source} WHERE n >= @least"
    inputs: dict[str, tuple[AnyType, Any]] = {"source": (STR, made["t"]), "least": (INT, 2)}
    request = warehouse.request(sql, inputs, {"total": INT}, slots=["source"])
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
    before = len(warehouse.proxy.calls())
    statuses = warehouse.handler.poll_many(warehouse.context, jobs)
    assert {each.phase for each in statuses.values()} == {Phase.SUCCEEDED}
    found = [
        warehouse.handler.outputs(warehouse.context, r, j)["n"] for r, j in zip(requests, jobs, strict=True)
    ]
    assert found == list(range(8))
    calls = warehouse.proxy.calls()[before:]
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
