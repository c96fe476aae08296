"""What comes out of a query: typed tables, scalars, or what does not fit."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from hardpoint.plugin_api import AnyType, FrameType, SimpleKind, SimpleType, UserError

if TYPE_CHECKING:
    from tests.athena_bench import Bench

pytest_plugins = ["tests.athena_bench"]

TABLE = FrameType("pyarrow")
INT = SimpleType(SimpleKind.INT)


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
