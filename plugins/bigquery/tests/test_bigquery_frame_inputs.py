"""A table as an input of a query: one parameter, with the types of its schema."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hardpoint.plugin_api import AnyType, FrameType, SimpleKind, SimpleType, UserError
from hardpoint_bigquery.frame_parameters import REQUEST_BYTES_MAX, bind_frame

if TYPE_CHECKING:
    from tests.bigquery_warehouse import Warehouse

pytest_plugins = ["tests.bigquery_warehouse"]

INT, STR, FLOAT = map(SimpleType, (SimpleKind.INT, SimpleKind.STR, SimpleKind.FLOAT))
MOMENT = dt.datetime(2024, 2, 29, 23, 59, 59, 123456)
COLUMNS: dict[str, pa.Array] = {
    "whole": pa.array([-(2**63), None], pa.int64()),
    "small": pa.array([7, None], pa.uint8()),
    "real": pa.array([0.1, None], pa.float64()),
    "word": pa.array(["it's; DROP TABLE x", None], pa.large_string()),
    "yes": pa.array([True, None]),
    "raw": pa.array([b"\x00'", None]),
    "day": pa.array([dt.date(2024, 2, 29), None]),
    "clock": pa.array([dt.time(23, 59, 59, 123456), None], pa.time64("us")),
    "local": pa.array([MOMENT, None], pa.timestamp("ns")),
    "moment": pa.array([MOMENT.replace(tzinfo=dt.UTC), None], pa.timestamp("us", "Europe/Rome")),
    "price": pa.array([Decimal("-1.5"), None], pa.decimal128(10, 2)),
    "names": pa.array([["a", "`b`"], []], pa.list_(pa.string())),
    "kind": pa.array(["x", None]).dictionary_encode(),
    "point": pa.array([{"x": 1, "label": "'"}, {"x": 2, "label": None}]),
}


def parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def test_every_type_of_column_comes_back_as_it_was(warehouse: Warehouse) -> None:
    given = pa.table(COLUMNS)
    inputs: dict[str, tuple[AnyType, Any]] = {"shares": (FrameType("pyarrow"), given)}
    sql = "SELECT t.* FROM UNNEST(@shares) AS t ORDER BY t.whole IS NULL"
    found = warehouse.table(warehouse.request(sql, inputs, {"rows": FrameType("pyarrow")}))
    assert found.column_names == given.column_names
    assert found.to_pylist() == given.to_pylist()
    types = {field.name: field.type for field in found.schema}
    assert (types["local"], types["moment"]) == (pa.timestamp("us"), pa.timestamp("us", "UTC"))
    assert (types["small"], types["day"]) == (pa.int64(), pa.date32())


@pytest.mark.parametrize("rows", [0, 1000])
def test_tables_of_pandas_and_polars_join_others(warehouse: Warehouse, rows: int) -> None:
    numbers = pd.DataFrame({"n": range(rows), "half": [n / 2 for n in range(rows)]})
    names = pl.DataFrame(
        {"n": list(range(rows)), "name": [str(n) for n in range(rows)]}, {"n": int, "name": str}
    )
    inputs: dict[str, tuple[AnyType, Any]] = {
        "numbers": (FrameType("pandas"), numbers),
        "names": (FrameType("polars"), names),
        "least": (INT, 10),
    }
    sql = (
        "SELECT COUNT(*) AS n, IFNULL(SUM(a.half), 0.0) AS half, IFNULL(MAX(b.name), '') AS name "
        "FROM UNNEST(@numbers) AS a JOIN UNNEST(@names) AS b ON a.n = b.n WHERE a.n >= @least"
    )
    found = warehouse.run(warehouse.request(sql, inputs, {"n": INT, "half": FLOAT, "name": STR}))
    wanted = [n for n in range(rows) if n >= 10]
    assert found == {"n": len(wanted), "half": sum(wanted) / 2, "name": max(map(str, wanted), default="")}


REFUSED: dict[str, pa.Table] = {
    "Column `t.a` is a column without any value": pa.table({"a": [None]}),
    "Column `t.a` is lists of lists": pa.table({"a": [[[1]]]}),
    "Column `t.a` is a struct that is null": pa.table(
        {"a": pa.array([None], pa.struct([("x", pa.int64())]))}
    ),
    "Column `t.a` is `decimal": pa.table({"a": pa.array([Decimal(1)], pa.decimal256(76, 30))}),
    "Column `t.a.x` is `map": pa.table(
        {"a": [{"x": {}}]}, pa.schema([("a", pa.struct([("x", pa.map_("string", "string"))]))])
    ),
    "Input `t` does not fit the service's types: ": pa.table({"a": pa.array([2**63], pa.uint64())}),
    "would lose data": pa.table({"a": pa.array([1], pa.timestamp("ns"))}),
    "Input `t` has no columns": pa.table({}),
    "Input `t` has two columns `a`": pa.table([[1], [2]], names=["a", "a"]),
    "Input `t` has 1000000 rows, more than a request": pa.table({"a": range(1_000_000)}),
}


@pytest.mark.parametrize("said", REFUSED)
def test_a_table_that_cannot_be_bound_is_told_with_a_way_out(said: str) -> None:
    with pytest.raises(UserError) as caught:
        bind_frame("t", parquet(REFUSED[said]))
    assert said in str(caught.value) and caught.value.hint


def test_inputs_that_are_too_large_for_a_request_are_told_before_it(warehouse: Warehouse) -> None:
    words = pd.DataFrame({"word": ["ü" * 1000] * (REQUEST_BYTES_MAX // 6000 + 1)})
    inputs: dict[str, tuple[AnyType, Any]] = {"words": (FrameType("pandas"), words)}
    request = warehouse.request("SELECT COUNT(*) AS n FROM UNNEST(@words)", inputs, {"n": INT})
    with pytest.raises(UserError, match="a request has 10 MB at most") as caught:
        warehouse.create(request)
    assert "load" in caught.value.hint and warehouse.proxy.calls() == []


def test_a_table_nearly_as_large_as_a_request_is_taken(warehouse: Warehouse) -> None:
    words = pd.DataFrame({"word": ["a" * 1000] * 9000})
    inputs: dict[str, tuple[AnyType, Any]] = {"words": (FrameType("pandas"), words)}
    request = warehouse.request("SELECT COUNT(*) AS n FROM UNNEST(@words)", inputs, {"n": INT})
    assert warehouse.run(request) == {"n": 9000}
