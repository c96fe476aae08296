"""The service as a whole: who may call and how often, which fault hits, what is counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from hardpoint.plugin_api.testing.jobservice.api import JobsApi, view
from hardpoint.plugin_api.testing.jobservice.board import Board, JobState, Tenant
from hardpoint.plugin_api.testing.jobservice.faults import Fault, Faults, ScriptedFault
from hardpoint.plugin_api.testing.jobservice.http import HttpConnection, Respond, Sent, Traffic
from hardpoint.plugin_api.testing.jobservice.rate import Buckets
from hardpoint.plugin_api.testing.jobservice.requests import Answer, Reply, Request, counter_of, error
from hardpoint.plugin_api.testing.jobservice.settings import Settings
from hardpoint.plugin_api.testing.jobservice.stats import Stats, add_up

ADMIN_PATHS = frozenset(
    {"/stats", "/records", "/arrays", "/healthz", "/config", "/script", "/finish", "/reset"}
)


class _FinishBody(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    state: JobState = JobState.SUCCEEDED


class Service:
    """Answers requests; lives on one event loop."""

    def __init__(self, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        self.settings = settings
        self._loop = loop
        self._board = Board(settings, loop.call_later)
        self._api = JobsApi(self._board)
        self._faults = Faults(settings)
        self._buckets = Buckets()
        self._traffic = Traffic()
        self._since_reset = self._since_change = time.monotonic()

    def connection(self) -> HttpConnection:
        """The protocol of one new connection."""
        return HttpConnection(self.serve, self._traffic)

    def serve(self, request: Request, respond: Respond) -> None:
        """Answer one request, now or later, in full, broken or not at all."""
        if request.path in ADMIN_PATHS:
            respond(Sent(self._administer(request)))
            return
        tenant = self._board.tenant(request.headers.get("x-tenant", "default"))
        calls, name = tenant.stats.calls, counter_of(request)
        calls[name] = calls.get(name, 0) + 1
        fault = self._faults.draw(request.line, time.monotonic() - self._since_change)
        if fault is not None:
            tenant.stats.faults[fault.name] = tenant.stats.faults.get(fault.name, 0) + 1
        refusal = self._refusal(tenant, request, fault)
        if refusal is not None:
            self._after_latency(respond, Sent(refusal))
            return
        match fault:
            case None:
                self._carry_out(tenant, request, lambda reply: self._after_latency(respond, Sent(reply)))
            case Fault(name="cut"):
                respond(Sent(None))
            case Fault(name="lost"):
                self._carry_out(tenant, request, lambda _: respond(Sent(None)))
            case Fault(name="malformed"):
                self._carry_out(
                    tenant, request, lambda reply: self._after_latency(respond, Sent(reply, malformed=True))
                )
            case Fault(name="dup"):
                self._carry_out(tenant, request, _ignore)
                self._carry_out(tenant, request, lambda reply: self._after_latency(respond, Sent(reply)))
            case Fault(name="slow"):
                self._carry_out(tenant, request, partial(self._slowly, respond))
            case Fault(name=name):
                raise AssertionError(f"nobody injects the fault `{name}`")

    def _refusal(self, tenant: Tenant, request: Request, fault: Fault | None) -> Reply | None:
        """The answer to a request that has no effect: refused by a fault, its token or its rate."""
        if fault is not None and fault.status is not None:
            return error(fault.status, "injected by the fault switch", retry_after_s=fault.retry_after_s)
        if self.settings.require_token:
            given = request.headers.get("authorization", "")
            if not given:
                return error(401, "a bearer token is required")
            if given != f"Bearer {self.settings.require_token}":
                return error(403, "this token may not do that")
        if self.settings.rate_per_s:
            wait_s = self._buckets.take(tenant.name, self.settings)
            if wait_s > 0:
                tenant.stats.throttled += 1
                return error(429, "over the rate", retry_after_s=round(wait_s, 3))
        return None

    def _carry_out(self, tenant: Tenant, request: Request, answer: Answer) -> None:
        self._api.handle(tenant, request, answer)

    def _after_latency(self, respond: Respond, sent: Sent) -> None:
        if self.settings.latency_s:
            self._loop.call_later(self._faults.jittered(self.settings.latency_s), respond, sent)
        else:
            respond(sent)

    def _slowly(self, respond: Respond, reply: Reply) -> None:
        self._loop.call_later(self.settings.slow_s, respond, Sent(reply))

    def _administer(self, request: Request) -> Reply:
        actions: dict[str, Callable[[bytes], Any]] = {
            "GET /healthz": lambda _: {"ok": True},
            "GET /stats": lambda _: self.stats(),
            "GET /records": lambda _: [job.record() for job in self._board.all_jobs()],
            "GET /arrays": lambda _: [array.record() for array in self._api.arrays.all()],
            "POST /config": self._configure,
            "POST /script": lambda body: self._faults.script(
                msgspec.json.decode(body, type=list[ScriptedFault])
            ),
            "POST /finish": self._finish,
            "POST /reset": lambda _: self._reset(),
        }
        action = actions.get(request.line)
        if action is None:
            return error(405, f"no such call: {request.line}")
        try:
            return Reply(200, action(request.body))
        except (ValueError, LookupError) as failure:
            return error(400, str(failure))

    def _configure(self, body: bytes) -> Settings:
        self.settings = self.settings.changed(msgspec.json.decode(body, type=dict[str, Any]))
        self._since_change = time.monotonic()
        self._faults.configure(self.settings)
        self._board.configure(self.settings)
        return self.settings

    def _finish(self, body: bytes) -> dict[str, Any]:
        wanted = msgspec.json.decode(body, type=_FinishBody)
        job = self._board.find(wanted.id)
        if job is None and self._api.arrays.finish(wanted.id, wanted.state):
            return {}
        if job is None:
            raise ValueError(f"No job `{wanted.id}`")
        self._board.end(job, wanted.state)
        return view(job)

    def _reset(self) -> None:
        self._board.reset()
        self._api.arrays.reset()
        self._faults.reset()
        self._buckets.reset()
        self._traffic.reset()
        self._since_reset = self._since_change = time.monotonic()

    @property
    def requests_received(self) -> int:
        """As `stats().total.requests`, but cheap whatever the number of jobs."""
        return sum(tenant.stats.requests for tenant in self._board.tenants.values())

    def stats(self) -> Stats:
        """Everything counted since the last reset."""
        tenants = {name: tenant.counters() for name, tenant in self._board.tenants.items()}
        total = add_up(list(tenants.values()))
        total.max_running = self._board.max_running
        total.max_unfinished = self._board.max_unfinished
        return Stats(
            tenants,
            total,
            self._traffic.max_in_flight,
            self._traffic.connections,
            self._traffic.max_connections,
            round(time.monotonic() - self._since_reset, 3),
        )


def _ignore(reply: Reply) -> None:
    """The first answer to a request that is processed twice."""
