"""From the service's words to phases, errors and usage."""

from __future__ import annotations

from typing import Any

import pytest

from hardpoint.plugin_api import (
    ContractViolation,
    ErrorKind,
    HardpointError,
    PermanentSystemError,
    Phase,
    ThrottledError,
    TransientError,
    UserError,
)
from hardpoint_athena.refusals import error_of_answer, error_without_answer
from hardpoint_athena.states import status_of


def failed(reason: str, **detail: Any) -> dict[str, Any]:
    return {
        "QueryExecutionId": "q-1",
        "Query": "SELECT a,\n  amonut\nFROM orders",
        "Status": {"State": "FAILED", "StateChangeReason": reason, "AthenaError": detail},
        "Statistics": {"DataScannedInBytes": 0, "EngineExecutionTimeInMillis": 120},
    }


def test_a_failing_line_stands_under_a_caret() -> None:
    reason = "COLUMN_NOT_FOUND: line 2:3: Column 'amonut' cannot be resolved"
    error = status_of(failed(reason, ErrorCategory=2)).error
    assert error is not None
    assert error.message == f"Query `q-1` failed: {reason}\n2 |   amonut\n  |   ^"
    assert (error.code, error.kind, error.bases) == ("COLUMN_NOT_FOUND", ErrorKind.SYSTEM, ("QueryFailed",))
    assert error.hint == "Correct the query: it is not tried again as it is"


KINDS: list[tuple[str, dict[str, Any], str, ErrorKind]] = [
    ("SYNTAX_ERROR: line 9:9: mismatched input", {}, "SYNTAX_ERROR", ErrorKind.SYSTEM),
    ("FAILED: PARSE_ERROR: no", {}, "PARSE_ERROR", ErrorKind.SYSTEM),
    ("line 1:8: mismatched input 'x'", {}, "QueryFailed", ErrorKind.SYSTEM),
    ("DIVISION_BY_ZERO: Division by zero", {"ErrorCategory": 2}, "DIVISION_BY_ZERO", ErrorKind.USER),
    ("Please reduce your request rate. SlowDown", {}, "QueryFailed", ErrorKind.TRANSIENT),
    ("GENERIC_INTERNAL_ERROR: boom", {}, "GENERIC_INTERNAL_ERROR", ErrorKind.TRANSIENT),
    ("Query exhausted resources at this scale factor", {}, "QueryFailed", ErrorKind.TRANSIENT),
    ("Something", {"Retryable": True, "ErrorCategory": 3}, "QueryFailed", ErrorKind.TRANSIENT),
    ("Something", {"ErrorCategory": 1}, "QueryFailed", ErrorKind.TRANSIENT),
    ("Bytes scanned limit was exceeded", {"ErrorCategory": 2}, "QueryFailed", ErrorKind.USER),
]


@pytest.mark.parametrize(("reason", "detail", "code", "kind"), KINDS, ids=[each[0] for each in KINDS])
def test_failures_are_classed(reason: str, detail: dict[str, Any], code: str, kind: ErrorKind) -> None:
    error = status_of(failed(reason, **detail)).error
    assert error is not None and (error.code, error.kind) == (code, kind)
    assert reason in error.message


def test_a_query_stopped_elsewhere_has_not_failed() -> None:
    told = {"Status": {"State": "CANCELLED", "StateChangeReason": "Query cancelled by user"}}
    status = status_of(told)
    assert (status.phase, status.error) == (Phase.CANCELLED, None)


def test_an_ended_query_tells_usage_and_leads_to_the_console() -> None:
    status = status_of(failed("no"), "eu-west-1")
    assert status.usage == {"bytes_scanned": 0.0, "engine_s": 0.12}
    assert status.links["Athena"].startswith("https://eu-west-1.console.aws.amazon.com/athena/")
    assert status.links["Athena"].endswith("/q-1")


def answer(code: str, status: int, words: str = "words", **more: Any) -> dict[str, Any]:
    headers = more.pop("headers", {})
    meta = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    return {"Error": {"Code": code, "Message": words}, "ResponseMetadata": meta, **more}


REFUSALS: list[tuple[dict[str, Any], type[HardpointError]]] = [
    (answer("ThrottlingException", 400), ThrottledError),
    (answer("TooManyRequestsException", 400), ThrottledError),
    (answer("SlowDown", 503), ThrottledError),
    (answer("429", 429), ThrottledError),
    (answer("InternalServerException", 500), TransientError),
    (answer("502", 502), TransientError),
    (answer("ConflictException", 409), ContractViolation),
    (answer("ExpiredTokenException", 400), PermanentSystemError),
    (answer("InvalidSignatureException", 403), PermanentSystemError),
    (answer("AccessDeniedException", 400), PermanentSystemError),
    (answer("Forbidden", 403), PermanentSystemError),
    (answer("InvalidRequestException", 400), UserError),
    (answer("InvalidRequestException", 400, AthenaErrorCode="MALFORMED_QUERY"), PermanentSystemError),
]


@pytest.mark.parametrize(
    ("told", "cls"), REFUSALS, ids=[f"{told['Error']['Code']}-{cls.__name__}" for told, cls in REFUSALS]
)
def test_refusals_are_classed(told: dict[str, Any], cls: type[HardpointError]) -> None:
    assert type(error_of_answer("`start`", told)) is cls


@pytest.mark.parametrize(("header", "asked"), [("7", 7.0), ("0.5", 0.5), ("soon", None), ("-1", None)])
def test_a_throttled_call_tells_how_long_to_wait(header: str, asked: float | None) -> None:
    told = answer("TooManyRequestsException", 429, headers={"retry-after": header})
    assert error_of_answer("`start`", told).info().retry_after_s == asked


def test_words_about_credentials_are_not_repeated() -> None:
    told = answer("SignatureDoesNotMatch", 403, "Token: open-sesame")
    assert "open-sesame" not in str(error_of_answer("`start`", told))


def test_failures_of_the_sdk_are_classed_by_name() -> None:
    classes = {
        "NoRegionError": PermanentSystemError,
        "NoCredentialsError": PermanentSystemError,
        "ProfileNotFound": PermanentSystemError,
        "TokenRetrievalError": PermanentSystemError,
        "ParamValidationError": UserError,
        "EndpointConnectionError": TransientError,
        "ReadTimeoutError": TransientError,
        "ResponseParserError": TransientError,
    }
    found = {name: type(error_without_answer("`start`", type(name, (Exception,), {})())) for name in classes}
    assert found == classes
