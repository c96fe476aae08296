"""Runs tasks of type `athena`: one query for each attempt."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from hardpoint.plugin_api import (
    Context,
    CreateRequest,
    Estimate,
    JobRef,
    Outputs,
    PermanentSystemError,
    Phase,
    Prepared,
    ResourceClaim,
    Status,
    TransientError,
    UserError,
)
from hardpoint_athena.ceiling import Explainer
from hardpoint_athena.client import AthenaClient
from hardpoint_athena.config import AthenaConfig, Connection
from hardpoint_athena.destination import drop_of
from hardpoint_athena.preliminary import Preliminaries
from hardpoint_athena.results import Page, check_outputs, outputs_of
from hardpoint_athena.states import status_of
from hardpoint_athena.submission import marker_of, query_of, submission_of

BATCH_MAX = 50
PAGE_ROWS = 1000
SEARCHED = dt.timedelta(days=1)
"""How far back a query is looked for whose start was never answered."""


class AthenaHandler:
    """Every verb is calls of the service, and what they mean."""

    def __init__(self) -> None:
        self._client = AthenaClient()

    def prepare(self, context: Context, request: CreateRequest) -> Prepared:
        """A slot of the account in its region, which all workgroups share, and one of the workgroup."""
        config = config_of(request)
        pool = f"athena:{config.connection.account}"
        claims = (ResourceClaim(pool), ResourceClaim(f"{pool}/{config.workgroup}"))
        return Prepared(config.connection.account, claims)

    def create(self, context: Context, request: CreateRequest) -> JobRef:
        """Start the query; the service answers a repeated token with the first one.

        Before one that replaces a table, the old one is dropped, by a query whose token follows from this
        one's: after a crash it is the same query, and drops nothing of what has been made since.
        """
        config = config_of(request)
        check_outputs(request.spec.interface)
        query = query_of(config, request, context)
        wanted = submission_of(config, query, request.token)
        before = Preliminaries(self._client, context, config, query, request.token)
        if config.bytes_max is not None:
            _explainer(before, config, query).check_ceiling(config.bytes_max)
        if config.destination is not None and config.destination.write == "replace":
            before.carry_out(drop_of(config.destination))
        answer = self._client.call(
            context,
            config.connection,
            "write",
            "start_query_execution",
            "QueryExecutionId",
            ClientRequestToken=request.token,
            **wanted,
        )
        return _reference(config, str(answer["QueryExecutionId"]))

    def find(self, context: Context, request: CreateRequest) -> JobRef | None:
        """The oldest query of the workgroup that carries this token's mark."""
        config = config_of(request)
        mark = marker_of(request.token)
        found: Mapping[str, Any] | None = None
        after: dict[str, str] = {}
        if config.reuse_minutes is not None:
            context.logger.warning("A query that may reuse a result carries no mark, and is not looked for")
            return None
        oldest = dt.datetime.fromtimestamp(context.clock.now(), dt.UTC) - SEARCHED
        while True:
            page = self._client.call(
                context,
                config.connection,
                "read",
                "list_query_executions",
                "QueryExecutionIds",
                WorkGroup=config.workgroup,
                MaxResults=BATCH_MAX,
                **after,
            )
            ids = page["QueryExecutionIds"]
            seen = self._executions(context, config.connection, ids)["QueryExecutions"] if ids else []
            marked = [each for each in seen if str(each.get("Query", "")).endswith(mark)]
            found = min(marked, key=_submitted, default=found)
            if found or not page.get("NextToken") or (seen and max(map(_submitted, seen)) < oldest):
                return _reference(config, found["QueryExecutionId"]) if found else None
            after = {"NextToken": page["NextToken"]}

    def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
        """Statuses, fifty to a call."""
        statuses: dict[str, Status] = {}
        for start in range(0, len(jobs), BATCH_MAX):
            some = jobs[start : start + BATCH_MAX]
            connection = connection_of(some[0])
            answer = self._executions(context, connection, [job.id for job in some])
            asked = {job.id for job in some}
            for each in answer["QueryExecutions"]:
                if (query := each.get("QueryExecutionId")) in asked:
                    statuses[query] = status_of(each, connection.region)
            for each in answer.get("UnprocessedQueryExecutionIds") or []:
                if "not found" in str(each.get("ErrorMessage", "")):
                    statuses[each["QueryExecutionId"]] = Status(Phase.ABSENT, each["ErrorMessage"])
        return statuses

    def outputs(self, context: Context, request: CreateRequest, job: JobRef) -> Outputs:
        """The result, page by page; nothing is read if nothing is declared, or if it is in a table."""
        destination = config_of(request).destination
        if destination is not None:
            return {each.name: destination.table.name for each in request.spec.interface.outputs}
        return outputs_of(context, request.spec.interface, self._pages(context, job))

    def cancel(self, context: Context, job: JobRef, reason: str) -> None:
        """Stop the query; one that ended or is unknown is left alone."""
        connection = connection_of(job)
        try:
            self._client.call(context, connection, "write", "stop_query_execution", QueryExecutionId=job.id)
        except UserError as error:
            context.logger.debug("Athena does not stop `%s`: %s", job.id, error.message)

    def estimate(self, context: Context, request: CreateRequest) -> Estimate:
        """What the query would scan, and its plan, by EXPLAIN: that is a query too, and scans nothing."""
        config = config_of(request)
        query = query_of(config, request, context)
        before = Preliminaries(self._client, context, config, query, request.token)
        return _explainer(before, config, query).estimate()

    def _executions(self, context: Context, connection: Connection, ids: Sequence[str]) -> Mapping[str, Any]:
        answer = self._client.call(
            context,
            connection,
            "read",
            "batch_get_query_execution",
            "QueryExecutions",
            QueryExecutionIds=list(ids),
        )
        if not isinstance(answer["QueryExecutions"], list):
            raise TransientError("The answer to `batch_get_query_execution` has no list of queries")
        return answer

    def _pages(self, context: Context, job: JobRef) -> Iterator[Page]:
        connection = connection_of(job)
        after: dict[str, str] = {}
        while True:
            page = self._client.call(
                context,
                connection,
                "read",
                "get_query_results",
                "ResultSet",
                QueryExecutionId=job.id,
                MaxResults=PAGE_ROWS,
                **after,
            )
            yield page
            if not page.get("NextToken"):
                return
            after = {"NextToken": page["NextToken"]}


def config_of(request: CreateRequest) -> AthenaConfig:
    """The typed config of an attempt."""
    try:
        return msgspec.convert(request.spec.config, AthenaConfig)
    except msgspec.ValidationError as error:
        raise PermanentSystemError(
            f"The config of `{request.spec.name}` is not one of this version of hardpoint-athena: {error}",
            hint="Compile the workflow again",
        ) from None


def connection_of(job: JobRef) -> Connection:
    """How the service of a query is reached."""
    return msgspec.convert(job.extra.get("connection", {}), Connection)


def _explainer(before: Preliminaries, config: AthenaConfig, query: Mapping[str, Any]) -> Explainer:
    return Explainer(before, config, with_values="ExecutionParameters" in query)


def _reference(config: AthenaConfig, query: str) -> JobRef:
    connection = config.connection
    extra = {"connection": msgspec.to_builtins(connection)} if connection != Connection() else {}
    return JobRef(query, connection.account, connection.secrets, extra)


def _submitted(execution: Mapping[str, Any]) -> dt.datetime:
    moment = execution.get("Status", {}).get("SubmissionDateTime")
    return moment if isinstance(moment, dt.datetime) else dt.datetime.max.replace(tzinfo=dt.UTC)
