"""Statements carried out by fakesnow, one after the other, in a session of their own."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import uuid
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from starlette.requests import Request

from .jobs import CANCELLED, ENDED, Job, Reply, failed, waits

Binds = Mapping[str, Mapping[str, str]]

_PLACE = re.compile(r"Line (\d+), Col: (\d+)")
_UNKNOWN_COLUMN = re.compile(r'Referenced column "(\w+)" (?:was )?not found')
_TAKEN_NAME = re.compile(r'"(\w+)" already exists')
_COUNT = "Actual statement count {} did not match the desired statement count {}."


class Engine:
    """fakesnow's server, called without HTTP."""

    def __init__(self) -> None:
        self.server: Any = import_module("fakesnow.server")
        self._sqlglot: Any = import_module("sqlglot")
        # It tells of every statement that fails, which here is what it is for.
        logging.getLogger("fakesnow.server").setLevel(logging.CRITICAL)

    def branch(self, token: str) -> str:
        """A session like that of `token`, for one query: what runs in it does not hold up the other."""
        of = self.server.sessions[token]
        name = f"job-{uuid.uuid4().hex}"
        self.server.sessions[name] = self.server.shared_fs.connect(of.database, of.schema)
        return name

    def leave(self, session: str) -> None:
        """Close a session that `branch` made."""
        self.server.sessions.pop(session).close()

    async def run(self, job: Job, body: Mapping[str, Any]) -> None:
        """Run a query to its end, whatever that is."""
        binds: Binds = body.get("bindings") or {}
        parts = self._parts(job.sql)
        if len(parts) != job.statements:
            job.fail("000008", "0A000", _COUNT.format(len(parts), job.statements))
            return
        reply: Reply = {}
        for part in parts:
            sql, wait_s = waits(part)
            if wait_s:
                await _released(job, wait_s)
            if job.status in ENDED:
                return
            count = len(binds) if len(parts) == 1 else self._marks(part)
            mine, binds = _split(binds, count)
            reply = await self.ask(job.session, sql, mine)
            if not reply["success"]:
                job.fail(reply["code"], reply["data"]["sqlState"], reply["message"])
                return
        job.succeed(reply)

    async def ask(self, session: str, sql: str, binds: Binds, *, describe: bool = False) -> Reply:
        """One statement, as fakesnow answers it."""
        body = {"sqlText": sql, "bindings": binds or None, "describeOnly": describe}
        response = await self.server.query_request(request_of(session, body))
        reply: Reply = json.loads(response.body)
        if reply["data"] is None:  # something that fakesnow does not know
            return failed("000002", "0A000", f"Unsupported feature: {reply['message'][:200]}")
        if not reply["success"]:
            reply["code"], reply["message"] = _as_told(reply["code"], reply["message"], sql)
        return reply

    def interrupt(self, job: Job) -> None:
        """Cancel it, in DuckDB too."""
        if job.status in ENDED:
            return
        job.fail(*CANCELLED, status="ABORTED")
        self.server.sessions[job.session]._duck_conn.interrupt()

    def _parts(self, sql: str) -> list[str]:
        try:
            found = [each for each in self._sqlglot.parse(sql, dialect="snowflake") if each is not None]
        except Exception:  # fakesnow says it in the service's words
            return [sql]
        return [sql] if len(found) == 1 else [each.sql(dialect="snowflake") for each in found]

    def _marks(self, sql: str) -> int:
        [found] = self._sqlglot.parse(sql, dialect="snowflake")
        return sum(1 for _ in found.find_all(self._sqlglot.exp.Placeholder))


def request_of(session: str, body: Mapping[str, Any]) -> Request:
    """A request on behalf of a session."""
    raw = json.dumps(body).encode()
    headers = [(b"authorization", f'Snowflake Token="{session}"'.encode())]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": raw, "more_body": False}

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": headers}
    return Request(scope, receive)


async def _released(job: Job, wait_s: float) -> None:
    try:
        await asyncio.wait_for(job.released.wait(), wait_s)
    except TimeoutError:
        return


def _split(binds: Binds, count: int) -> tuple[Binds, Binds]:
    """The first `count` bind variables, and the others numbered anew."""
    values = [binds[str(position)] for position in range(1, len(binds) + 1)]
    return _numbered(values[:count]), _numbered(values[count:])


def _numbered(values: list[Mapping[str, str]]) -> Binds:
    return {str(position): value for position, value in enumerate(values, start=1)}


def _as_told(code: str, message: str, sql: str) -> tuple[str, str]:
    """Code and message as the service has them; a position has lines from 1 and characters from 0."""
    said = re.sub(r"^\d{6} \(\w+\): ", "", message)
    if found := _PLACE.search(said):
        line, last = int(found[1]), int(found[2])
        syntax = f"syntax error line {line} at position {last} unexpected '{sql[:20]}'."
        return code, f"SQL compilation error:\n{syntax}"
    if found := _UNKNOWN_COLUMN.search(said):
        at = sql.upper().find(found[1])
        line = sql.count("\n", 0, at) + 1
        start = at - (sql.rfind("\n", 0, at) + 1)
        column = f"error line {line} at position {start}\ninvalid identifier '{found[1]}'"
        return "000904", f"SQL compilation error: {column}"
    if found := _TAKEN_NAME.search(said):
        return "002002", f"SQL compilation error:\nObject '{found[1]}' already exists."
    return code, said
