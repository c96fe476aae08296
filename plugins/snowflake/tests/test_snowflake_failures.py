"""Errors of the service: whose they are, and where."""

from __future__ import annotations

import pytest

from hardpoint.plugin_api import ErrorKind, PermanentSystemError, Phase, TransientError, UserError
from hardpoint_snowflake.failures import failure, refusal
from hardpoint_snowflake.states import QueryRow, status_of


@pytest.mark.parametrize(
    ("state", "code", "name", "kind"),
    [
        ("FAILED_WITH_ERROR", "001003", "SqlCompilationError", ErrorKind.SYSTEM),
        ("FAILED_WITH_ERROR", "904", "SqlCompilationError", ErrorKind.SYSTEM),
        ("FAILED_WITH_ERROR", "002003", "ObjectNotFound", ErrorKind.SYSTEM),
        ("FAILED_WITH_ERROR", "003001", "InsufficientPrivileges", ErrorKind.SYSTEM),
        ("FAILED_WITH_ERROR", "000630", "StatementTimeout", ErrorKind.USER),
        ("FAILED_WITH_ERROR", "000625", "LockedTable", ErrorKind.TRANSIENT),
        ("FAILED_WITH_ERROR", "000603", "SnowflakeInternalError", ErrorKind.TRANSIENT),
        ("FAILED_WITH_ERROR", "100035", "QueryFailed", ErrorKind.USER),
        ("FAILED_WITH_ERROR", "", "QueryFailed", ErrorKind.USER),
        ("FAILED_WITH_INCIDENT", "300005", "SnowflakeInternalError", ErrorKind.TRANSIENT),
        ("DISCONNECTED", "", "SnowflakeInternalError", ErrorKind.TRANSIENT),
    ],
)
def test_the_code_says_whose_error_it_is(state: str, code: str, name: str, kind: ErrorKind) -> None:
    error = failure(state, code, "no paper")
    assert (error.code, error.kind) == (name, kind)


def test_the_services_code_can_be_named_for_retries() -> None:
    assert failure("FAILED_WITH_ERROR", "100035", "Division by zero").bases == ("Snowflake100035",)


@pytest.mark.parametrize("code", ["604", "000604", ""])
@pytest.mark.parametrize("state", ["FAILED_WITH_ERROR", "failed_with_error"])
def test_a_cancelled_query_has_not_failed(state: str, code: str) -> None:
    status = status_of(QueryRow("q", state, code, "SQL execution canceled"))
    assert (status.phase, status.error, status.reason) == (Phase.CANCELLED, None, "SQL execution canceled")


def test_a_position_outside_of_the_sql_shows_no_line() -> None:
    said = "error line 9 at position 3"
    assert failure("FAILED_WITH_ERROR", "001003", said, "select 1").message == f"001003: {said}"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("001003", UserError),
        ("002003", UserError),
        ("003001", PermanentSystemError),
        ("000603", TransientError),
    ],
)
def test_a_refusal_without_a_query_is_raised(code: str, kind: type[Exception]) -> None:
    assert type(refusal(code, "no")) is kind
