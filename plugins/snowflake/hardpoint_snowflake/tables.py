"""A table as an input: the JSON text of its rows, for `parse_json(:name)`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq

from hardpoint.plugin_api import Reference, Store, UserError, Wire

STATEMENT_BYTES_MAX = 1_000_000
"""What the service advises for one statement with its bind variables, before compression: Snowflake's page
"Limits on query text size". Tables keep to it; beyond it the service may refuse, or cut what it keeps."""

_ROWS_AT_ONCE = 1000
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def json_of_rows(name: str, wire: Wire, store: Store, bytes_max: int = STATEMENT_BYTES_MAX) -> str:
    """The rows of a table, each an object by column.

    Numbers keep their digits; dates and times are ISO text, bytes hexadecimal text, spans of time seconds. A
    missing value is `null`; what is no number in JSON (`nan`, `inf`) is text, which casts to a FLOAT.

    Args:
        name: Of the input, for errors.
        wire: The reference of a table.
        store: Where it lies.
        bytes_max: Of the text.

    Raises:
        UserError: It is longer; the rest of the table is not read.
    """
    parts: list[bytes] = []
    size = 2
    for row in _rows(store.fetch(msgspec.convert(wire, Reference))):
        parts.append(_ENCODER.encode(_plain(row)))
        size += len(parts[-1]) + 1
        if size > bytes_max:
            raise UserError(
                f"The rows of input `{name}` are more than {bytes_max:,} bytes of JSON, and cannot be bound",
                hint="Pass the rows that the query needs, or put the table on a stage as Parquet, "
                "load it with `copy into`, and pass the table's name as an `Identifier`",
            )
    return f"[{b','.join(parts).decode()}]"


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(path) as table:
        for batch in table.iter_batches(_ROWS_AT_ONCE):
            yield from batch.to_pylist()


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {str(key): _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case float() if not math.isfinite(value):
            return str(value)
        case bytes():
            return value.hex()
        case date() | datetime() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case _:
            return value
