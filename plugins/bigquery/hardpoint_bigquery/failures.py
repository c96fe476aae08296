"""Google's reasons as errors: whose an error is decides whose retries pay for it.

Source: "Error messages" of the BigQuery documentation, its table of reasons.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hardpoint.plugin_api import ErrorInfo, ErrorKind
from hardpoint.plugin_api.sql_text import caret

STOPPED = "stopped"
"""The reason of a job that somebody cancelled."""

KINDS: Mapping[str, ErrorKind] = {
    "accessDenied": ErrorKind.SYSTEM,
    "backendError": ErrorKind.TRANSIENT,
    "badRequest": ErrorKind.USER,
    "billingNotEnabled": ErrorKind.SYSTEM,
    "billingTierLimitExceeded": ErrorKind.USER,
    "blocked": ErrorKind.SYSTEM,
    "bytesBilledLimitExceeded": ErrorKind.SYSTEM,
    "duplicate": ErrorKind.USER,
    "internalError": ErrorKind.TRANSIENT,
    "invalid": ErrorKind.USER,
    # Nothing makes a syntax error right but an edit: no retry, not even the author's.
    "invalidQuery": ErrorKind.SYSTEM,
    "invalidUser": ErrorKind.SYSTEM,
    "jobBackendError": ErrorKind.TRANSIENT,
    "jobInternalError": ErrorKind.TRANSIENT,
    "jobRateLimitExceeded": ErrorKind.THROTTLED,
    "notFound": ErrorKind.USER,
    "notImplemented": ErrorKind.USER,
    "proxyAuthenticationRequired": ErrorKind.SYSTEM,
    "quotaExceeded": ErrorKind.THROTTLED,
    "rateLimitExceeded": ErrorKind.THROTTLED,
    "resourceInUse": ErrorKind.TRANSIENT,
    "resourcesExceeded": ErrorKind.USER,
    "responseTooLarge": ErrorKind.USER,
    "tableUnavailable": ErrorKind.TRANSIENT,
    "timeout": ErrorKind.USER,
}

HINTS: Mapping[str, str] = {
    "accessDenied": "Let the account read the tables, and give it `roles/bigquery.jobUser` in the project",
    "billingNotEnabled": "Enable billing for the project in the Google Cloud console",
    "bytesBilledLimitExceeded": "Read less, such as one partition, or raise `maximum_bytes_billed`",
    "duplicate": 'The destination holds rows already: set `write_disposition`, such as "WRITE_TRUNCATE"',
    "invalidQuery": "Correct the SQL; such an error is not tried again",
    "notFound": "Check the name, and that `location` is where the table is",
    "quotaExceeded": "See the project's quotas in the Google Cloud console, under IAM & Admin",
    "resourcesExceeded": "Split the query, or write parts of it to tables; often an ORDER BY is at fault",
    "responseTooLarge": "Write the result to a table: set `destination`",
    "timeout": "Raise `job_timeout`",
}

_POSITION = re.compile(r"\[(\d+):(\d+)\]")


def failure(error: Mapping[str, Any], sql: str) -> ErrorInfo:
    """A job's `errorResult`, with the line of SQL that it is about.

    Args:
        error: `reason` and `message`, as Google writes them.
        sql: What was sent.

    >>> told = {"reason": "invalidQuery", "message": "Unexpected identifier at [2:3]"}
    >>> print(failure(told, "SELECT 1,\\n  amonut FORM orders").message)
    invalidQuery: Unexpected identifier at [2:3]
    2 |   amonut FORM orders
      |   ^
    """
    reason = str(error.get("reason") or "unknown")
    message = f"{reason}: {error.get('message', '')}".removesuffix(": ")
    return ErrorInfo(
        code_of(reason),
        with_line(message, sql),
        KINDS.get(reason, ErrorKind.USER),
        HINTS.get(reason, ""),
        bases=("BigQueryError",),
    )


def code_of(reason: str) -> str:
    """The name of an error, for `Retry(on=…)`.

    >>> code_of("invalidQuery")
    'InvalidQuery'
    """
    return reason[:1].upper() + reason[1:]


def with_line(message: str, sql: str) -> str:
    """The message, and below it the line that its `[line:column]` names."""
    found = _POSITION.search(message)
    line = caret(sql, int(found[1]), int(found[2])) if found else ""
    return f"{message}\n{line}" if line else message
