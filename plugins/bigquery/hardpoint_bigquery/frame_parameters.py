"""A table as one query parameter, `ARRAY<STRUCT<…>>`, with the types of its Arrow schema.

bool       BOOL      float     FLOAT64    date       DATE       timestamp with a zone   TIMESTAMP
integers   INT64     decimal   NUMERIC    time       TIME       timestamp without       DATETIME
string     STRING    binary    BYTES      duration   INTERVAL   list, struct            ARRAY, STRUCT
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from google.cloud.bigquery import ScalarQueryParameter

from hardpoint.plugin_api import UserError
from hardpoint_bigquery.parameters import (
    BIGNUMERIC_SCALE,
    BIGNUMERIC_WHOLE,
    NUMERIC_SCALE,
    NUMERIC_WHOLE,
    interval,
)

Resource = dict[str, Any]

REQUEST_BYTES_MAX = 9_900_000
"""Of a query's settings and parameters as JSON; what is left of the 10 MB that a request has at most is for
the rest of the job. Source: "Quotas and limits", "Query jobs", BigQuery documentation."""
TOO_LARGE_HINT = (
    'Load it with a job of `job_config={"load": {}}` and a `destination`, '
    "and give its output of the type `Identifier` to the query"
)


def bind_frame(name: str, data: bytes) -> Resource:
    """A table as Google's `QueryParameter`; in the SQL it is `UNNEST(@name)`.

    Args:
        name: Of the input.
        data: The table as a Parquet file.

    Raises:
        UserError: The service has no type for one of its columns, or it holds more than a request does.

    >>> sink = pa.BufferOutputStream()
    >>> pq.write_table(pa.table({"region": ["north"], "share": [0.5]}), sink)
    >>> bind_frame("shares", sink.getvalue().to_pybytes())["parameterValue"]
    {'arrayValues': [{'structValues': {'region': {'value': 'north'}, 'share': {'value': 0.5}}}]}
    """
    file = pq.ParquetFile(pa.BufferReader(data))
    schema = file.schema_arrow
    _check_columns(name, schema)
    # Before millions of rows are unpacked only to be refused.
    least_bytes = file.metadata.num_rows * len(
        json.dumps({"structValues": {each: {} for each in schema.names}})
    )
    if least_bytes > REQUEST_BYTES_MAX:
        raise UserError(
            f"Input `{name}` has {file.metadata.num_rows} rows, more than a request of 10 MB holds",
            hint=TOO_LARGE_HINT,
        )
    columns = [_column(f"{name}.{field.name}", field.type) for field in schema]
    table = _cast(
        name, file.read(), pa.schema(list(zip(schema.names, (c.arrow for c in columns), strict=True)))
    )
    cells = [
        [column.write(value) for value in found.to_pylist()]
        for column, found in zip(columns, table.columns, strict=True)
    ]
    rows = [{"structValues": dict(zip(schema.names, row, strict=True))} for row in zip(*cells, strict=True)]
    return {
        "name": name,
        "parameterType": {"type": "ARRAY", "arrayType": _struct_type(schema.names, columns)},
        "parameterValue": {"arrayValues": rows},
    }


class _Column(NamedTuple):
    """How one column is bound.

    Args:
        arrow: The type that its values are brought to first.
        type: Google's `QueryParameterType`.
        write: A value as Google's `QueryParameterValue`.
    """

    arrow: Any
    type: Resource
    write: Callable[[Any], Resource]


def _check_columns(name: str, schema: Any) -> None:
    twice = sorted({each for each in schema.names if schema.names.count(each) > 1})
    if twice or not schema.names:
        found = f"two columns `{twice[0]}`" if twice else "no columns"
        raise UserError(f"Input `{name}` has {found}", hint="Each column needs a name of its own")


def _cast(name: str, table: Any, schema: Any) -> Any:
    try:
        return table.cast(schema)
    except (pa.ArrowException, ValueError) as error:
        raise UserError(
            f"Input `{name}` does not fit the service's types: {error}",
            hint="Times have microseconds there, and whole numbers 64 bits with a sign: round or convert",
        ) from None


def _column(name: str, type: Any) -> _Column:
    if pa.types.is_dictionary(type):
        return _column(name, type.value_type)
    if pa.types.is_list(type) or pa.types.is_large_list(type) or pa.types.is_fixed_size_list(type):
        return _list(name, _column(name, type.value_type))
    if pa.types.is_struct(type):
        fields = [_column(f"{name}.{field.name}", field.type) for field in type]
        return _struct(name, [field.name for field in type], fields)
    kind, arrow = _scalar(name, type)
    if kind == "INTERVAL":
        return _Column(arrow, {"type": kind}, lambda value: _written(kind, _interval(value)))
    return _Column(arrow, {"type": kind}, lambda value: _written(kind, value))


def _written(kind: str, value: Any) -> Resource:
    written: Resource = ScalarQueryParameter(None, kind, value).to_api_repr()["parameterValue"]
    return written


def _interval(value: dt.timedelta | None) -> str | None:
    return None if value is None else interval(value)


def _list(name: str, item: _Column) -> _Column:
    if item.type["type"] == "ARRAY":
        raise _unbound(name, "lists of lists")

    def write(value: Any) -> Resource:
        # The service itself stores a list that is NULL as an empty one.
        return {"arrayValues": [item.write(each) for each in value or ()]}

    return _Column(pa.list_(item.arrow), {"type": "ARRAY", "arrayType": item.type}, write)


def _struct(name: str, names: list[str], fields: list[_Column]) -> _Column:
    def write(value: Any) -> Resource:
        if value is None:
            raise _unbound(name, "a struct that is null")
        written = {each: field.write(value[each]) for each, field in zip(names, fields, strict=True)}
        return {"structValues": written}

    arrow = pa.struct([(each, field.arrow) for each, field in zip(names, fields, strict=True)])
    return _Column(arrow, _struct_type(names, fields), write)


def _struct_type(names: list[str], fields: list[_Column]) -> Resource:
    inner = [{"name": each, "type": field.type} for each, field in zip(names, fields, strict=True)]
    return {"type": "STRUCT", "structTypes": inner}


_PLAIN: tuple[tuple[Callable[[Any], bool], str, Any], ...] = (
    (pa.types.is_boolean, "BOOL", pa.bool_()),
    (pa.types.is_integer, "INT64", pa.int64()),
    (pa.types.is_floating, "FLOAT64", pa.float64()),
    (pa.types.is_string, "STRING", pa.string()),
    (pa.types.is_large_string, "STRING", pa.string()),
    (pa.types.is_string_view, "STRING", pa.string()),
    (pa.types.is_binary, "BYTES", pa.binary()),
    (pa.types.is_large_binary, "BYTES", pa.binary()),
    (pa.types.is_binary_view, "BYTES", pa.binary()),
    (pa.types.is_fixed_size_binary, "BYTES", pa.binary()),
    (pa.types.is_date, "DATE", pa.date32()),
    (pa.types.is_time, "TIME", pa.time64("us")),
    (pa.types.is_duration, "INTERVAL", pa.duration("us")),
)


def _scalar(name: str, type: Any) -> tuple[str, Any]:
    for fits, kind, arrow in _PLAIN:
        if fits(type):
            return kind, arrow
    if pa.types.is_timestamp(type):
        return ("TIMESTAMP", pa.timestamp("us", "UTC")) if type.tz else ("DATETIME", pa.timestamp("us"))
    if pa.types.is_decimal(type):
        scale, whole = max(type.scale, 0), type.precision - type.scale
        if scale <= NUMERIC_SCALE and whole <= NUMERIC_WHOLE:
            return "NUMERIC", type
        if scale <= BIGNUMERIC_SCALE and whole <= BIGNUMERIC_WHOLE:
            return "BIGNUMERIC", type
    if pa.types.is_null(type):
        raise _unbound(
            name, "a column without any value, so without a type", 'Give it one: `astype("float64")`'
        )
    raise _unbound(name, f"`{type}`")


def _unbound(name: str, found: str, hint: str = "Leave the column out, or convert it") -> UserError:
    return UserError(f"Column `{name}` is {found}, which BigQuery has no parameter for", hint=hint)
