"""Inputs as bind variables of the service: typed text beside the SQL, never in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from hardpoint.plugin_api import (
    AnyType,
    ArrayType,
    DirectoryType,
    FileType,
    FrameType,
    Interface,
    PickledType,
    SimpleType,
    Store,
    UnionType,
    UserError,
    Values,
    Wire,
)
from hardpoint_snowflake.tables import STATEMENT_BYTES_MAX, json_of_rows

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TZ_OFFSET_MIN = 1440
_BY_REFERENCE = (FileType, DirectoryType, ArrayType, PickledType)


class Bind(msgspec.Struct, frozen=True):
    """One bind variable as it is sent."""

    type: str
    value: str | None


def binds_of(
    names: Sequence[str], interface: Interface, inputs: Mapping[str, Wire], values: Values, store: Store
) -> dict[str, Bind]:
    """The bind variables by position, from `1`.

    Args:
        names: Inputs in the order of the `?` in the SQL.
        interface: What the inputs are.
        inputs: Their wire values.
        values: Decodes them.
        store: Where tables lie.

    Raises:
        UserError: An input is a file, a folder, an array or pickled, or its tables are too long.
    """
    types = {each.name: each.type for each in interface.inputs}
    binds: dict[str, Bind] = {}
    left_bytes = STATEMENT_BYTES_MAX
    for position, name in enumerate(names, start=1):
        if isinstance(types[name], FrameType):
            rows = json_of_rows(name, inputs[name], store, left_bytes)
            left_bytes -= len(rows.encode())
            binds[str(position)] = Bind("TEXT", rows)
        else:
            binds[str(position)] = _bind(name, types[name], inputs[name], values)
    return binds


def _bind(name: str, type: AnyType, wire: Wire, values: Values) -> Bind:
    if isinstance(type, _BY_REFERENCE):
        raise UserError(
            f"Input `{name}` is a {type}, which cannot be a bind variable",
            hint="Load it into a table first, and pass the table's name",
        )
    if isinstance(type, SimpleType | UnionType):
        natural = values.decode(type, wire)
        if natural is None or isinstance(natural, _NATURAL):
            return bind_of(natural)
    # The wire form of the rest is JSON: `parse_json(?)` makes it a VARIANT.
    return Bind("TEXT", wire if isinstance(wire, str) else msgspec.json.encode(wire).decode())


_NATURAL = (bool, int, float, str, bytes, Decimal, UUID, datetime, date, time, timedelta)


def bind_of(value: Any) -> Bind:
    """A Python value as the service's protocol has it.

    >>> bind_of(10**30), bind_of("it's"), bind_of(None)
    (Bind(type='FIXED', value='1000000000000000000000000000000'), Bind(type='TEXT', value="it's"), \
Bind(type='ANY', value=None))
    >>> bind_of(datetime(2026, 1, 2, tzinfo=UTC)).value
    '1767312000000000000 1440'
    """
    match value:
        case None:
            return Bind("ANY", None)
        case bool():
            return Bind("BOOLEAN", "true" if value else "false")
        case int() | Decimal():
            return Bind("FIXED", format(value, "f") if isinstance(value, Decimal) else str(value))
        case float():
            return Bind("REAL", repr(value))
        case bytes():
            return Bind("BINARY", value.hex())
        case datetime() if value.tzinfo is None:
            return Bind("TIMESTAMP_NTZ", str(_nanoseconds(value.replace(tzinfo=UTC) - _EPOCH)))
        case datetime():
            offset_min = (value.utcoffset() or timedelta()) // timedelta(minutes=1)
            return Bind("TIMESTAMP_TZ", f"{_nanoseconds(value - _EPOCH)} {offset_min + _TZ_OFFSET_MIN}")
        case date():
            return Bind("DATE", str((value - _EPOCH.date()).days * 86_400_000))
        case time():
            since = timedelta(hours=value.hour, minutes=value.minute, seconds=value.second)
            return Bind("TIME", str(_nanoseconds(since + timedelta(microseconds=value.microsecond))))
        case timedelta():
            return Bind("REAL", repr(value.total_seconds()))
        case _:
            return Bind("TEXT", str(value))


def _nanoseconds(since: timedelta) -> int:
    return since // timedelta(microseconds=1) * 1000
