"""Python values as SQL literals: the form in which Athena takes the values of a query's parameters.

A value never gets out of its literal: text stands between quotes with every quote in it doubled, and all
other forms are made of characters that this module chooses.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import math
import uuid

from hardpoint.plugin_api import UserError
from hardpoint_athena.json_texts import json_text

LITERAL_MAX = 1024
"""Characters that the service takes for one parameter."""
DIGITS_MAX = 38
BIGINT = range(-(2**63) + 1, 2**63)
PARAMETERS_MAX = 64
"""For one value, longer than that as text: of this plugin, since the service tells no number."""
TEXT_MAX = PARAMETERS_MAX * (LITERAL_MAX - 2)
"""Characters that one value may have as text, quotes in it counted twice."""
_MILLISECOND = dt.timedelta(milliseconds=1)


def sql_literals(value: object) -> list[str]:
    """The literals of one value, to be joined by `||`: several, if it is text or JSON too long for one.

    Raises:
        UserError: There is none for it, or it is too long for all that one value may take.

    >>> sql_literals([1, 2]), len(sql_literals("x" * 2000))
    (["'[1,2]'"], 2)
    """
    match value:
        case enum.Enum():
            return [sql_literal(value)]
        case str():
            return _texts(value)
        case list() | tuple() | dict():
            return _texts(json_text(value))
        case _:
            return [sql_literal(value)]


def property_literal(value: object) -> str:
    """What a property of a table is set to.

    >>> property_literal(["day", "region"])
    "ARRAY['day', 'region']"
    """
    if isinstance(value, list | tuple):
        return f"ARRAY[{', '.join(map(sql_literal, value))}]"
    return sql_literal(value)


def sql_literal(value: object) -> str:
    """The literal that stands for `value`.

    Args:
        value: None, bool, int, float, str, bytes, Decimal, date, time, datetime, timedelta, UUID, or an
            enum's member, which stands for its name.

    Raises:
        UserError: There is no literal for it, or it is longer than the service takes.

    >>> sql_literal("it's; DROP TABLE x --")
    "'it''s; DROP TABLE x --'"
    >>> sql_literal(dt.date(2026, 1, 31)), sql_literal(-7), sql_literal(0.5)
    ("DATE '2026-01-31'", '-7', "DOUBLE '0.5'")
    """
    literal = _literal(value)
    if len(literal) > LITERAL_MAX:
        raise UserError(
            f"A value of {len(literal)} characters is too long for a parameter of Athena, "
            f"which takes {LITERAL_MAX}",
            hint="Put long values into a table, and join it",
        )
    return literal


def _texts(text: str) -> list[str]:
    whole = _text(text)
    if len(whole) <= LITERAL_MAX:
        return [whole]
    room = LITERAL_MAX - 2
    parts: list[str] = []
    at = 0
    while at < len(text) and len(parts) < PARAMETERS_MAX:
        part = text[at : at + room]
        # A quote takes two characters, and its two stay together.
        while (over := len(part) + part.count("'") - room) > 0:
            part = part[: -max(1, over // 2)]
        parts.append(_text(part))
        at += len(part)
    if at < len(text):
        raise UserError(
            f"A value of {len(text):,} characters is too long for a query of Athena: "
            f"hardpoint gives one value {PARAMETERS_MAX} parameters, room for {TEXT_MAX:,} characters",
            hint="Write it to S3, a table as Parquet, and query it there; or load it in parts, "
            'with `write="append"`',
        )
    return parts


def _literal(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case enum.Enum():
            return _text(value.name)
        case int():
            return _integer(int(value))
        case float():
            return _float(value)
        case str():
            return _text(value)
        case bytes():
            return f"X'{value.hex()}'"
        case decimal.Decimal():
            return _decimal(value)
        case uuid.UUID():
            return f"UUID '{value}'"
        case _:
            return _temporal(value)


def _temporal(value: object) -> str:
    match value:
        case dt.datetime():
            return _timestamp(value)
        case dt.date():
            return f"DATE '{value.isoformat()}'"
        case dt.time() if value.tzinfo is None:
            return f"TIME '{value.isoformat('microseconds')}'"
        case dt.timedelta():
            return _interval(value)
        case _:
            raise UserError(
                f"A value of class `{type(value).__qualname__}` has no form as a parameter of Athena",
                hint="Give numbers, text, bytes, dates, times, None, tables, or lists and dicts of them",
            )


def _integer(value: int) -> str:
    return str(value) if value in BIGINT else _decimal(decimal.Decimal(value))


def _float(value: float) -> str:
    if math.isnan(value):
        return "DOUBLE 'NaN'"
    if math.isinf(value):
        return "DOUBLE 'Infinity'" if value > 0 else "DOUBLE '-Infinity'"
    return f"DOUBLE '{float(value)!r}'"


def _decimal(value: decimal.Decimal) -> str:
    plain = f"{value:f}" if value.is_finite() else ""
    if not plain or sum(map(str.isdigit, plain)) > DIGITS_MAX:
        raise UserError(
            f"The number `{str(value)[:60]}` does not fit into a DECIMAL of {DIGITS_MAX} digits",
            hint="Pass it as a float or as text",
        )
    return f"DECIMAL '{plain}'"


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UserError(
            f"The text {value[:60]!r} holds half of a surrogate pair, which is no character",
            hint="Decode the text with the encoding that it has",
        ) from None
    return "'" + value.replace("'", "''") + "'"


def _timestamp(value: dt.datetime) -> str:
    zone = "" if value.tzinfo is None else " UTC"
    moment = value if value.tzinfo is None else value.astimezone(dt.UTC)
    return f"TIMESTAMP '{moment.replace(tzinfo=None).isoformat(' ', 'microseconds')}{zone}'"


def _interval(value: dt.timedelta) -> str:
    if value % _MILLISECOND:
        raise UserError(
            f"The time span `{value}` is finer than a millisecond, as fine as an INTERVAL of Athena is",
            hint="Round it, or pass seconds as a float",
        )
    sign = "-" if value < dt.timedelta() else ""
    seconds, rest = divmod(abs(value) // _MILLISECOND, 1000)
    return f"INTERVAL '{sign}{seconds}.{rest:03}' SECOND"
