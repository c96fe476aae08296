"""From the service's word on a query to a status: pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hardpoint.plugin_api import ErrorInfo, ErrorKind, Phase, Status
from hardpoint.plugin_api.sql_text import caret

PHASES = {
    "QUEUED": Phase.QUEUED,
    "RUNNING": Phase.RUNNING,
    "SUCCEEDED": Phase.SUCCEEDED,
    "FAILED": Phase.FAILED,
    "CANCELLED": Phase.CANCELLED,
}
QUERY_CODES = frozenset(
    {
        "SYNTAX_ERROR",
        "PARSE_ERROR",
        "TYPE_MISMATCH",
        "TABLE_NOT_FOUND",
        "COLUMN_NOT_FOUND",
        "SCHEMA_NOT_FOUND",
        "TABLE_ALREADY_EXISTS",
        "HIVE_PATH_ALREADY_EXISTS",
        "INVALID_TABLE_PROPERTY",
        "CATALOG_NOT_FOUND",
        "FUNCTION_NOT_FOUND",
        "INVALID_FUNCTION_ARGUMENT",
        "INVALID_PARAMETER_USAGE",
        "AMBIGUOUS_NAME",
        "NOT_SUPPORTED",
        "PERMISSION_DENIED",
    }
)
"""What is wrong with a query in itself: tried once, whatever retries its author allows."""

_CODE = re.compile(r"^(?:FAILED: |Queries? failed: )?([A-Z][A-Z_]{3,}): ")
_PLACE = re.compile(r"\bline (\d+):(\d+)\b")
_THROTTLE = re.compile(r"slow ?down|throttl|rate exceeded|too ?many ?requests|reduce your request rate", re.I)
_EXHAUSTED = re.compile(r"resources exhausted|insufficient resources|exhausted resources", re.I)

SYSTEM_CATEGORY, USER_CATEGORY = 1, 2
"""`AthenaError.ErrorCategory`: the service's fault, and the author's. 3 is neither."""


def status_of(execution: Mapping[str, Any], region: str = "") -> Status:
    """The status of a query.

    Args:
        execution: `QueryExecution`, as the service documents it.
        region: For the link to the console.

    >>> status_of({"QueryExecutionId": "q", "Status": {"State": "QUEUED"}}).phase
    <Phase.QUEUED: 'QUEUED'>
    >>> status_of({"Status": {"State": "PAUSED"}}).reason
    'PAUSED, a state this plugin does not know'
    """
    told: Mapping[str, Any] = execution.get("Status") or {}
    state, reason = str(told.get("State", "")), str(told.get("StateChangeReason") or "")
    phase = PHASES.get(state)
    if phase is None:
        return Status(Phase.RUNNING, f"{state}, a state this plugin does not know")
    return Status(
        phase,
        reason,
        error=_error(execution, told, reason) if phase is Phase.FAILED else None,
        links=_links(str(execution.get("QueryExecutionId", "")), region),
        usage=usage_of(execution.get("Statistics") or {}) if phase.terminal else {},
    )


def usage_of(statistics: Mapping[str, Any]) -> dict[str, float]:
    """What a query used.

    >>> usage_of({"DataScannedInBytes": 10_000_000, "EngineExecutionTimeInMillis": 250})
    {'bytes_scanned': 10000000.0, 'engine_s': 0.25}
    """
    usage = {}
    if (scanned := statistics.get("DataScannedInBytes")) is not None:
        usage["bytes_scanned"] = float(scanned)
    if (engine := statistics.get("EngineExecutionTimeInMillis")) is not None:
        usage["engine_s"] = float(engine) / 1000
    return usage


def _error(execution: Mapping[str, Any], told: Mapping[str, Any], reason: str) -> ErrorInfo:
    detail: Mapping[str, Any] = told.get("AthenaError") or {}
    words = reason or str(detail.get("ErrorMessage") or "Athena gave no reason")
    found = _CODE.match(words)
    code = found[1] if found else "QueryFailed"
    kind = _kind(code, words, detail)
    shown = _shown(str(execution.get("Query", "")), words)
    message = f"Query `{execution.get('QueryExecutionId', '?')}` failed: {words}"
    return ErrorInfo(
        code,
        f"{message}\n{shown}" if shown else message,
        kind,
        hint=_hint(code, words, kind),
        bases=("QueryFailed",) if found else (),
    )


def _kind(code: str, words: str, detail: Mapping[str, Any]) -> ErrorKind:
    if code in QUERY_CODES or _PLACE.search(words):
        return ErrorKind.SYSTEM
    # Not `THROTTLED`, which is tried without end: each try may scan, and cost, again.
    if _THROTTLE.search(words) or _EXHAUSTED.search(words) or detail.get("Retryable"):
        return ErrorKind.TRANSIENT
    if detail.get("ErrorCategory") == SYSTEM_CATEGORY or code.startswith("GENERIC_INTERNAL"):
        return ErrorKind.TRANSIENT
    return ErrorKind.USER


def _shown(sql: str, words: str) -> str:
    place = _PLACE.search(words)
    return caret(sql, int(place[1]), int(place[2])) if place and sql else ""


def _hint(code: str, words: str, kind: ErrorKind) -> str:
    match kind:
        case ErrorKind.SYSTEM if code == "PERMISSION_DENIED":
            return "Ask for the right, in Lake Formation or IAM"
        case ErrorKind.SYSTEM if code == "TABLE_ALREADY_EXISTS":
            return 'Drop it, or say `write="append"` or `write="replace"`'
        case ErrorKind.SYSTEM if code == "HIVE_PATH_ALREADY_EXISTS":
            return (
                "Empty its folder in S3: a table that was dropped, or a query that failed, left files there"
            )
        case ErrorKind.SYSTEM:
            return "Correct the query: it is not tried again as it is"
        case ErrorKind.TRANSIENT if _THROTTLE.search(words):
            return "S3 or Glue asked for fewer requests: fewer slots in `hardpoint.toml`, or larger files"
        case ErrorKind.TRANSIENT if _EXHAUSTED.search(words):
            return "Scan less at once, such as a partition, or use provisioned capacity"
        case _ if "Bytes scanned limit" in words:
            return "The workgroup limits what a query may scan: select fewer columns or partitions"
        case _:
            return ""


def _links(query: str, region: str) -> dict[str, str]:
    if not (query and region):
        return {}
    return {
        "Athena": f"https://{region}.console.aws.amazon.com/athena/home?region={region}"
        f"#/query-editor/history/{query}"
    }
