"""The result of a query as outputs: a table in the store, the columns of one row, or nothing."""

from __future__ import annotations

import datetime as dt
import decimal
import re
import tempfile
import uuid
import zoneinfo
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from hardpoint.plugin_api import (
    AnyType,
    Context,
    FrameType,
    Interface,
    Outputs,
    SimpleKind,
    SimpleType,
    TransientError,
    UnionType,
    UserError,
    Variable,
)

Page = Mapping[str, Any]
"""An answer of `GetQueryResults`."""

_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)$")
_FRACTION = re.compile(r"(\.\d{6})\d+")


class Column(msgspec.Struct, frozen=True):
    """A column of the result.

    Args:
        name: As the query gives it.
        type: As the service calls it.
        arrow: In the Parquet file.
        read: From the service's text.
    """

    name: str
    type: str
    arrow: Any
    read: Callable[[str], Any]


def column_of(told: Mapping[str, Any]) -> Column:
    """A column as its metadata tells.

    Types that the service tells as text of its own, such as `array` and `row`, stay text.

    >>> str(column_of({"Name": "n", "Type": "decimal", "Precision": 10, "Scale": 2}).arrow)
    'decimal128(10, 2)'
    """
    name, kind = str(told["Name"]), str(told["Type"]).lower()
    if kind.startswith("decimal"):
        arrow = pa.decimal128(int(told.get("Precision") or 38), int(told.get("Scale") or 0))
        return Column(name, kind, arrow, decimal.Decimal)
    arrow, read = _TYPES.get(kind, (pa.string(), str))
    return Column(name, kind, arrow, read)


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(_FRACTION.sub(r"\1", text))


def _zoned(text: str) -> dt.datetime:
    if _OFFSET.search(text):
        return _moment(text.replace(" +", "+").replace(" -", "-")).astimezone(dt.UTC)
    moment, _, zone = text.rpartition(" ")
    return _moment(moment).replace(tzinfo=zoneinfo.ZoneInfo(zone)).astimezone(dt.UTC)


_TYPES: dict[str, tuple[Any, Callable[[str], Any]]] = {
    "boolean": (pa.bool_(), lambda text: text == "true"),
    "tinyint": (pa.int8(), int),
    "smallint": (pa.int16(), int),
    "integer": (pa.int32(), int),
    "int": (pa.int32(), int),
    "bigint": (pa.int64(), int),
    "float": (pa.float32(), float),
    "real": (pa.float32(), float),
    "double": (pa.float64(), float),
    "date": (pa.date32(), dt.date.fromisoformat),
    "time": (pa.time64("us"), lambda text: dt.time.fromisoformat(_FRACTION.sub(r"\1", text))),
    "timestamp": (pa.timestamp("us"), _moment),
    "timestamp with time zone": (pa.timestamp("us", "UTC"), _zoned),
    "varbinary": (pa.binary(), lambda text: bytes.fromhex(text)),
}


def check_outputs(interface: Interface) -> None:
    """Hold the declared outputs to what a query can give.

    Raises:
        UserError: There is a table beside another output.
    """
    tables = [each.name for each in interface.outputs if isinstance(each.type, FrameType)]
    if tables and len(interface.outputs) > 1:
        raise UserError(
            f"A query has one result, so the table `{tables[0]}` must be its only output",
            hint="Take further values from the table, or with a query of their own",
        )


def outputs_of(context: Context, interface: Interface, pages: Iterator[Page]) -> Outputs:
    """Wire values of the outputs.

    Args:
        context: Its store keeps the table.
        interface: What is wanted.
        pages: Read as far as needed.

    Raises:
        UserError: The result is not what the outputs say.
    """
    if not interface.outputs:
        return {}
    columns, rows = _opened(pages)
    only = interface.outputs[0]
    if isinstance(only.type, FrameType):
        return {only.name: _table(context, only.name, columns, rows)}
    return _scalars(context, interface.outputs, columns, rows)


