"""The stand-in itself: moto's server, with Athena's queries run for real by DuckDB.

Run by the Python of the stand-in's own environment: `python standin_server.py`. Prints its port, and serves
on loopback until its stdin is closed.

What moto lacks and this has: `ClientRequestToken`, states that pass, failures with their place, parameters
that are really substituted, results in pages, unknown ids, stops that leave ended queries alone.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
TYPES = {"HUGEINT": "bigint", "BLOB": "varbinary", "FLOAT": "float", '"NULL"': "varchar"}
PREFIX = "PREPARE asked AS\n"
DURATION = re.compile(r"/\* runs ([0-9.]+) s \*/")
DECIMAL = re.compile(r"DECIMAL '(-?)(\d*)(?:\.(\d+))?'")


@dataclass
class Query:
    """One execution, as asked and as it went."""

    id: str
    token: str
    asked: dict[str, Any]
    submitted: float = field(default_factory=time.time)
    ended: float | None = None
    state: str = "QUEUED"
    reason: str = ""
    columns: list[dict[str, Any]] = field(default_factory=list)
    rows: list[list[str | None]] = field(default_factory=list)

    @property
    def sql(self) -> str:
        """As it was sent."""
        return str(self.asked["QueryString"])

    @property
    def workgroup(self) -> str:
        """By which queries are listed."""
        return str(self.asked.get("WorkGroup") or "primary")

    def view(self, scanned: int) -> dict[str, Any]:
        """`QueryExecution` as the service shows it."""
        status: dict[str, Any] = {"State": self.state, "SubmissionDateTime": self.submitted}
        if self.reason:
            status["StateChangeReason"] = self.reason
        if self.ended is not None:
            status["CompletionDateTime"] = self.ended
        if self.state == "FAILED":
            status["AthenaError"] = {"ErrorCategory": 2, "ErrorType": 1006, "ErrorMessage": self.reason}
        spent = {"DataScannedInBytes": scanned, "EngineExecutionTimeInMillis": 100} if self.ended else {}
        kept = ("ExecutionParameters", "QueryExecutionContext", "ResultConfiguration")
        return {
            "QueryExecutionId": self.id,
            "Query": self.sql,
            "StatementType": "DML",
            "WorkGroup": self.workgroup,
            "Status": status,
            "Statistics": spent,
            **{name: self.asked[name] for name in kept if self.asked.get(name)},
        }


class Engine:
    """Queries and their data."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.reset({})

    def reset(self, settings: dict[str, Any]) -> None:
        """Forget everything; `settings`: hold, scanned, explained."""
        with self.lock:
            self.settings = {"hold": False, "scanned": 1_000_000, "explained": None, **settings}
            self.queries: dict[str, Query] = {}
            self.by_token: dict[str, Query] = {}
            self.data = _duckdb().connect()

    def start(self, asked: dict[str, Any]) -> Query | str:
        """The query of this token; or why not."""
        token = str(asked.pop("ClientRequestToken", uuid.uuid4()))
        with self.lock:
            if known := self.by_token.get(token):
                return known if known.asked == asked else "Idempotent parameters do not match"
            query = Query(str(uuid.uuid4()), token, asked)
            self.queries[query.id] = self.by_token[token] = query
            held = self.settings["hold"] and not query.sql.startswith("EXPLAIN")
        if held:
            query.state = "RUNNING"
        else:
            threading.Thread(target=self.run, args=(query,), daemon=True).start()
        return query

    def run(self, query: Query) -> None:
        """As long as its text says."""
        found = DURATION.search(query.sql)
        query.state = "RUNNING"
        time.sleep(float(found[1]) if found else 0.0)
        self.end(query, "SUCCEEDED")

    def end(self, query: Query, state: str, reason: str = "") -> None:
        """End a query that has not ended; one that succeeds is carried out first."""
        with self.lock:
            if query.state in ENDED:
                return
            if state == "SUCCEEDED":
                try:
                    self.carry_out(query)
                except _duckdb().Error as error:
                    state, reason = "FAILED", _reason_of(str(error), query.sql)
            query.reason, query.ended = reason, time.time()
            query.state = state

    def carry_out(self, query: Query) -> None:
        """Let DuckDB run it, the values as the literals that they came as."""
        cursor = self.data.cursor()
        literals = [DECIMAL.sub(_wide, each) for each in query.asked.get("ExecutionParameters") or []]
        if literals and query.sql.startswith("EXPLAIN"):
            raise _duckdb().ParserException("Parser Error: Parameters are not supported for this statement")
        sql = re.sub(r"^EXPLAIN \(.*\)", "EXPLAIN", query.sql)
        cursor.execute(PREFIX + sql if literals else sql)
        if literals:
            cursor.execute(f"EXECUTE asked({', '.join(literals)})")
        described = [(name, str(kind)) for name, kind, *_ in cursor.description or []]
        rows = cursor.fetchall()
        if query.sql.startswith("EXPLAIN"):
            described, rows = [("Query Plan", "VARCHAR")], self.plan(query.sql, rows)
        query.columns = [_column(name, kind) for name, kind in described]
        query.rows = [[_text(value) for value in row] for row in rows]

    def plan(self, sql: str, rows: list[Any]) -> list[Any]:
        """The rows of an EXPLAIN; sizes are those that a test set."""
        if not sql.startswith("EXPLAIN (TYPE IO"):
            return [(line,) for row in rows for line in str(row[1]).splitlines()]
        size = self.settings["explained"]
        sizes = {"outputSizeInBytes": "NaN" if size is None else size}
        told = json.dumps({"inputTableColumnInfos": [{"estimate": sizes}]}, indent=1)
        return [(line,) for line in told.splitlines()]


