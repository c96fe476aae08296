"""Tables that are inputs of a query, as lists of their rows."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hardpoint.plugin_api import UserError


def rows_of(parquet: bytes, name: str, rows_max: int) -> list[dict[str, Any]]:
    """A table as a list of its rows; an index of pandas that has no name is left out.

    Args:
        parquet: The table, as it is stored.
        name: Of the input.
        rows_max: More have no place in a query anyhow.

    Raises:
        UserError: It has more rows, or two columns of one name.
    """
    table = pq.read_table(pa.BufferReader(parquet))
    table = table.select([each for each in table.column_names if not each.startswith("__index_level_")])
    if table.num_rows > rows_max:
        raise UserError(
            f"Table `{name}` has {table.num_rows:,} rows, and a value of a query has room for {rows_max:,}",
            hint="Write it to S3 as Parquet, and query it as a table there",
        )
    if len(set(table.column_names)) < len(table.column_names):
        raise UserError(f"Table `{name}` has two columns of one name", hint="Rename one of them")
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows
