"""Queries as they were asked and as they went, carried out by DuckDB."""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
import time
import uuid
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

from .dialect import RefusedError, Translated, translate

ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
TYPES = {"HUGEINT": "bigint", "BLOB": "varbinary", "FLOAT": "float", '"NULL"': "varchar"}
DURATION = re.compile(r"/\* runs ([0-9.]+) s \*/")
BEFORE = re.compile(r"(EXPLAIN|DROP)\b")
"""What a plugin runs before its query."""
DATABASE = "default"
DEFAULTS = {"hold": False, "scanned": 1_000_000, "explained": None}
MACROS = (
    f'CREATE SCHEMA "{DATABASE}"',
    "CREATE MACRO main.json_parse(words) AS CAST(words AS JSON)",
    "CREATE MACRO main.json_extract_scalar(value, path) AS json_extract_string(value, path)",
)
CODES = {
    "Parser": "SYNTAX_ERROR",
    "Binder": "COLUMN_NOT_FOUND",
    "Catalog": "TABLE_NOT_FOUND",
    "Conversion": "INVALID_CAST_ARGUMENT",
}


@dataclass
class Query:
    """One execution."""

    id: str
    token: str
    asked: dict[str, Any]
    submitted: float = field(default_factory=time.time)
    ended: float | None = None
    state: str = "QUEUED"
    reason: str = ""
    properties: dict[str, Any] = field(default_factory=dict)
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

    def told(self) -> dict[str, Any]:
        """For tests."""
        names = ("id", "token", "state", "submitted", "ended", "sql", "properties")
        return {each: getattr(self, each) for each in names}

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
        """Forget everything; `settings`: hold, scanned, explained, failing."""
        with self.lock:
            self.settings = {**DEFAULTS, "failing": [], **settings}
            self.queries: dict[str, Query] = {}
            self.by_token: dict[str, Query] = {}
            self.locations: set[str] = set()
            self.data = _duckdb().connect()
            for each in MACROS:
                self.data.execute(each)

    def cursor(self, database: str = DATABASE) -> Any:
        """Where names without a database are of that one."""
        cursor = self.data.cursor()
        cursor.execute("SET search_path = '" + f'"{database}",main'.replace("'", "''") + "'")
        return cursor

    def start(self, asked: dict[str, Any]) -> Query | str:
        """The query of this token; or why not."""
        token = str(asked.pop("ClientRequestToken", uuid.uuid4()))
        with self.lock:
            if known := self.by_token.get(token):
                return known if known.asked == asked else "Idempotent parameters do not match"
            if any(len(each) > 1024 for each in asked.get("ExecutionParameters", [])):
                return "Member must have length less than or equal to 1024"
            query = Query(str(uuid.uuid4()), token, asked)
            self.queries[query.id] = self.by_token[token] = query
            held = self.settings["hold"] and not BEFORE.match(query.sql)
        if held:
            query.state = "RUNNING"
        else:
            threading.Thread(target=self.run, args=(query,), daemon=True).start()
        return query

    def run(self, query: Query) -> None:
        """As long as its text says."""
        found = DURATION.search(query.sql)
        query.state = "RUNNING"
        if query.sql.startswith("DROP") and self.settings["failing"]:
            self.end(query, "FAILED", self.settings["failing"].pop(0))
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
                except RefusedError as error:
                    state, reason = "FAILED", _told(query.sql, error)
            query.reason, query.ended = reason, time.time()
            query.state = state

    def carry_out(self, query: Query) -> None:
        """Let DuckDB run it, with the values as the literals that they came as."""
        statement = translate(query.sql, list(query.asked.get("ExecutionParameters") or []))
        context = query.asked.get("QueryExecutionContext") or {}
        cursor = self.cursor(context.get("Database") or DATABASE)
        cursor.execute("SET errors_as_json = true")
        try:
            self.furnish(query, statement, cursor)
            cursor.execute(statement.text)
        except _duckdb().Error as error:
            raise _refused(str(error), statement) from None
        described = [(name, str(kind)) for name, kind, *_ in cursor.description or []]
        rows = cursor.fetchall()
        if statement.explained is not None:
            described, rows = [("Query Plan", "VARCHAR")], self.plan(statement.explained, rows)
        if statement.gives_rows:
            query.columns = [_column(name, kind) for name, kind in described]
            query.rows = [[_text(value) for value in row] for row in rows]

    def furnish(self, query: Query, statement: Translated, cursor: Any) -> None:
        """The properties of a table; where one has put its files, they stay."""
        if not statement.properties:
            return
        packed = cursor.execute(f"SELECT struct_pack({statement.properties})").fetchone()
        query.properties = dict(packed[0])
        where = query.properties.get("external_location")
        if where in self.locations:
            words = f"Target directory for table already exists: {where}"
            raise RefusedError("HIVE_PATH_ALREADY_EXISTS", words)
        if where:
            self.locations.add(where)

    def plan(self, how: str, rows: list[Any]) -> list[Any]:
        """The rows of an EXPLAIN; sizes are those that a test set."""
        if not how.startswith("TYPE IO"):
            return [(line,) for row in rows for line in str(row[1]).splitlines()]
        size = self.settings["explained"]
        sizes = {"outputSizeInBytes": "NaN" if size is None else size}
        told = json.dumps({"inputTableColumnInfos": [{"estimate": sizes}]}, indent=1)
        return [(line,) for line in told.splitlines()]


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


def _refused(message: str, statement: Translated) -> RefusedError:
    """DuckDB's error as Athena's, at its place in what was sent."""
    kind, _, detail = message.partition(" Error: ")
    told: dict[str, Any] = json.loads(detail) if detail.startswith("{") else {"exception_message": detail}
    code = CODES.get(kind, "GENERIC_USER_ERROR")
    if told.get("error_subtype") == "ENTRY_ALREADY_EXISTS":
        code = "TABLE_ALREADY_EXISTS"
    elif told.get("type") == "Schema":
        code = "SCHEMA_NOT_FOUND"
    place = told.get("position")
    words = str(told["exception_message"]).partition("\n")[0]
    return RefusedError(code, words, None if place is None else statement.source(int(place)))


def _told(sql: str, error: RefusedError) -> str:
    if error.offset is None:
        return f"{error.code}: {error.words}"
    before = sql[: error.offset]
    line, column = before.count("\n") + 1, error.offset - (before.rfind("\n") + 1) + 1
    return f"{error.code}: line {line}:{column}: {error.words}"


@cache
def _duckdb() -> Any:
    # Late: whoever reads this module for its documentation has neither moto nor DuckDB.
    return import_module("duckdb")
