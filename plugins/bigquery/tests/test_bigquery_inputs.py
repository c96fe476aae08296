"""Values are bound by the service, names are quoted, and neither is ever SQL."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from hardpoint.plugin_api import (
    AnyType,
    DictType,
    ListType,
    SimpleKind,
    SimpleType,
    StructField,
    StructType,
    UnionType,
    UserError,
)

if TYPE_CHECKING:
    from tests.bigquery_warehouse import Warehouse

pytest_plugins = ["tests.bigquery_warehouse"]

NONE, INT, FLOAT, STR, BOOL, BYTES, DATETIME, DATE, TIME, TIMEDELTA, DECIMAL, UUID = map(
    SimpleType, SimpleKind
)


POINT = StructType("Point", (StructField("x", INT), StructField("label", STR)))


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
    request = warehouse.request("SELECT * FROM {table}", {"table": (STR, name)}, slots=["table"])
    with pytest.raises(UserError, match="is not a name of a table or column"):
        warehouse.create(request)
    assert warehouse.proxy.calls() == []


def test_a_script_returns_its_last_result(warehouse: Warehouse) -> None:
    sql = "DECLARE x INT64 DEFAULT 20; SET x = x + @n; SELECT x AS n;"
    assert warehouse.run(warehouse.request(sql, {"n": (INT, 1)}, {"n": INT})) == {"n": 21}
