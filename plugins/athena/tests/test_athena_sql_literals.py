"""Values as SQL literals: each reads back as it was, and none gets out of its quotes."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import math
import re
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardpoint.plugin_api import UserError
from hardpoint_athena.sql_literals import (
    LITERAL_MAX,
    PARAMETERS_MAX,
    TEXT_MAX,
    property_literal,
    sql_literal,
    sql_literals,
)

# A deadline measures how busy the machine is.
QUIET = settings(deadline=None, derandomize=True)
QUOTED = re.compile(r"(?:[A-Z]+ ?)?'((?:[^']|'')*)'(?: SECOND)?", re.DOTALL)
TEXT = st.text(st.characters(codec="utf-8"), max_size=300)
ZONES: Any = st.one_of(st.none(), st.timezones())
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    TEXT,
    st.binary(max_size=300),
    st.decimals(),
    st.dates(),
    st.times(),
    st.datetimes(timezones=ZONES),
    st.timedeltas(),
    st.uuids(),
)


def inside(literal: str) -> str:
    """What is quoted; fails unless the whole is one literal."""
    found = QUOTED.fullmatch(literal)
    assert found is not None, literal
    return found[1].replace("''", "'")


@QUIET
@given(VALUES)
def test_every_value_is_one_literal_or_refused(value: object) -> None:
    try:
        literal = sql_literal(value)
    except UserError as error:
        assert error.hint
        return
    assert len(literal) <= LITERAL_MAX
    assert re.fullmatch(r"NULL|TRUE|FALSE|-?\d+", literal) or QUOTED.fullmatch(literal)


@QUIET
@given(TEXT)
def test_text_comes_back_as_it_was(text: str) -> None:
    assert inside(sql_literal(text)) == text


@QUIET
@given(st.binary(max_size=500))
def test_bytes_come_back_as_they_were(data: bytes) -> None:
    assert bytes.fromhex(inside(sql_literal(data))) == data


@QUIET
@given(st.integers(-(10**38) + 1, 10**38 - 1))
def test_integers_come_back_as_they_were(number: int) -> None:
    literal = sql_literal(number)
    assert int(inside(literal) if "'" in literal else literal) == number


@QUIET
@given(st.floats())
def test_floats_come_back_as_they_were(number: float) -> None:
    found = float(inside(sql_literal(number)))
    assert found == number or (math.isnan(found) and math.isnan(number))


@QUIET
@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**20), max_value=10**20))
def test_decimals_come_back_as_they_were(number: decimal.Decimal) -> None:
    assert decimal.Decimal(inside(sql_literal(number))) == number


@QUIET
@given(st.datetimes(dt.datetime(1000, 1, 1), dt.datetime(9000, 1, 1), timezones=ZONES))
def test_moments_come_back_as_they_were(moment: dt.datetime) -> None:
    found = inside(sql_literal(moment))
    assert found.endswith(" UTC") is (moment.tzinfo is not None)
    read = dt.datetime.fromisoformat(found.removesuffix(" UTC"))
    # Across zones Python holds no moment of an hour that comes twice equal to another.
    assert read.replace(tzinfo=dt.UTC) == moment.astimezone(dt.UTC) if moment.tzinfo else read == moment


@QUIET
@given(st.timedeltas(dt.timedelta(-9999), dt.timedelta(9999)).map(lambda each: each // 1000 * 1000))
def test_time_spans_come_back_as_they_were(span: dt.timedelta) -> None:
    rounded = dt.timedelta(milliseconds=span // dt.timedelta(milliseconds=1))
    seconds = decimal.Decimal(inside(sql_literal(rounded)))
    assert dt.timedelta(milliseconds=int(seconds * 1000)) == rounded


class Colour(enum.Enum):
    RED = "'; DROP TABLE x"


EXACT = [
    (None, "NULL"),
    (True, "TRUE"),
    (-(2**63), "DECIMAL '-9223372036854775808'"),
    (2**63 - 1, "9223372036854775807"),
    (float("-inf"), "DOUBLE '-Infinity'"),
    (b"\x00'", "X'0027'"),
    (decimal.Decimal("1E+3"), "DECIMAL '1000'"),
    (dt.time(1, 2, 3), "TIME '01:02:03.000000'"),
    (dt.timedelta(seconds=-1.5), "INTERVAL '-1.500' SECOND"),
    (uuid.UUID(int=0), "UUID '00000000-0000-0000-0000-000000000000'"),
    (Colour.RED, "'RED'"),
]


@pytest.mark.parametrize(("value", "literal"), EXACT, ids=[each for _, each in EXACT])
def test_literals_are_exactly(value: object, literal: str) -> None:
    assert sql_literal(value) == literal


REFUSED: list[Any] = [
    "x" * LITERAL_MAX,
    "\ud800",
    10**38,
    decimal.Decimal("NaN"),
    dt.timedelta(microseconds=1),
    dt.time(1, tzinfo=dt.UTC),
    [1],
    {"a": 1},
]


@pytest.mark.parametrize("value", REFUSED, ids=lambda value: repr(value)[:20])
def test_values_without_a_literal_are_refused_with_a_hint(value: object) -> None:
    with pytest.raises(UserError) as caught:
        sql_literal(value)
    assert caught.value.hint


LONG = st.text(st.sampled_from("ab'\n👩é"), min_size=LITERAL_MAX - 10, max_size=5000)


@QUIET
@given(LONG)
def test_long_text_comes_back_from_its_parts(text: str) -> None:
    parts = sql_literals(text)
    assert "".join(map(inside, parts)) == text
    assert max(map(len, parts)) <= LITERAL_MAX


def test_text_is_taken_up_to_the_limit_and_no_further() -> None:
    assert len(sql_literals("x" * TEXT_MAX)) == PARAMETERS_MAX
    assert len(sql_literals("'" * (TEXT_MAX // 2))) == PARAMETERS_MAX
    for text in ("x" * (TEXT_MAX + 1), "'" * (TEXT_MAX // 2 + 1)):
        with pytest.raises(UserError, match=f"room for {TEXT_MAX:,} characters") as caught:
            sql_literals(text)
        assert "S3" in caught.value.hint


JSON_VALUES = [
    ([1, None, True, "it's"], """'[1,null,true,"it''s"]'"""),
    ({"a": decimal.Decimal("0.10"), "b": float("nan")}, """'{"a":"0.10","b":"NaN"}'"""),
    ({1: [b"\x00\xff"], None: (Colour.RED,)}, """'{"1":["00ff"],"null":["RED"]}'"""),
    (
        [dt.date(2026, 1, 2), dt.datetime(2026, 1, 2, 3), dt.timedelta(1)],
        """'["2026-01-02","2026-01-02 03:00:00",86400.0]'""",
    ),
]


@pytest.mark.parametrize(("value", "literal"), JSON_VALUES, ids=[each for _, each in JSON_VALUES])
def test_what_has_parts_is_json(value: object, literal: str) -> None:
    assert sql_literals(value) == [literal]


def test_what_json_has_no_form_for_is_refused() -> None:
    with pytest.raises(UserError, match="class `object` has no form in JSON") as caught:
        sql_literals([object()])
    assert caught.value.hint


@QUIET
@given(st.lists(TEXT, max_size=3))
def test_a_list_of_a_property_is_an_array_of_literals(texts: list[str]) -> None:
    literal = property_literal(texts)
    found = re.findall(r"'((?:[^']|'')*)'", literal.removeprefix("ARRAY[").removesuffix("]"))
    assert [each.replace("''", "'") for each in found] == texts
