"""Tables as inputs: rows as JSON that the service parses, and never more than one statement may hold."""

from __future__ import annotations

import io
import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardpoint.plugin_api import (
    AnyType,
    FrameType,
    Interface,
    SimpleKind,
    SimpleType,
    Store,
    UserError,
    Variable,
)
from hardpoint.plugin_api.testing.fakes import MemoryStore, PlainValues
from hardpoint_snowflake.bindings import Bind, binds_of
from hardpoint_snowflake.config import Connection
from hardpoint_snowflake.tables import STATEMENT_BYTES_MAX, json_of_rows
from hardpoint_snowflake.testing.runner import Runner, asking
from hardpoint_snowflake.testing.server import Standin

INT, FLOAT, TEXT = (SimpleType(kind) for kind in (SimpleKind.INT, SimpleKind.FLOAT, SimpleKind.STR))
PRINTABLE = st.text(st.characters(exclude_categories=["Cs"]))
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "n": st.none() | st.integers(-(2**63), 2**63 - 1),
            "x": st.none() | st.floats(allow_nan=False, allow_infinity=False),
            "name": st.none() | PRINTABLE,
            "tags": st.none() | st.lists(PRINTABLE, max_size=3),
            "yes": st.none() | st.booleans(),
        }
    ),
    max_size=10,
)
SCHEMA = pa.schema(
    [
        ("n", pa.int64()),
        ("x", pa.float64()),
        ("name", pa.string()),
        ("tags", pa.list_(pa.string())),
        ("yes", pa.bool_()),
    ]
)


def wire_of(table: Any, store: Store) -> Any:
    """The table as it travels."""
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return msgspec.to_builtins(store.put_bytes(sink.getvalue(), format="parquet"))


def bound(store: MemoryStore, *tables: Any) -> dict[str, Bind]:
    names = [f"t{number}" for number in range(len(tables))]
    face = Interface(tuple(Variable(name, FrameType()) for name in names))
    wires = {name: wire_of(table, store) for name, table in zip(names, tables, strict=True)}
    return binds_of(names, face, wires, PlainValues(store), store)


@pytest.fixture(scope="module")
def store() -> Any:
    store = MemoryStore()
    yield store
    store.close()


@given(rows=ROWS)
def test_the_json_of_a_table_is_its_rows(store: MemoryStore, rows: list[dict[str, Any]]) -> None:
    text = json_of_rows("rows", wire_of(pa.Table.from_pylist(rows, SCHEMA), store), store)
    assert json.loads(text) == rows


def test_values_that_json_does_not_have_are_text_that_casts(store: MemoryStore) -> None:
    table = pa.table(
        {
            "price": [Decimal("1.10")],
            "day": [date(2026, 1, 2)],
            "at": [datetime(2026, 1, 2, 3, 4, 5, 6)],
            "took": [timedelta(seconds=1.5)],
            "raw": [b"\x01\xff"],
            "x": [float("inf")],
        }
    )
    assert json_of_rows("rows", wire_of(table, store), store) == (
        '[{"price":1.10,"day":"2026-01-02","at":"2026-01-02T03:04:05.000006","took":1.5,"raw":"01ff","x":"inf"}]'
    )


def test_more_than_a_statement_may_hold_is_an_error_that_says_what_to_do(store: MemoryStore) -> None:
    row_bytes = len('{"t":""},') + 91
    fits = pa.table({"t": ["x" * 91] * (STATEMENT_BYTES_MAX // row_bytes - 1)})
    [bind] = bound(store, fits).values()
    assert len(bind.value or "") <= STATEMENT_BYTES_MAX
    larger = pa.concat_tables([fits, fits.slice(0, 2)])
    with pytest.raises(UserError, match="input `t0` are more than 1,000,000 bytes of JSON") as told:
        bound(store, larger)
    assert "`copy into`" in told.value.hint
    with pytest.raises(UserError, match="input `t1`"):
        bound(store, fits, fits)


def test_a_table_is_a_table_again_at_the_service(
    runner: Runner, account: Connection, standin: Standin
) -> None:
    standin.tell("sql", sql="create or replace table precious (a int)")
    names = ["'; drop table precious; --", '"', "\\", "$$", "?", ":rows", "漢字 🙂", None]
    table = pa.table({"name": names, "n": range(8), "x": [0.5] * 8})
    sql = (
        "select count(*) as rows, sum(value:n::int) as n, sum(value:x::float) as x, "
        "count_if(value:name::varchar = :name) as quoted from table(flatten(input => parse_json(:rows)))"
    )
    for name in filter(None, names):
        inputs: dict[str, tuple[AnyType, Any]] = {
            "name": (TEXT, name),
            "rows": (FrameType("pandas"), wire_of(table, runner.context.store)),
        }
        found = runner.run(asking(account, sql, inputs, {"rows": INT, "n": INT, "x": FLOAT, "quoted": INT}))
        assert found == {"rows": 8, "n": 28, "x": 4.0, "quoted": 1}
    assert standin.tell("sql", sql="select * from precious")["success"]
