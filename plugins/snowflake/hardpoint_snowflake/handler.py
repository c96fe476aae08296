"""The verbs of the task type `snowflake`: each translates, the executor waits and repeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from hardpoint.plugin_api import (
    Context,
    CreateRequest,
    JobRef,
    Kept,
    Outputs,
    Phase,
    Prepared,
    ResourceClaim,
    Status,
    TransientError,
    UserError,
)
from hardpoint.plugin_api.handler import Estimate
from hardpoint_snowflake.client import Answer, Call, SnowflakeClient
from hardpoint_snowflake.config import Connection, SnowflakeConfig
from hardpoint_snowflake.explaining import estimate_of, explain_sql
from hardpoint_snowflake.failures import refusal
from hardpoint_snowflake.history import (
    SEARCH,
    TEXT_MAX,
    monitored_row,
    query_row,
    rows_of,
    search_binds,
    states_sql,
    tagged_sql,
)
from hardpoint_snowflake.results import outputs_of
from hardpoint_snowflake.statements import Statement, execute_call, metadata_call
from hardpoint_snowflake.states import PHASES, QueryRow, status_of
from hardpoint_snowflake.submission import config_of, query_of, submission, submitted_sql

MONITORED_MAX = 10
"""Jobs that one poll asks for one by one, if the history does not show them; the others wait for the next."""

IN_PROGRESS = ("333333", "333334")


class SnowflakeHandler:
    """Implements `JobHandler`, `SweepingHandler` and `EstimatingHandler`."""

    def __init__(self) -> None:
        self._client = SnowflakeClient()

    def prepare(self, context: Context, request: CreateRequest) -> Prepared:
        """One slot of the warehouse."""
        connection = config_of(request).connection
        pool = f"snowflake:{connection.account}/{connection.warehouse}"
        return Prepared(connection.account_key, (ResourceClaim(pool),))

    def create(self, context: Context, request: CreateRequest) -> JobRef:
        """Submit it, with the token in its tag: by that `find` knows it again."""
        config = config_of(request)
        if config.bytes_scanned_max is not None:
            self._refuse_above(context, request, config.bytes_scanned_max)
        statement = submission(context, request)
        call = execute_call(config, statement, request.token)
        answer = self._client.call(context, config.connection, call)
        # A statement that does not compile is a query too, and failed: a poll tells why.
        if answer.query_id:
            return _job(config, answer.query_id)
        if answer.success:
            raise TransientError(f"{call} was answered without the id of the query")
        raise refusal(answer.code or "", answer.message or "", statement.sql)

    def find(self, context: Context, request: CreateRequest) -> JobRef | None:
        """The oldest query of the token."""
        config = config_of(request)
        call = metadata_call(Statement(SEARCH, search_binds(request.token, submitted_sql(request))))
        rows = rows_of(self._client.call(context, config.connection, call))
        return _job(config, rows[0]["query_id"] or "") if rows else None

    def duplicates(self, context: Context, kept: Sequence[Kept]) -> Sequence[JobRef]:
        """Other queries with these tokens and the same SQL that have not ended."""
        by_token = {each.request.token: each for each in kept}
        call = metadata_call(Statement(*tagged_sql(list(by_token))))
        connection = config_of(kept[0].request).connection
        found = []
        for row in rows_of(self._client.call(context, connection, call)):
            mine = by_token.get(row["token"] or "")
            if mine is None or row["query_id"] == mine.job.id or _ended(row["execution_status"] or ""):
                continue
            # What a script or a procedure has started carries its tag too.
            if (row["query_text"] or "").startswith(submitted_sql(mine.request)[:TEXT_MAX]):
                found.append(_job(config_of(mine.request), row["query_id"] or ""))
        return found

    def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
        """All of them by one statement; what it does not show is asked for by id, a few each time."""
        if not jobs:
            return {}
        connection = _connection(jobs[0])
        call = metadata_call(Statement(*states_sql([job.id for job in jobs])))
        rows = {row.id: row for row in map(query_row, rows_of(self._client.call(context, connection, call)))}
        missing = [job for job in jobs if job.id not in rows]
        for job in missing[:MONITORED_MAX]:
            asked = Call("GET", f"/monitoring/queries/{job.id}")
            rows[job.id] = monitored_row(job.id, self._client.call(context, _connection(job), asked))
        return {job.id: _status(job, rows[job.id]) for job in jobs if job.id in rows}

    def outputs(self, context: Context, request: CreateRequest, job: JobRef) -> Outputs:
        """A table, the columns of the only row, or the name of the destination."""
        wanted = request.spec.interface.outputs
        if not wanted:
            return {}
        destination = config_of(request).destination
        if destination is not None:
            return {each.name: destination.table.name for each in wanted}
        connection = _connection(job)
        answer = self._result(context, connection, job.id)
        several = (answer.data or {}).get("resultIds")
        if several:
            answer = self._result(context, connection, str(several).rpartition(",")[2])
        with self._client.reading(context, connection, answer.data or {}) as reader:
            return outputs_of(wanted, reader, context)

    def cancel(self, context: Context, job: JobRef, reason: str) -> None:
        """Ask for its end; an answer that it does not run is no error."""
        call = Call("POST", f"/queries/{job.id}/abort-request", {}, changes=True)
        self._client.call(context, _connection(job), call)

    def estimate(self, context: Context, request: CreateRequest) -> Estimate:
        """What `EXPLAIN` tells, without running anything."""
        config = config_of(request)
        if config.statements > 1:
            return Estimate(text="Snowflake explains one statement at a time, and this is a script")
        statement = query_of(context, request)
        sql = explain_sql(statement.sql)
        call = metadata_call(Statement(sql, statement.binds))
        answer = self._client.call(context, config.connection, call)
        if not answer.success:
            raise refusal(answer.code or "", answer.message or "", sql)
        return estimate_of(rows_of(answer))

    def _refuse_above(self, context: Context, request: CreateRequest, bytes_max: int) -> None:
        estimate = self.estimate(context, request)
        scanned = estimate.usage.get("bytes_scanned")
        if scanned is None:
            raise UserError(
                f"Nobody knows what the query would scan: {estimate.text}",
                hint="Leave out `bytes_scanned_max`, or make one task of each statement",
            )
        if scanned > bytes_max:
            raise UserError(
                f"The query would scan {scanned:,.0f} bytes, and `bytes_scanned_max` is {bytes_max:,}",
                hint="Narrow the query, or raise `bytes_scanned_max`",
            )

    def _result(self, context: Context, connection: Connection, query: str) -> Answer:
        answer = self._client.call(context, connection, Call("GET", f"/queries/{query}/result"))
        if answer.code in IN_PROGRESS:
            raise TransientError(f"The result of query `{query}` is not there yet")
        if not answer.success:
            raise refusal(answer.code or "", answer.message or "")
        return answer


def _connection(job: JobRef) -> Connection:
    return msgspec.convert(job.extra["connection"], Connection)


def _job(config: SnowflakeConfig, query: str) -> JobRef:
    extra = {"connection": msgspec.to_builtins(config.connection), "statements": config.statements}
    return JobRef(query, config.connection.account_key, config.connection.secrets, extra)


def _status(job: JobRef, row: QueryRow) -> Status:
    # Positions in a script are counted from the statement that failed, which nobody names.
    return status_of(row if job.extra["statements"] == 1 else msgspec.structs.replace(row, text=""))


def _ended(state: str) -> bool:
    return PHASES.get(state.upper(), Phase.RUNNING).terminal
