"""The history of a user's queries: one statement for many of them, and a search by tag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hardpoint.plugin_api import TransientError
from hardpoint_snowflake.bindings import Bind, bind_of
from hardpoint_snowflake.client import Answer
from hardpoint_snowflake.states import QueryRow

# Snowflake's page "QUERY_HISTORY , QUERY_HISTORY_BY_*": of the last 7 days, at most 10,000 rows, before any
# condition. Those that run are among them; of those that have ended, the last ones, our own polls included.
# So a job that ended long before anybody asked is asked for by its id.
_HISTORY = "table(information_schema.query_history_by_user(result_limit => 10000))"
_TOKEN = "split_part(query_tag, ' ', 1)"  # noqa: S105 - SQL
_COLUMNS = (
    "query_id, execution_status, error_code, error_message, "
    "iff(error_code is null, null, left(query_text, 10000)) as query_text, "
    "bytes_scanned, total_elapsed_time, credits_used_cloud_services"
)
_USAGE = {
    "bytes_scanned": "bytes_scanned",
    "total_elapsed_time": "elapsed_ms",
    "credits_used_cloud_services": "credits_cloud_services",
}
SEARCH = (
    f"select query_id, execution_status from {_HISTORY} where startswith(query_tag, ?) "  # noqa: S608
    "order by iff(startswith(query_text, ?), 0, 1), start_time"
)
"""Queries of a token: first those that begin with the SQL that was sent, then what those have started."""

TEXT_MAX = 1000
"""Characters of the SQL that a search compares; the history keeps 100,000 of them, by Snowflake's page
"QUERY_HISTORY view"."""

_IN_PROGRESS = ("333333", "333334")


def states_sql(ids: Sequence[str]) -> tuple[str, dict[str, Bind]]:
    """One statement that tells of all these queries, and its bind variables."""
    marks = ", ".join("?" for _ in ids)
    sql = f"select {_COLUMNS} from {_HISTORY} where query_id in ({marks})"  # noqa: S608
    return sql, {str(position): bind_of(each) for position, each in enumerate(ids, start=1)}


def tagged_sql(tokens: Sequence[str]) -> tuple[str, dict[str, Bind]]:
    """One statement that tells of all queries with these tokens, oldest first, and its bind variables."""
    marks = ", ".join("?" for _ in tokens)
    columns = f"query_id, execution_status, {_TOKEN} as token, left(query_text, {TEXT_MAX}) as query_text"
    sql = f"select {columns} from {_HISTORY} where {_TOKEN} in ({marks}) order by start_time"  # noqa: S608
    return sql, {str(position): bind_of(each) for position, each in enumerate(tokens, start=1)}


def search_binds(token: str, sql: str) -> dict[str, Bind]:
    """The bind variables of `SEARCH`."""
    return {"1": bind_of(token), "2": bind_of(sql[:TEXT_MAX])}


def rows_of(answer: Answer) -> list[dict[str, str | None]]:
    """The rows of a statement that was asked to answer in JSON, by lower-case column.

    Raises:
        TransientError: It failed, has not ended yet, or is not what the service documents.
    """
    if not answer.success or answer.code in _IN_PROGRESS:
        raise TransientError(f"The history could not be read: {answer.code}: {answer.message}")
    try:
        data = answer.data or {}
        names = [str(each["name"]).lower() for each in data["rowtype"]]
        return [dict(zip(names, each, strict=True)) for each in data["rowset"]]
    except (KeyError, TypeError, ValueError) as error:
        raise TransientError(f"The history cannot be read: {error!r}") from None


def query_row(row: Mapping[str, str | None]) -> QueryRow:
    """A row of `states_sql`.

    >>> query_row({"query_id": "q", "execution_status": "SUCCESS", "bytes_scanned": "10"}).usage
    {'bytes_scanned': 10.0}
    """
    usage = {name: float(row[column] or 0) for column, name in _USAGE.items() if row.get(column) is not None}
    return QueryRow(
        row["query_id"] or "",
        row["execution_status"] or "RUNNING",
        row.get("error_code") or "",
        row.get("error_message") or "",
        row.get("query_text") or "",
        usage,
    )


def monitored_row(id: str, answer: Answer) -> QueryRow:
    """What `GET /monitoring/queries/ID` tells; an unknown query is `NO_DATA`.

    Raises:
        TransientError: The answer is not what the service documents.
    """
    queries: Any = (answer.data or {}).get("queries")
    if not answer.success or not isinstance(queries, list):
        raise TransientError(f"The state of query `{id}` cannot be read: {answer.code}: {answer.message}")
    if not queries:
        return QueryRow(id, "NO_DATA")
    found = queries[0]
    return QueryRow(
        id,
        str(found.get("status") or "NO_DATA"),
        str(found.get("errorCode") or ""),
        str(found.get("errorMessage") or ""),
        str(found.get("sqlText") or ""),
    )
