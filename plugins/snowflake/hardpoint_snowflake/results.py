"""The result of a query as outputs: a table in the store, or the columns of its only row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from hardpoint.plugin_api import (
    AnyType,
    Context,
    FrameType,
    Outputs,
    SimpleKind,
    SimpleType,
    Store,
    UserError,
    Variable,
    Wire,
)


def outputs_of(wanted: Sequence[Variable], reader: Any, context: Context) -> Outputs:
    """What the interface asks for, from a cursor of the connector.

    Raises:
        UserError: The result does not have the row or the columns that the outputs name.
    """
    if len(wanted) == 1 and isinstance(wanted[0].type, FrameType):
        return {wanted[0].name: _frame(reader, context.store)}
    return _scalars(wanted, reader, context)


def _frame(reader: Any, store: Store) -> Wire:
    """Parquet with the service's own column types; never more than one batch in memory."""
    with TemporaryDirectory(prefix="hardpoint-snowflake-") as folder:
        path = Path(folder) / "rows.parquet"
        batches = _batches(reader)
        first = next(batches)
        with pq.ParquetWriter(path, first.schema) as writer:
            writer.write_table(first)
            for batch in batches:
                writer.write_table(batch.cast(first.schema))
        return msgspec.to_builtins(store.put_file(path, format="parquet"))


def _batches(reader: Any) -> Iterator[Any]:
    names = [column.name for column in reader.description]
    if reader._query_result_format != "arrow":  # of SHOW, DESCRIBE and the counts of DML
        rows = reader.fetchall()
        yield pa.table({name: [row[at] for row in rows] for at, name in enumerate(names)})
        return
    nothing = True
    # One precision for all batches: else the first one would decide for the others.
    for batch in reader.fetch_arrow_batches(force_microsecond_precision=True):
        nothing = False
        yield batch
    if nothing:
        yield reader.fetch_arrow_all(force_return_table=True)


def _scalars(wanted: Sequence[Variable], reader: Any, context: Context) -> Outputs:
    names = [str(column.name) for column in reader.description]
    rows = reader.fetchmany(2)
    if len(rows) != 1:
        found = "more than one row" if rows else "no row"
        raise UserError(
            f"The result has {found}, and outputs that are no table are columns of the only row",
            hint="Add `limit 1`, or declare one output that is a table",
        )
    row = {name.lower(): value for name, value in zip(names, rows[0], strict=True)}
    if len(wanted) == 1 and len(row) == 1:
        row = {wanted[0].name.lower(): next(iter(row.values()))}
    return {each.name: _scalar(each, row, names, context) for each in wanted}


def _scalar(variable: Variable, row: dict[str, Any], names: list[str], context: Context) -> Wire:
    if variable.name.lower() not in row:
        raise UserError(
            f"The result has no column `{variable.name}`, only `{', '.join(names)}`",
            hint=f"Name the column with `as {variable.name}`",
        )
    return context.values.encode(variable.type, natural(variable.type, row[variable.name.lower()]))


def natural(type: AnyType, value: Any) -> Any:
    """A value of the connector as the declared type has it: numbers without loss, VARIANT from its JSON.

    >>> natural(SimpleType(SimpleKind.INT), Decimal("3"))
    3
    """
    match type, value:
        case SimpleType(SimpleKind.INT), Decimal() if value == value.to_integral_value():
            return int(value)
        case SimpleType(SimpleKind.FLOAT), Decimal() | int():
            return float(value)
        case SimpleType(SimpleKind.DECIMAL), int():
            return Decimal(value)
        case SimpleType(SimpleKind.BYTES), bytearray():
            return bytes(value)
        case SimpleType(), _:
            return value
        case _, str():
            return _from_variant(value)
        case _:
            return value


def _from_variant(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
