"""Statements as requests: of a task, submitted to run by itself; and of ours, which are answered at once."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID, uuid4

import msgspec

from hardpoint_snowflake.bindings import Bind
from hardpoint_snowflake.client import Call
from hardpoint_snowflake.config import Setting, SnowflakeConfig

_PATH = "/queries/v1/query-request?requestId="
_METADATA_TIMEOUT_S = 30


class Statement(msgspec.Struct, frozen=True):
    """SQL and what its `?` stand for."""

    sql: str
    binds: dict[str, Bind]


def request_id(token: str) -> UUID:
    """The id under which one attempt's query is submitted: the service answers a repetition in the same way.

    Only in the same session, as Snowflake's page "Executing statements" of the Node.js driver has it, and for
    how long no page tells: nothing relies on it.

    >>> request_id("hp-1") == request_id("hp-1"), request_id("hp-1").version
    (True, 4)
    """
    return UUID(bytes=hashlib.sha256(token.encode()).digest()[:16], version=4)


def execute_call(config: SnowflakeConfig, statement: Statement, token: str) -> Call:
    """Submit the query of an attempt; its tag begins with the token."""
    parameters: dict[str, Setting | None] = {
        **config.parameters,
        "QUERY_TAG": " ".join(filter(None, (token, config.query_tag))),
        "MULTI_STATEMENT_COUNT": config.statements,
        "STATEMENT_TIMEOUT_IN_SECONDS": config.statement_timeout_s,
        "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS": config.queued_timeout_s,
    }
    given = {name: value for name, value in parameters.items() if value is not None}
    return _call(statement, str(request_id(token)), given, detached=True)


def metadata_call(statement: Statement) -> Call:
    """Run a statement about queries, for an answer in JSON."""
    parameters: dict[str, Setting] = {
        "PYTHON_CONNECTOR_QUERY_RESULT_FORMAT": "JSON",
        "STATEMENT_TIMEOUT_IN_SECONDS": _METADATA_TIMEOUT_S,
    }
    return _call(statement, str(uuid4()), parameters, detached=False)


def _call(statement: Statement, id: str, parameters: dict[str, Setting], *, detached: bool) -> Call:
    body: dict[str, Any] = {
        "sqlText": statement.sql,
        "asyncExec": detached,
        "parameters": parameters,
    }
    if statement.binds:
        body["bindings"] = statement.binds
    return Call("POST", f"{_PATH}{id}", body, changes=detached)