def _wide(found: re.Match[str]) -> str:
    """DuckDB takes DECIMAL without digits for one of three places; Athena counts the digits."""
    sign, whole, places = found[1], found[2], found[3] or ""
    plain = f"{sign}{whole}.{places}" if places else f"{sign}{whole}"
    return f"CAST('{plain}' AS DECIMAL({max(1, len(whole) + len(places))}, {len(places)}))"


def _column(name: str, kind: str) -> dict[str, Any]:
    told: dict[str, Any] = {"Name": name, "Type": TYPES.get(kind, kind.lower())}
    if found := re.match(r"DECIMAL\((\d+),\s*(\d+)\)", kind):
        told |= {"Type": "decimal", "Precision": int(found[1]), "Scale": int(found[2])}
    return told


def _text(value: Any) -> str | None:
    """As Athena writes it."""
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case float():
            return repr(value).replace("inf", "Infinity").replace("nan", "NaN")
        case bytes():
            return value.hex(" ")
        case dt.datetime():
            return value.replace(tzinfo=None).isoformat(" ", "microseconds") + (
                " UTC" if value.tzinfo else ""
            )
        case _:
            return str(value)


def _reason_of(message: str, sql: str) -> str:
    """DuckDB's message with the place that Athena would give."""
    kind = message.partition(" Error")[0]
    code = {
        "Parser": "SYNTAX_ERROR",
        "Binder": "COLUMN_NOT_FOUND",
        "Catalog": "TABLE_NOT_FOUND",
        "Conversion": "INVALID_CAST_ARGUMENT",
    }.get(kind, "GENERIC_USER_ERROR")
    words = message.partition("\n")[0].partition(": ")[2]
    found = re.search(r"^(LINE (\d+): )(.*)\n( *)\^", message, re.MULTILINE)
    if not found:
        return f"{code}: {words}"
    shift = 0 if found[3] in sql.splitlines()[int(found[2]) - 1 : int(found[2])] else 1
    return f"{code}: line {int(found[2]) - shift}:{len(found[4]) - len(found[1]) + 1}: {words}"


@cache
def _duckdb() -> Any:
    # Late: whoever reads this module for its documentation has neither moto nor DuckDB.
    return import_module("duckdb")


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


def control(path: str, asked: dict[str, Any]) -> Any:
    """What a test says past the service."""
    match path:
        case "reset":
            _engine().reset(asked)
        case "queries":
            return [
                {"id": each.id, "token": each.token, "state": each.state}
                for each in _engine().queries.values()
            ]
        case "show":
            _engine().queries[asked["id"]].state = asked["state"]
        case "end":
            _engine().end(_engine().queries[asked["id"]], asked["state"], asked.get("reason", ""))
        case "sql":
            return _engine().data.cursor().execute(asked["sql"]).fetchall()
    return {}


def application(moto: Any) -> Any:
    """moto, and beside it the paths under `/standin/`."""

    def serve(environ: Any, start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        if not path.startswith("/standin/"):
            return moto(environ, start_response)
        sent = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        body = json.dumps(
            control(path.removeprefix("/standin/"), json.loads(sent or b"{}")), default=str
        ).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    return serve


VERBS = (
    _start_query_execution,
    _get_query_execution,
    _batch_get_query_execution,
    _list_query_executions,
    _stop_query_execution,
    _get_query_results,
)


def main() -> None:
    """Patch moto, and serve."""
    _engine()
    for verb in VERBS:
        setattr(import_module("moto.athena.responses").AthenaResponse, verb.__name__.removeprefix("_"), verb)
    dispatcher = import_module("moto.moto_server.werkzeug_app")
    moto = dispatcher.DomainDispatcherApplication(dispatcher.create_backend_app)
    server = import_module("werkzeug.serving").make_server("127.0.0.1", 0, application(moto), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    import_module("logging").getLogger("werkzeug").setLevel("ERROR")
    main()
