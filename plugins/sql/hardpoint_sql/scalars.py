"""The values of one row, as the types that a task declares."""

from __future__ import annotations

import datetime as dt
import uuid
from contextlib import suppress
from decimal import Decimal
from typing import Any

from hardpoint.plugin_api import AnyType, SimpleKind, SimpleType, UnionType

NONE = SimpleType(SimpleKind.NONE)


def natural(type: AnyType, value: Any) -> Any:
    """The value in the Python class that `type` wants, where a driver has another one for it.

    Sums are often `Decimal`, SQLite has neither dates nor booleans, and times with a zone come in a zone of
    the driver's choice, here in UTC. What does not fit stays as it is: who encodes it says so.

    >>> natural(SimpleType(SimpleKind.INT), Decimal("7")), natural(SimpleType(SimpleKind.BOOL), 1)
    (7, True)
    >>> natural(SimpleType(SimpleKind.INT), Decimal("7.5"))
    Decimal('7.5')
    """
    match type:
        case SimpleType(kind=kind):
            with suppress(ValueError):
                return _simple(kind, value)
            return value
        case UnionType(variants=variants) if value is not None:
            others = [each for each in variants if each != NONE]
            return natural(others[0], value) if len(others) == 1 else value
        case _:
            return value


def _simple(kind: SimpleKind, value: Any) -> Any:
    match kind, value:
        case SimpleKind.BOOL, 0 | 1:
            return bool(value)
        case SimpleKind.INT, Decimal() if value.is_finite() and value == value.to_integral_value():
            return int(value)
        case SimpleKind.FLOAT, Decimal() | int() if not isinstance(value, bool):
            return float(value)
        case SimpleKind.DECIMAL, int() | str() if not isinstance(value, bool):
            return Decimal(value)
        case SimpleKind.DECIMAL, float():
            return Decimal(repr(value))
        case SimpleKind.DATETIME, str():
            return dt.datetime.fromisoformat(value)
        case SimpleKind.DATETIME, dt.datetime() if value.tzinfo is not None:
            return value.astimezone(dt.UTC)
        case SimpleKind.DATE, str():
            return dt.date.fromisoformat(value)
        case SimpleKind.TIME, str():
            return dt.time.fromisoformat(value)
        case SimpleKind.UUID, str():
            return uuid.UUID(value)
        case SimpleKind.STR, uuid.UUID():
            return str(value)
        case SimpleKind.BYTES, memoryview() | bytearray():
            return bytes(value)
        case _:
            return value
