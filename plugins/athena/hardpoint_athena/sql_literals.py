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

LITERAL_MAX = 1024
"""Characters that the service takes for one parameter."""
DIGITS_MAX = 38
BIGINT = range(-(2**63) + 1, 2**63)
_MILLISECOND = dt.timedelta(milliseconds=1)


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
                hint="Give numbers, text, bytes, dates, times or None; lists go into a table, or as one text "
                "that the query splits: `contains(split(:names, ','), name)`",
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
