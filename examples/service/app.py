"""A web service with hardpoint inside: submit orders, watch and abort them; restart it at any time."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvicorn
from orders import order  # type: ignore[import-not-found]  # the file beside this one
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from hardpoint.executor import AdmissionRefusedError, AsyncExecution, AsyncExecutor
from hardpoint.executor.journal.events import fields_of
from hardpoint.executor.journal.protocol import ExecutionNotFoundError
from hardpoint.executor.view import load_view
from hardpoint.plugin_api import HardpointError, UsageError


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Take up what the last process left; at the end let attempts in flight finish."""
    async with AsyncExecutor() as executor, asyncio.TaskGroup() as watchers:
        app.state.hardpoint, app.state.journal = executor, executor.executor.journal
        app.state.watchers, app.state.live = watchers, {}
        for execution in await executor.recover():
            watch(app, execution)
        yield
        await executor.drain(grace_s=10)


def watch(app: Starlette, execution: AsyncExecution) -> None:
    """Keep the handle of a run for as long as it goes on."""

    async def forget_at_its_end() -> None:
        with suppress(HardpointError):
            await execution.outcome()
        del app.state.live[execution.id]

    app.state.live[execution.id] = execution
    app.state.watchers.create_task(forget_at_its_end())


async def submit(request: Request) -> JSONResponse:
    """POST /runs with `{"inputs": {...}}`, and perhaps `"qos"`: `high`, `medium` or `low`."""
    body = await request.json()
    submit_with = request.app.state.hardpoint.submit_with
    execution = await submit_with(order, body.get("inputs", {}), qos=body.get("qos", ""))
    watch(request.app, execution)
    return JSONResponse({"execution": execution.id}, status_code=201)


def list_runs(request: Request) -> JSONResponse:
    """GET /runs: the newest first."""
    rows = request.app.state.journal.rows(limit=100)
    return JSONResponse([{"execution": row.execution, "phase": row.phase.value} for row in rows])


def show(request: Request) -> JSONResponse:
    """GET /runs/{id}."""
    journal = request.app.state.journal
    run = load_view(journal, journal.row(request.path_params["id"])).state
    nodes = {node.id: node.state.value for node in run.nodes.values()}
    return JSONResponse({"phase": run.phase.value, "nodes": nodes, "outputs": run.outputs})


async def events(request: Request) -> StreamingResponse:
    """GET /runs/{id}/events: one JSON object a line, from the first event on, until the run ends."""
    journal, execution = request.app.state.journal, request.path_params["id"]
    live = request.app.state.live.get(execution)
    past = [] if live else await asyncio.to_thread(journal.read, execution)

    async def lines() -> AsyncIterator[str]:
        for event in past:
            yield json.dumps({"kind": type(event).__name__, **fields_of(event)}) + "\n"
        if live:
            async for event in live.events():
                yield json.dumps({"kind": event.kind, **event.data}) + "\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")


async def abort(request: Request) -> JSONResponse:
    """DELETE /runs/{id}."""
    row = await asyncio.to_thread(request.app.state.journal.row, request.path_params["id"])
    if row.execution not in request.app.state.live:
        return JSONResponse({"error": f"Run `{row.execution}` has ended", "hint": ""}, status_code=409)
    await request.app.state.live[row.execution].abort("aborted over HTTP")
    return JSONResponse({"execution": row.execution}, status_code=202)


async def refuse(_: Request, error: Exception) -> JSONResponse:
    """Errors as JSON, with what helps."""
    assert isinstance(error, HardpointError)
    answer = {"error": error.message, "hint": error.hint}
    if isinstance(error, AdmissionRefusedError):
        headers = {"Retry-After": str(math.ceil(error.retry_after_s or 1.0))}
        return JSONResponse(answer, status_code=429, headers=headers)
    code = 404 if isinstance(error, ExecutionNotFoundError) else 400 if isinstance(error, UsageError) else 500
    return JSONResponse(answer, status_code=code)


routes = [
    Route("/runs", submit, methods=["POST"]),
    Route("/runs", list_runs),
    Route("/runs/{id}", show),
    Route("/runs/{id}", abort, methods=["DELETE"]),
    Route("/runs/{id}/events", events),
]
app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={HardpointError: refuse})

if __name__ == "__main__":
    # uvicorn hands SIGTERM on when it has stopped; without this the process would end as killed, not as done.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # Streams of events stay open as long as their runs: a stopping server waits one second for them.
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")), timeout_graceful_shutdown=1)
