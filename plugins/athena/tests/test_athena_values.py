"""What goes into a query: values as parameters, and nothing of them as SQL."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pytest

from hardpoint.plugin_api import (
    AnyType,
    DictType,
    FrameType,
    ListType,
    SimpleKind,
    SimpleType,
    StructField,
    StructType,
    UnionType,
    UserError,
)
from hardpoint_athena.sql_literals import TEXT_MAX

if TYPE_CHECKING:
    from tests.athena_bench import Bench

pytest_plugins = ["tests.athena_bench"]

TEXT, INT = SimpleType(SimpleKind.STR), SimpleType(SimpleKind.INT)

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


SHARES = "CAST(json_parse(:rows) AS ARRAY(ROW(region varchar, share double, day varchar)))"
FROM_ROWS = f"SELECT region, share, CAST(day AS date) AS day FROM UNNEST({SHARES}) AS t (region, share, day)"


def frame_of(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.table({name: [row[name] for row in rows] for name in ("region", "share", "day")})


@pytest.mark.parametrize("flavour", ["pandas", "pyarrow", "polars"])
def test_a_table_goes_in_and_comes_out(bench: Bench, flavour: str) -> None:
    rows = [{"region": f"r'{n}é", "share": n / 7, "day": dt.date(2026, 1, 1 + n)} for n in range(3)]
    table = frame_of([*rows, {"region": None, "share": None, "day": None}])
    frame: Any = table
    if flavour == "pandas":
        frame = table.to_pandas().sort_values("share", ascending=True).rename(index=lambda each: each + 5)
    elif flavour == "polars":
        frame = pl.from_arrow(table)
    wire = bench.stored(frame)
    sql = f"{FROM_ROWS} ORDER BY region NULLS LAST"
    found = bench.outputs(sql, {"rows": (FrameType(flavour), wire)}, {"out": FrameType("pyarrow")})["out"]
    assert found.to_pylist() == table.to_pylist()


def test_nothing_in_a_table_is_sql(bench: Bench) -> None:
    rows = [
        {"region": text, "share": float(n), "day": None} for n, text in enumerate(CORPUS) if "\0" not in text
    ]
    wire = bench.stored(frame_of(rows))
    sql = f"{FROM_ROWS} ORDER BY share"
    found = bench.outputs(sql, {"rows": (FrameType("pyarrow"), wire)}, {"out": FrameType("pyarrow")})["out"]
    assert found.column("region").to_pylist() == [each["region"] for each in rows]


def test_long_text_goes_as_several_parameters(bench: Bench) -> None:
    text = "it's 👩‍👩‍👧 " * 4000
    given: dict[str, tuple[AnyType, Any]] = {"w": (TEXT, text), "n": (INT, 1)}
    found = bench.outputs("SELECT :w AS w, :n AS n", given, {"w": TEXT, "n": INT})
    assert found == {"w": text, "n": 1}


def test_lists_dicts_and_structs_go_in_as_json(bench: Bench) -> None:
    days = ListType(SimpleType(SimpleKind.DATE))
    point = StructType("Point", (StructField("x", INT), StructField("label", TEXT)))
    counts = DictType(TEXT, INT)
    sql = """
        SELECT CAST(json_extract_scalar(json_parse(:point), '$.x') AS bigint) AS x,
            CAST(json_extract_scalar(json_parse(:counts), '$.a') AS bigint) AS a,
            (SELECT count(*) FROM UNNEST(CAST(json_parse(:days) AS ARRAY(varchar))) AS t (day)
             WHERE day > '2026-01-01') AS later
    """
    given: dict[str, tuple[AnyType, Any]] = {
        "point": (point, {"x": 7, "label": "'; --"}),
        "counts": (counts, {"a": 3}),
        "days": (days, [dt.date(2026, 1, 1), dt.date(2026, 1, 2)]),
    }
    assert bench.outputs(sql, given, {"x": INT, "a": INT, "later": INT}) == {"x": 7, "a": 3, "later": 1}


def test_a_table_with_no_room_in_a_query_is_refused_with_what_to_do(bench: Bench) -> None:
    for count in (TEXT_MAX // 15, TEXT_MAX):
        wire = bench.stored(pa.table({"region": ["north"] * count}))
        request = bench.request("SELECT json_parse(:rows)", {"rows": (FrameType("pyarrow"), wire)})
        with pytest.raises(UserError, match="Input `rows`: ") as caught:
            bench.handler.create(bench.context, request)
        assert "S3" in caught.value.hint
    assert not bench.standin.queries()
