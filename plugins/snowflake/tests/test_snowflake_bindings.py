"""What the service is sent for a value, compared with what the official connector would send."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snowflake.connector.converter import SnowflakeConverter

from hardpoint.plugin_api import FileType, Interface, SimpleKind, SimpleType, UserError, Variable
from hardpoint.plugin_api.testing.fakes import MemoryStore, PlainValues
from hardpoint_snowflake.bindings import bind_of, binds_of

STORE = MemoryStore()
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
PLAIN = (
    st.integers()
    | st.booleans()
    | st.text()
    | st.binary()
    | st.floats(allow_nan=False)
    | st.decimals(allow_nan=False, allow_infinity=False, places=4)
    | st.dates()
    | st.times()
    # The connector counts in floating point and loses microseconds.
    | st.datetimes(min_value=datetime(1900, 1, 1)).map(lambda value: value.replace(microsecond=0))
)


@given(PLAIN)
def test_a_value_is_sent_as_the_connector_sends_it(value: Any) -> None:
    converter = SnowflakeConverter()
    type = converter.snowflake_type(value)
    sent = bind_of(value)
    assert sent.type == type
    assert _told(type, sent.value) == _told(type, converter.to_snowflake_bindings(type, value))


def _told(type: str, binding: Any) -> object:
    if type in ("DATE", "TIME", "TIMESTAMP_NTZ"):
        return int(binding)  # the connector pads some with zeros
    return binding.hex() if isinstance(binding, bytes | bytearray) else str(binding)


@given(st.datetimes(min_value=datetime(1900, 1, 1), timezones=ZONES))
def test_a_time_with_a_zone_keeps_it(value: datetime) -> None:
    nanoseconds, _, offset = (bind_of(value).value or "").partition(" ")
    since = timedelta(microseconds=int(nanoseconds) // 1000)
    zone = timezone(timedelta(minutes=int(offset) - 1440))
    assert (datetime(1970, 1, 1, tzinfo=zone.utc) + since).astimezone(zone) == value
    assert zone.utcoffset(None) == value.utcoffset()


def test_a_decimal_keeps_its_digits() -> None:
    assert bind_of(Decimal("1E+3")).value == "1000"
    assert bind_of(Decimal("0.10")).value == "0.10"


def test_units_of_days_and_times() -> None:
    assert bind_of(date(1970, 1, 2)).value == "86400000"
    assert bind_of(time(0, 0, 1, 5)).value == "1000005000"


def test_what_travels_by_reference_cannot_be_bound() -> None:
    face = Interface((Variable("file", FileType()),))
    with pytest.raises(UserError, match="Input `file` is a File, which cannot be a bind variable"):
        binds_of(("file",), face, {"file": {}}, PlainValues(STORE), STORE)


def test_a_name_that_comes_twice_is_bound_twice() -> None:
    face = Interface((Variable("a", SimpleType(SimpleKind.INT)),))
    binds = binds_of(("a", "a"), face, {"a": 1}, PlainValues(STORE), STORE)
    assert [binds["1"], binds["2"]] == [bind_of(1)] * 2
