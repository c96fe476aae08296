"""The verbs of the task type `snowflake`: each translates, the executor waits and repeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from hardpoint.plugin_api import (
    Context,
    CreateRequest,
    JobRef,
    Outputs,
    Phase,
    Prepared,
    ResourceClaim,
    Status,
    TransientError,
    UserError,
)
from hardpoint.plugin_api.handler import Estimate
from hardpoint_snowflake.bindings import binds_of
from hardpoint_snowflake.client import Answer, Call, SnowflakeClient
from hardpoint_snowflake.config import Connection, SnowflakeConfig
from hardpoint_snowflake.explaining import estimate_of, explain_sql
from hardpoint_snowflake.failures import refusal
from hardpoint_snowflake.history import (
    MINE,
    SEARCH,
    monitored_row,
    query_row,
    rows_of,
    search_binds,
    states_sql,
)
from hardpoint_snowflake.placeholders import Placed, place
from hardpoint_snowflake.results import outputs_of
from hardpoint_snowflake.statements import Statement, execute_call, metadata_call
from hardpoint_snowflake.states import PHASES, QueryRow, status_of

MONITORED_MAX = 10
"""Jobs that one poll asks for one by one, if the history does not show them; the others wait for the next."""

IN_PROGRESS = ("333333", "333334")


class SnowflakeHandler:
    """Implements `JobHandler`, `SweepingHandler` and `EstimatingHandler`."""

    def __init__(self) -> None:
        self._client = SnowflakeClient()

    def prepare(self, context: Context, request: CreateRequest) -> Prepared:
        """One slot of the warehouse."""
        connection = _config(request).connection
        pool = f"snowflake:{connection.account}/{connection.warehouse}"
        return Prepared(connection.account_key, (ResourceClaim(pool),))

    def create(self, context: Context, request: CreateRequest) -> JobRef:
        """Adopt the oldest query with the attempt's token in its tag, else submit one."""
        found = self.find(context, request)
        if found is not None:
            return found
        config = _config(request)
        if config.bytes_scanned_max is not None:
            self._refuse_above(context, request, config.bytes_scanned_max)
        statement = _statement(context, request)
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
        rows = self._search(context, request, SEARCH)
        return _job(_config(request), rows[0]["query_id"] or "") if rows else None

    def duplicates(self, context: Context, request: CreateRequest, keep: JobRef) -> Sequence[JobRef]:
        """Other queries with the token and the same SQL that have not ended."""
        config = _config(request)
        return [
            _job(config, row["query_id"] or "")
            for row in self._search(context, request, MINE)
            if row["query_id"] != keep.id and not _ended(row["execution_status"] or "")
        ]

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
        """A table, or the columns of the only row."""
        wanted = request.spec.interface.outputs
        if not wanted:
            return {}
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
        config = _config(request)
        if config.statements > 1:
            return Estimate(text="Snowflake explains one statement at a time, and this is a script")
        statement = _statement(context, request)
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

    def _search(self, context: Context, request: CreateRequest, sql: str) -> list[dict[str, str | None]]:
        config = _config(request)
        text = _placed(request).sql
        call = metadata_call(Statement(sql, search_binds(request.token, text)))
        return rows_of(self._client.call(context, config.connection, call))

    def _result(self, context: Context, connection: Connection, query: str) -> Answer:
        answer = self._client.call(context, connection, Call("GET", f"/queries/{query}/result"))
        if answer.code in IN_PROGRESS:
            raise TransientError(f"The result of query `{query}` is not there yet")
        if not answer.success:
            raise refusal(answer.code or "", answer.message or "")
        return answer


def _config(request: CreateRequest) -> SnowflakeConfig:
    return msgspec.convert(request.spec.config, SnowflakeConfig)


def _connection(job: JobRef) -> Connection:
    return msgspec.convert(job.extra["connection"], Connection)


def _job(config: SnowflakeConfig, query: str) -> JobRef:
    extra = {"connection": msgspec.to_builtins(config.connection), "statements": config.statements}
    return JobRef(query, config.connection.account_key, config.connection.secrets, extra)


def _placed(request: CreateRequest) -> Placed:
    inputs = [each.name for each in request.spec.interface.inputs]
    return place(_config(request).sql.text.strip(), inputs)


def _statement(context: Context, request: CreateRequest) -> Statement:
    placed = _placed(request)
    binds = binds_of(placed.names, request.spec.interface, request.inputs, context.values)
    return Statement(placed.sql, binds)


def _status(job: JobRef, row: QueryRow) -> Status:
    # Positions in a script are counted from the statement that failed, which nobody names.
    return status_of(row if job.extra["statements"] == 1 else msgspec.structs.replace(row, text=""))


def _ended(state: str) -> bool:
    return PHASES.get(state.upper(), Phase.RUNNING).terminal
