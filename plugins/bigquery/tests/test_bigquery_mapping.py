"""Pure tables: states, reasons and parameters."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardpoint.plugin_api import (
    AnyType,
    ChoiceType,
    DictType,
    EnumType,
    ErrorKind,
    FileType,
    ListType,
    Phase,
    SimpleKind,
    SimpleType,
    StructField,
    StructType,
    TupleType,
    UnionType,
    UserError,
)
from hardpoint_bigquery.failures import KINDS, failure
from hardpoint_bigquery.parameters import bind, interval
from hardpoint_bigquery.states import status_of, usage_of

INT, STR, DECIMAL, DATETIME = map(
    SimpleType, (SimpleKind.INT, SimpleKind.STR, SimpleKind.DECIMAL, SimpleKind.DATETIME)
)
NONE = SimpleType(SimpleKind.NONE)


@pytest.mark.parametrize("reason", [*KINDS, "reasonOfNextYear"])
def test_every_reason_of_a_failed_job_has_its_class(reason: str) -> None:
    told = {"state": "DONE", "errorResult": {"reason": reason, "message": "it failed"}}
    status = status_of({"status": told})
    assert status.phase is Phase.FAILED and status.error is not None
    assert status.error.kind is KINDS.get(reason, ErrorKind.USER)
    assert status.error.message == f"{reason}: it failed"


def test_a_job_that_somebody_stopped_has_not_failed() -> None:
    told = {"state": "DONE", "errorResult": {"reason": "stopped", "message": "cancelled by ann"}}
    status = status_of({"status": told})
    assert (status.phase, status.reason, status.error) == (Phase.CANCELLED, "stopped: cancelled by ann", None)


def test_warnings_do_not_fail_a_job() -> None:
    told = {"state": "DONE", "errors": [{"reason": "invalid", "message": "a row was left out"}]}
    assert status_of({"status": told}).phase is Phase.SUCCEEDED


@given(st.text(), st.integers(-9, 99), st.integers(-9, 99))
def test_no_position_of_an_error_breaks_its_message(sql: str, line: int, column: int) -> None:
    told = failure({"reason": "invalidQuery", "message": f"bad at [{line}:{column}]"}, sql)
    assert told.message.startswith(f"invalidQuery: bad at [{line}:{column}]")


@given(
    st.dictionaries(
        st.sampled_from(["totalBytesProcessed", "totalSlotMs"]), st.text() | st.floats() | st.none()
    )
)
def test_usage_is_made_of_figures_only(told: dict[str, Any]) -> None:
    assert all(0 <= each < float("inf") for each in usage_of({"statistics": told}).values())


@given(st.timedeltas(dt.timedelta(days=-3_000_000), dt.timedelta(days=3_000_000)))
def test_an_interval_says_the_same_time_span(span: dt.timedelta) -> None:
    months, days, clock = interval(span).split(" ")
    hours, minutes, seconds = clock.lstrip("-").split(":")
    rest = dt.timedelta(hours=int(hours), minutes=int(minutes)) + dt.timedelta(
        microseconds=int(Decimal(seconds) * 1_000_000)
    )
    assert months == "0-0"
    assert dt.timedelta(days=int(days)) + (-rest if clock.startswith("-") else rest) == span


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**37), max_value=10**37, places=30))
def test_a_decimal_is_bound_in_full(value: Decimal) -> None:
    bound = bind("d", DECIMAL, value).to_api_repr()
    assert bound["parameterType"]["type"] in ("NUMERIC", "BIGNUMERIC")
    assert Decimal(bound["parameterValue"]["value"]) == value


@given(st.text())
def test_text_is_bound_as_it_is(text: str) -> None:
    assert bind("s", STR, text).to_api_repr()["parameterValue"] == {"value": text}


BOUND: list[tuple[AnyType, Any, str]] = [
    (UnionType((STR, NONE)), None, "STRING"),
    (EnumType("Colour", ("RED",)), "RED", "STRING"),
    (ChoiceType((1, 2)), 2, "INT64"),
    (DATETIME, dt.datetime(2024, 1, 1), "DATETIME"),
    (DATETIME, dt.datetime(2024, 1, 1, tzinfo=dt.UTC), "TIMESTAMP"),
    (DATETIME, None, "TIMESTAMP"),
    (DECIMAL, Decimal("1.5"), "NUMERIC"),
    (DECIMAL, Decimal("1e-10"), "BIGNUMERIC"),
    (ListType(DECIMAL), [Decimal(1), Decimal("1e-10")], "ARRAY"),
    (TupleType((INT,), variadic=True), (1, 2), "ARRAY"),
    (StructType("P", (StructField("x", INT),)), {"x": 1}, "STRUCT"),
    (SimpleType(SimpleKind.TIMEDELTA), dt.timedelta(days=1), "INTERVAL"),
]


@pytest.mark.parametrize(("type", "value", "kind"), BOUND, ids=lambda each: str(each)[:20])
def test_a_parameter_has_the_services_type(type: AnyType, value: Any, kind: str) -> None:
    assert bind("p", type, value).to_api_repr()["parameterType"]["type"] == kind


UNBOUND: list[tuple[AnyType, Any, str]] = [
    (INT, 2**63, "beyond INT64"),
    (DECIMAL, Decimal("NaN"), "no decimal type"),
    (DECIMAL, Decimal("1e50"), "beyond BIGNUMERIC"),
    (FileType(), object(), "no parameter for"),
    (UnionType((INT, STR)), 1, "one type"),
    (UnionType((ListType(INT), NONE)), None, "a list or a struct, and None"),
    (ChoiceType((1, "a")), 1, "several types"),
    (ListType(DATETIME), [dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1, tzinfo=dt.UTC)], "mixes"),
    (ListType(ListType(INT)), [[1]], "no parameter for"),
    (DictType(STR, DATETIME), {"a": dt.datetime(2024, 1, 1)}, "cannot be bound as JSON"),
]


@pytest.mark.parametrize(("type", "value", "said"), UNBOUND, ids=lambda each: str(each)[:20])
def test_what_the_service_has_no_parameter_for_is_told(type: AnyType, value: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        bind("p", type, value)
