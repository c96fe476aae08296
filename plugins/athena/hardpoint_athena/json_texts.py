"""Lists, dicts and structs as JSON text, which a query reads with `json_parse`."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import math
import uuid
from collections.abc import Mapping
from typing import Any

from hardpoint.plugin_api import UserError


def json_text(value: object) -> str:
    """JSON that Athena's casts read back: `CAST(json_parse(…) AS ARRAY(ROW(day varchar, n bigint)))`.

    What JSON lacks is text: decimals and floats that are not finite in their own form, dates and times as
    `2026-01-31 12:00:00`, bytes in hexadecimal digits, enums by name; a time span is its seconds.

    Args:
        value: A list, dict or tuple, with all that may be inside.

    Raises:
        UserError: Something inside has no form in JSON.

    >>> json_text([{"day": dt.date(2026, 1, 31), "n": 1, "sum": decimal.Decimal("0.10")}])
    '[{"day":"2026-01-31","n":1,"sum":"0.10"}]'
    """
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))


def _plain(value: object) -> Any:
    match value:
        case enum.Enum():
            return value.name
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else _float_word(value)
        case decimal.Decimal() | uuid.UUID():
            return str(value)
        case bytes():
            return value.hex()
        case dt.datetime():
            return value.isoformat(" ")
        case dt.date() | dt.time():
            return value.isoformat()
        case dt.timedelta():
            return value.total_seconds()
        case Mapping():
            return {_key(key): _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case _:
            raise UserError(
                f"A value of class `{type(value).__qualname__}` has no form in JSON",
                hint="Give numbers, text, bytes, dates, times, None, and lists and dicts of them",
            )


def _float_word(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _key(key: object) -> str:
    plain = _plain(key)
    return plain if isinstance(plain, str) else json.dumps(plain)
