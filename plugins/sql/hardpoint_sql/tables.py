"""Results as Parquet files."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hardpoint.plugin_api import UserError


def write_batches(schema: Any, batches: Iterable[Any], file: Path) -> None:
    """Write record batches, one at a time; times with a zone in UTC, so that every machine writes the same.

    Raises:
        UserError: The columns have no Parquet form.
    """
    _check_names(schema.names)
    try:
        target = pa.schema([field.with_type(_in_utc(field.type)) for field in schema])
        with pq.ParquetWriter(file, target, use_compliant_nested_type=False) as writer:
            for batch in batches:
                writer.write_batch(batch if target == schema else batch.cast(target))
    except pa.ArrowException as error:
        raise UserError(
            f"The result has no Parquet form: {error}",
            hint="Cast its columns to numbers, texts, dates or lists of these: `CAST(x AS VARCHAR)`",
        ) from None


def _in_utc(type: Any) -> Any:
    return pa.timestamp(type.unit, "UTC") if pa.types.is_timestamp(type) and type.tz else type


def write_rows(columns: Sequence[str], chunks: Iterable[Sequence[Sequence[Any]]], file: Path) -> None:
    """Write rows whose types only their values tell.

    Raises:
        UserError: A column holds values of several types, or of one without a Parquet form.
    """
    _check_names(columns)
    tables = [_table(columns, chunk) for chunk in chunks] or [_table(columns, [])]
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise UserError(f"The types of a column change on the way: {error}", hint=_CAST) from None
    write_batches(table.schema, table.to_batches(), file)


_CAST = "Cast it in the query, so that all of its values are of one type"


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Any:
    values = list(zip(*rows, strict=True)) or [()] * len(columns)
    return pa.table([_array(*each) for each in zip(columns, values, strict=True)], names=list(columns))


def _array(column: str, values: Sequence[Any]) -> Any:
    try:
        return pa.array([_plain(value) for value in values])
    except (pa.ArrowException, OverflowError) as error:
        classes = " and ".join(sorted({type(value).__name__ for value in values if value is not None}))
        raise UserError(f"Column `{column}` holds {classes}: {error}", hint=_CAST) from None


def _plain(value: Any) -> Any:
    match value:
        case uuid.UUID():
            return str(value)
        case memoryview() | bytearray():
            return bytes(value)
        case _:
            return value


def _check_names(columns: Sequence[str]) -> None:
    twice = sorted({name for name in columns if list(columns).count(name) > 1})
    if twice:
        raise UserError(
            f"The result has two columns `{twice[0]}`",
            hint=f"Name them apart: `{twice[0]} AS {twice[0]}_2`",
        )
