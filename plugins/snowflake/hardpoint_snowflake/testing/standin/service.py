"""The protocol: signing in, submitting, asking, cancelling, and what the tests tell the stand-in."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import secrets
import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .jobs import History, Job, Reply, failed, waits
from .running import Engine, request_of

IN_PROGRESS = ("333334", "Query execution in progress.")
TIMED_OUT = "Statement reached its statement or warehouse timeout of {} second(s) and was canceled."
_EXPLAIN = re.compile(r"explain\s+using\s+json\s+(.*)", re.IGNORECASE | re.DOTALL)


class Service:
    """One account.

    Attributes:
        public_keys: PEM by user.
        oauth_tokens: Those that are accepted, for any user.
        remembers: Whether a request id that is repeated in its session is answered with the first query.
        bytes_explained: What EXPLAIN says that a statement would scan.
    """

    def __init__(self) -> None:
        self.engine = Engine()
        self.history = History()
        self.by_request: dict[tuple[str, str], Job] = {}
        self.users: dict[str, str] = {}
        self.public_keys: dict[str, str] = {}
        self.oauth_tokens: set[str] = set()
        self.remembers = True
        self.bytes_explained = 4096
        self.tasks: set[asyncio.Task[None]] = set()

    async def login(self, request: Request) -> Response:
        """A session for a key or token that is known."""
        body = await _json(request)
        data = body["data"]
        user = data["LOGIN_NAME"].upper()
        refusal = self._refusal(user, data)
        if refusal:
            return JSONResponse({"data": {}, "code": refusal[0], "message": refusal[1], "success": False})
        answer = json.loads((await self.engine.server.login_request(_again(request, body))).body)
        token = answer["data"]["token"]
        self.users[token] = user
        answer["data"] |= {
            "masterToken": f"m{token}",
            "validityInSeconds": 3600,
            "masterValidityInSeconds": 14400,
        }
        answer["data"] |= {"sessionId": secrets.randbelow(2**31), "displayUserName": user}
        return JSONResponse(answer)

    def _refusal(self, user: str, data: Mapping[str, Any]) -> tuple[str, str] | None:
        if data.get("AUTHENTICATOR") == "OAUTH":
            return (
                None if data.get("TOKEN") in self.oauth_tokens else ("390318", "OAuth access token expired.")
            )
        jwt = import_module("jwt")
        try:
            jwt.decode(data.get("TOKEN"), self.public_keys[user], ["RS256"], {"verify_aud": False})
        except (KeyError, jwt.PyJWTError):
            return "390144", "JWT token is invalid."
        return None

    async def query(self, request: Request) -> Response:
        """Submit a query, or answer a statement at once."""
        token = self.engine.server.to_token(request)
        if token not in self.users:
            return JSONResponse(_over())
        body = await _json(request)
        if not body.get("asyncExec"):
            return JSONResponse(await self._at_once(token, body))
        key = (token, request.query_params["requestId"])
        job = self.by_request.get(key) if self.remembers else None
        if job is None:
            job = self.by_request[key] = self._submit(token, body)
        code, message = IN_PROGRESS
        data = {"queryId": job.id, "getResultUrl": f"/queries/{job.id}/result"}
        return JSONResponse({"data": data, "code": code, "message": message, "success": True})

    def _submit(self, token: str, body: Mapping[str, Any]) -> Job:
        parameters = body.get("parameters") or {}
        job = Job(body["sqlText"], parameters.get("QUERY_TAG", ""), self.users[token])
        job.session = self.engine.branch(token)
        job.statements = int(parameters.get("MULTI_STATEMENT_COUNT", 1))
        self.history.jobs[job.id] = job
        task = asyncio.create_task(self._run(job, body))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return job

    async def _run(self, job: Job, body: Mapping[str, Any]) -> None:
        limit_s = (body.get("parameters") or {}).get("STATEMENT_TIMEOUT_IN_SECONDS")
        try:
            async with asyncio.timeout(limit_s):
                await self.engine.run(job, body)
        except TimeoutError:
            job.fail("000630", "57014", TIMED_OUT.format(limit_s))
        except Exception as error:  # or nobody would ever hear of it
            job.fail("000603", "XX000", f"SQL execution internal error: {error!r}", "FAILED_WITH_INCIDENT")
        finally:
            self.engine.leave(job.session)

    async def _at_once(self, token: str, body: Mapping[str, Any]) -> Reply:
        sql, binds = body["sqlText"], body.get("bindings") or {}
        if "query_history_by_user(" in sql:
            values = [binds[str(position)]["value"] for position in range(1, len(binds) + 1)]
            return _table(self.history.answer(sql, self.users[token], values), sql)
        if found := _EXPLAIN.match(sql):
            described = await self.engine.ask(token, waits(found[1])[0], binds, describe=True)
            stats = {"partitionsTotal": 4, "partitionsAssigned": 1, "bytesAssigned": self.bytes_explained}
            plan = json.dumps({"GlobalStats": stats})
            return _table([{"content": plan}], "select content from") if described["success"] else described
        return await self.engine.ask(token, sql, binds)

    async def result(self, request: Request) -> Response:
        """The result of a query that has ended."""
        if self.engine.server.to_token(request) not in self.users:
            return JSONResponse(_over())
        job = self.history.jobs.get(request.path_params["query"])
        if job is None:
            return JSONResponse(failed("000709", "02000", "Statement not found"))
        if job.reply is None:
            return JSONResponse(
                {"data": {"queryId": job.id}, "code": "333333", "message": "", "success": True}
            )
        return JSONResponse(job.reply)

    async def monitor(self, request: Request) -> Response:
        """The state of one query."""
        if self.engine.server.to_token(request) not in self.users:
            return JSONResponse(_over())
        job = self.history.jobs.get(request.path_params["query"])
        row = {} if job is None else job.row()
        told = {
            "id": row.get("query_id"),
            "status": job.status if job else None,
            "errorCode": row.get("error_code"),
            "errorMessage": row.get("error_message"),
            "sqlText": row.get("query_text"),
        }
        return JSONResponse({"data": {"queries": [told] if job else []}, "success": True})

    async def abort(self, request: Request) -> Response:
        """End a query that runs."""
        if self.engine.server.to_token(request) not in self.users:
            return JSONResponse(_over())
        job = self.history.jobs.get(request.path_params["query"])
        running = job is not None and job.reply is None
        if job is not None:
            self.engine.interrupt(job)
        return JSONResponse({"success": running, "data": None, "code": None, "message": None})

    async def tell(self, request: Request) -> Response:
        """What tests set and ask, past the protocol."""
        asked = await _json(request)
        match request.path_params["what"]:
            case "set":
                self._set(**asked)
            case "settle":
                self.history.settled_at = time.time()
            case "finish":
                await self._finish(asked["id"], asked["status"])
            case "jobs":
                found = self.history.of_token(asked["token"])
                return JSONResponse([job.told() for job in found])
            case "hide":
                self.history.hidden.add(asked["id"])
            case "sign_out":
                self.users.clear()
            case "sql":
                session = f"told-{secrets.token_hex(8)}"
                self.engine.server.sessions[session] = self.engine.server.shared_fs.connect("DB1", "PUBLIC")
                reply = await self.engine.ask(session, asked["sql"], {})
                self.engine.leave(session)
                return JSONResponse({"success": reply["success"], "message": reply.get("message")})
        return JSONResponse({})

    def _set(
        self,
        *,
        remembers: bool | None = None,
        lag_s: float | None = None,
        bytes_explained: int | None = None,
        public_keys: Mapping[str, str] | None = None,
        oauth_tokens: list[str] | None = None,
    ) -> None:
        self.remembers = self.remembers if remembers is None else remembers
        self.history.lag_s = self.history.lag_s if lag_s is None else lag_s
        self.bytes_explained = self.bytes_explained if bytes_explained is None else bytes_explained
        self.public_keys |= {user.upper(): pem for user, pem in (public_keys or {}).items()}
        if oauth_tokens is not None:
            self.oauth_tokens = set(oauth_tokens)

    async def _finish(self, query: str, status: str) -> None:
        job = self.history.jobs[query]
        match status:
            case "SUCCESS":
                job.released.set()
            case "ABORTED":
                self.engine.interrupt(job)
            case _:
                job.fail("100035", "22012", "Division by zero")
        await job.done.wait()


def make_app() -> Starlette:
    """Routes of the protocol; others are fakesnow's."""
    service = Service()
    mine = [
        Route("/session/v1/login-request", service.login, methods=["POST"]),
        Route("/queries/v1/query-request", service.query, methods=["POST"]),
        Route("/queries/{query}/result", service.result),
        Route("/queries/{query}/abort-request", service.abort, methods=["POST"]),
        Route("/monitoring/queries/{query}", service.monitor),
        Route("/standin/{what}", service.tell, methods=["POST"]),
    ]
    return Starlette(routes=mine)


async def _json(request: Request) -> dict[str, Any]:
    raw = await request.body()
    found: dict[str, Any] = json.loads(
        gzip.decompress(raw) if request.headers.get("content-encoding") == "gzip" else raw or b"{}"
    )
    return found


def _again(request: Request, body: Mapping[str, Any]) -> Request:
    again = request_of("", body)
    again.scope["query_string"] = request.scope["query_string"]
    return again


def _over() -> Reply:
    return {
        "data": None,
        "code": "390104",
        "message": "User must login again to access the service.",
        "success": False,
    }


def _table(rows: list[dict[str, str | None]], sql: str) -> Reply:
    """Rows as JSON: the columns that the statement selects, without what it computes."""
    names = list(rows[0]) if rows else []
    if "execution_status from" in sql:
        names = ["query_id", "execution_status"]
    data = {
        "rowtype": [{"name": name.upper(), "type": "text", "nullable": True} for name in names],
        "rowset": [[row[name] for name in names] for row in rows],
        "total": len(rows),
        "queryResultFormat": "json",
    }
    return {"data": data, "code": None, "message": None, "success": True}
