"""Dates, times, moments and durations.

A moment is ISO 8601 text. What that cannot say stands behind it in brackets, as RFC 9557 does it:

    2024-05-01T12:00:00                               naive
    2024-05-01T12:00:00+02:00                         a fixed offset
    2024-05-01T12:00:00+02:00[_name=CEST]             ... that has a name
    2024-05-01T12:00:00+02:00[Europe/Paris]           a `ZoneInfo`, by its key
    2024-10-27T02:30:00+01:00[Europe/Paris][_fold=1]  the second of two equal wall clock times

The wall clock time and the zone are kept, even where another version of the zone's rules gives another
offset. Other classes of zones (dateutil, pytz) are refused: no text says what they are.
"""

from __future__ import annotations

import datetime as dt
import re
import urllib.parse
from typing import Any, TypeVar

from hardpoint.core.types.codec import Codec
from hardpoint.core.types.errors import EncodeError, show_hint, wrong_value, wrong_wire
from hardpoint.core.types.scalars import simple_codec, text_codec
from hardpoint.plugin_api import SimpleKind, Store, Wire

_SUFFIX = re.compile(
    r"(?:\[(?P<zone>[^\]=]+)\])?(?:\[_name=(?P<name>[^\]]*)\])?(?:\[_fold=(?P<fold>[01])\])?"
)
_Moment = TypeVar("_Moment", dt.datetime, dt.time)


def moment_text(value: dt.datetime | dt.time) -> str:
    """ISO 8601 text, with what it cannot say in brackets.

    >>> from zoneinfo import ZoneInfo
    >>> moment_text(dt.datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Paris"), fold=1))
    '2024-10-27T02:30:00+01:00[Europe/Paris][_fold=1]'
    """
    zone = value.tzinfo
    if zone is None:
        suffix = ""
    elif type(zone) is dt.timezone:
        suffix = _name_suffix(zone)
    else:
        suffix = f"[{_zone_key(zone)}]"
    return value.isoformat() + suffix + ("[_fold=1]" if value.fold else "")


def _zone_key(zone: dt.tzinfo) -> str:
    from zoneinfo import ZoneInfo  # here, as few workflows need it, and every process would pay 2 ms

    if type(zone) is ZoneInfo and zone.key:
        return zone.key
    raise EncodeError(
        f"Time zone {show_hint(type(zone))} {str(zone)!r} has no portable name",
        hint="Use `zoneinfo.ZoneInfo('Area/City')` or `datetime.timezone`",
    )


def _name_suffix(zone: dt.timezone) -> str:
    name = zone.tzname(None)
    if name == dt.timezone(zone.utcoffset(None)).tzname(None):
        return ""
    return f"[_name={urllib.parse.quote(name, safe='', errors='surrogatepass')}]"


def moment_of(cls: type[_Moment], text: str) -> _Moment:
    """The moment that `moment_text` was given.

    >>> moment_of(dt.time, "12:30:00+02:00")
    datetime.time(12, 30, tzinfo=datetime.timezone(datetime.timedelta(seconds=7200)))
    """
    plain, bracket, rest = text.partition("[")
    value = cls.fromisoformat(plain)
    if not bracket:
        return value
    suffix = _SUFFIX.fullmatch(bracket + rest)
    if suffix is None:
        raise ValueError(f"Not a time zone: `{bracket + rest}`")
    if suffix["name"] is not None:
        offset = value.utcoffset()
        if offset is None:
            raise ValueError("A named offset needs an offset")
        name = urllib.parse.unquote(suffix["name"], errors="surrogatepass")
        value = value.replace(tzinfo=dt.timezone(offset, name))
    if suffix["zone"] is not None:
        value = _in_zone(value, suffix["zone"], said_fold=suffix["fold"] is not None)
    return value.replace(fold=1) if suffix["fold"] == "1" else value


def _in_zone(value: _Moment, key: str, *, said_fold: bool) -> _Moment:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        zoned = value.replace(tzinfo=ZoneInfo(key))
    except ZoneInfoNotFoundError:
        raise ValueError(f"No time zone `{key}` on this machine: `pip install tzdata`") from None
    given = value.utcoffset()
    if said_fold or given is None or zoned.utcoffset() == given:
        return zoned
    # Written by hand: of two equal wall clock times, the offset says which is meant.
    later = zoned.replace(fold=1)
    return later if later.utcoffset() == given else zoned


def _datetime_of(text: str) -> dt.datetime:
    return moment_of(dt.datetime, text)


def _time_of(text: str) -> dt.time:
    return moment_of(dt.time, text)


def _encode_timedelta(value: Any, store: Store) -> Wire:
    if type(value) is dt.timedelta:
        return [value.days, value.seconds, value.microseconds]
    use = "Pass `value.to_pytimedelta()`" if hasattr(value, "to_pytimedelta") else ""
    raise wrong_value("timedelta", value, use=use)


def _decode_timedelta(wire: Wire, store: Store) -> dt.timedelta:
    if type(wire) is not list or len(wire) != 3 or not all(type(part) is int for part in wire):
        raise wrong_wire("timedelta", wire)
    try:
        return dt.timedelta(*wire)
    except OverflowError as error:
        raise wrong_wire("timedelta", wire) from error


TEMPORALS: dict[Any, Codec] = {
    dt.datetime: text_codec(dt.datetime, SimpleKind.DATETIME, moment_text, _datetime_of),
    dt.date: text_codec(dt.date, SimpleKind.DATE, dt.date.isoformat, dt.date.fromisoformat),
    dt.time: text_codec(dt.time, SimpleKind.TIME, moment_text, _time_of),
    dt.timedelta: simple_codec(dt.timedelta, SimpleKind.TIMEDELTA, _encode_timedelta, _decode_timedelta),
}
"""By class."""
