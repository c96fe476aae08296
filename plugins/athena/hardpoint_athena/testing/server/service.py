"""Athena's calls, in place of moto's, and beside them the paths by which a test steers the stand-in."""

from __future__ import annotations

import json
from functools import cache
from importlib import import_module
from typing import Any

from .engine import Engine


@cache
def _engine() -> Engine:
    return Engine()


def _asked_of(response: Any) -> dict[str, Any]:
    return dict(json.loads(response.body))


def _start_query_execution(self: Any) -> Any:
    asked = _asked_of(self)
    group = asked.get("WorkGroup")
    if group and not self.athena_backend.get_work_group(group):
        return self.error(f"WorkGroup {group} is not found.", 400)
    started = _engine().start(asked)
    return (
        self.error(started, 400) if isinstance(started, str) else json.dumps({"QueryExecutionId": started.id})
    )


def _get_query_execution(self: Any) -> Any:
    query = _engine().queries.get(_asked_of(self)["QueryExecutionId"])
    if query is None:
        return self.error("QueryExecution was not found", 400)
    return json.dumps({"QueryExecution": query.view(_engine().settings["scanned"])})


def _batch_get_query_execution(self: Any) -> Any:
    ids = _asked_of(self)["QueryExecutionIds"]
    if len(ids) > 50:
        return self.error("Too many ids: at most 50", 400)
    unknown = [
        {"QueryExecutionId": each, "ErrorCode": "INVALID_INPUT", "ErrorMessage": f"{each} was not found"}
        for each in ids
        if each not in _engine().queries
    ]
    known = [
        _engine().queries[each].view(_engine().settings["scanned"])
        for each in ids
        if each in _engine().queries
    ]
    return json.dumps({"QueryExecutions": known, "UnprocessedQueryExecutionIds": unknown})


def _list_query_executions(self: Any) -> Any:
    asked = _asked_of(self)
    group, size = asked.get("WorkGroup", "primary"), int(asked.get("MaxResults", 50))
    ids = [each.id for each in reversed(list(_engine().queries.values())) if each.workgroup == group]
    return json.dumps(_paged("QueryExecutionIds", ids, int(asked.get("NextToken", 0)), size))


def _stop_query_execution(self: Any) -> Any:
    query = _engine().queries.get(_asked_of(self)["QueryExecutionId"])
    if query is None:
        return self.error("QueryExecution was not found", 400)
    _engine().end(query, "CANCELLED", "Query cancelled by user")
    return "{}"


def _get_query_results(self: Any) -> Any:
    asked = _asked_of(self)
    query = _engine().queries.get(asked["QueryExecutionId"])
    if query is None or query.state != "SUCCEEDED":
        return self.error("Query did not finish successfully. Final query state: RUNNING", 400)
    rows = [[each["Name"] for each in query.columns], *query.rows]
    told = [{"Data": [{"VarCharValue": cell} if cell is not None else {} for cell in row]} for row in rows]
    page = _paged("Rows", told, int(asked.get("NextToken", 0)), int(asked.get("MaxResults", 1000)))
    after = {"NextToken": page.pop("NextToken")} if "NextToken" in page else {}
    return json.dumps({"ResultSet": {**page, "ResultSetMetadata": {"ColumnInfo": query.columns}}, **after})


def _paged(name: str, everything: list[Any], start: int, size: int) -> dict[str, Any]:
    end = start + size
    return {name: everything[start:end], **({"NextToken": str(end)} if end < len(everything) else {})}


def _control(path: str, asked: dict[str, Any]) -> Any:
    """What a test says past the service."""
    engine = _engine()
    match path:
        case "reset":
            engine.reset(asked)
        case "queries":
            return [each.told() for each in engine.queries.values()]
        case "show":
            engine.queries[asked["id"]].state = asked["state"]
        case "end":
            engine.end(engine.queries[asked["id"]], asked["state"], asked.get("reason", ""))
        case "sql":
            return engine.cursor().execute(asked["sql"]).fetchall()
    return {}


VERBS = (
    _start_query_execution,
    _get_query_execution,
    _batch_get_query_execution,
    _list_query_executions,
    _stop_query_execution,
    _get_query_results,
)


def application() -> Any:
    """moto with these calls, and beside it the paths under `/standin/`."""
    _engine()
    for verb in VERBS:
        setattr(import_module("moto.athena.responses").AthenaResponse, verb.__name__.removeprefix("_"), verb)
    dispatcher = import_module("moto.moto_server.werkzeug_app")
    moto = dispatcher.DomainDispatcherApplication(dispatcher.create_backend_app)

    def serve(environ: Any, start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        if not path.startswith("/standin/"):
            return moto(environ, start_response)
        sent = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        answer = _control(path.removeprefix("/standin/"), json.loads(sent or b"{}"))
        body = json.dumps(answer, default=str).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    return serve