def _opened(pages: Iterator[Page]) -> tuple[list[Column], Iterator[list[list[str | None]]]]:
    """The columns, and the rows of each page."""
    first = next(pages)
    try:
        told = first["ResultSet"].get("ResultSetMetadata", {}).get("ColumnInfo", [])
        columns = [column_of(each) for each in told]
        rows = _cells(first, len(columns))
    except (KeyError, TypeError, AttributeError) as error:
        raise TransientError(f"The result of the query cannot be read: {type(error).__name__}") from None
    # The first row of a SELECT repeats the names; that of a SHOW does not.
    if rows and rows[0] == [each.name for each in columns]:
        del rows[0]
    return columns, chain([rows], (_cells(page, len(columns)) for page in pages))


def _cells(page: Page, width: int) -> list[list[str | None]]:
    rows = [[cell.get("VarCharValue") for cell in row.get("Data", [])] for row in page["ResultSet"]["Rows"]]
    return [row + [None] * (width - len(row)) for row in rows]


def _table(
    context: Context, name: str, columns: Sequence[Column], pages: Iterator[list[list[str | None]]]
) -> Any:
    labels = [each.name for each in columns]
    if twice := sorted({each for each in labels if labels.count(each) > 1}):
        raise UserError(
            f"The result has two columns `{twice[0]}`, and those of a table need names of their own",
            hint="Give one of them another name with `AS`",
        )
    schema = pa.schema([(each.name, each.arrow) for each in columns])
    with tempfile.TemporaryDirectory(prefix="hardpoint-athena-") as folder:
        path = Path(folder) / f"{name}.parquet"
        # A page at a time: a result may be larger than memory.
        with closing(pq.ParquetWriter(path, schema)) as writer:
            for rows in pages:
                if rows:
                    writer.write_table(pa.table(_arrays(columns, rows), schema))
        return msgspec.to_builtins(context.store.put_file(path, format="parquet"))


def _arrays(columns: Sequence[Column], rows: Sequence[Sequence[str | None]]) -> list[Any]:
    return [
        pa.array([_read(column, row[at]) for row in rows], column.arrow) for at, column in enumerate(columns)
    ]


def _read(column: Column, text: str | None) -> Any:
    if text is None:
        return None
    try:
        return column.read(text)
    except (ValueError, decimal.InvalidOperation, zoneinfo.ZoneInfoNotFoundError):
        raise UserError(
            f"Column `{column.name}` of type `{column.type}` holds `{text[:60]}`, "
            "which Python has no value for",
            hint=f"Let the query make text of it: `CAST({column.name} AS varchar)`",
        ) from None


def _scalars(
    context: Context,
    wanted: Sequence[Variable],
    columns: Sequence[Column],
    pages: Iterator[list[list[str | None]]],
) -> dict[str, Any]:
    rows = [row for page in pages for row in page]
    if len(rows) != 1:
        raise UserError(
            f"The query has {len(rows)} rows, and its outputs are the columns of its only one",
            hint="Declare a table as its output, or aggregate to one row",
        )
    named = {each.name: at for at, each in enumerate(columns)}
    if len(wanted) == len(columns) == 1:
        named = {wanted[0].name: 0}
    if missing := [each.name for each in wanted if each.name not in named]:
        raise UserError(
            f"The result has no column `{missing[0]}`; it has {', '.join(f'`{name}`' for name in named)}",
            hint=f"Name the column with `AS {missing[0]}`: names are in lower case",
        )
    outputs = {}
    for each in wanted:
        at = named[each.name]
        outputs[each.name] = context.values.encode(
            each.type, _fitted(each.type, _read(columns[at], rows[0][at]))
        )
    return outputs


def _fitted(wanted: AnyType, value: Any) -> Any:
    """The value in the class that the output declares, if that loses nothing."""
    kinds = {
        each.kind
        for each in (wanted.variants if isinstance(wanted, UnionType) else (wanted,))
        if isinstance(each, SimpleType)
    }
    match value:
        case decimal.Decimal() if SimpleKind.DECIMAL not in kinds:
            if SimpleKind.INT in kinds and value == value.to_integral_value():
                return int(value)
            return float(value) if SimpleKind.FLOAT in kinds else value
        case int() if not isinstance(value, bool) and SimpleKind.INT not in kinds:
            if SimpleKind.DECIMAL in kinds:
                return decimal.Decimal(value)
            return float(value) if SimpleKind.FLOAT in kinds and int(float(value)) == value else value
        case str() if SimpleKind.UUID in kinds and SimpleKind.STR not in kinds:
            return uuid.UUID(value)
        case _:
            return value
