"""The service's API for jobs: a request in, a reply out; faults, rates and latency happen elsewhere."""

from __future__ import annotations

import time
from typing import Any, assert_never

import msgspec

from hardpoint.plugin_api.testing.jobservice.arrays import Arrays
from hardpoint.plugin_api.testing.jobservice.arrays_api import ARRAYS, ArraysApi
from hardpoint.plugin_api.testing.jobservice.board import Board, Job, JobBody, JobState, Outcome, Tenant
from hardpoint.plugin_api.testing.jobservice.requests import Answer, BatchBody, Reply, Request, error

JOBS = "/v1/jobs"
BATCH_GET = "/v1/jobs:batchGet"
LONGEST_WAIT_S = 60.0

_body_decoder = msgspec.json.Decoder(JobBody)


class JobsApi:
    """Carries out requests on a board."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._arrays = ArraysApi(board)

    @property
    def arrays(self) -> Arrays:
        """What the board does not keep."""
        return self._arrays.arrays

    def handle(self, tenant: Tenant, request: Request, answer: Answer) -> None:
        """Carry out one request and call `answer`, at once or when a long poll ends."""
        try:
            reply = self._reply(tenant, request, answer)
        except (ValueError, msgspec.ValidationError) as failure:
            reply = error(400, str(failure))
        if reply is not None:
            answer(reply)

    def _reply(self, tenant: Tenant, request: Request, answer: Answer) -> Reply | None:
        match request.verb, request.path:
            case "POST", "/v1/jobs":
                return self._create(tenant, request)
            case "GET", "/v1/jobs":
                return self._get_several(tenant, request.query)
            case "POST", "/v1/jobs:batchGet":
                ids = msgspec.json.decode(request.body, type=BatchBody).ids
                return self._batch(tenant, ids, with_output="outputs" in request.query)
            case "POST", "/v1/jobs:estimate":
                return _estimate(_body_decoder.decode(request.body))
            case "GET", "/v1/quota":
                return self._quota(tenant)
            case "GET", "/v1/events":
                return self._changes(tenant, request.query, answer)
            case _, path if path.startswith(ARRAYS):
                return self._arrays.reply(tenant, request)
            case ("GET" | "DELETE") as verb, path if path.startswith(JOBS + "/"):
                job = self._board.get(tenant, path.removeprefix(JOBS + "/"))
                if job is None:
                    return error(404, "no such job")
                if verb == "GET":
                    return self._get_one(job, request, answer)
                self._board.end(job, JobState.CANCELLED)
                return Reply(200, view(job))
            case _:
                return error(404, f"no such call: {request.line}")

    def _quota(self, tenant: Tenant) -> Reply:
        settings, stats = self._board.settings, tenant.stats
        body = {
            "running": stats.running,
            "slots": min(settings.slots, settings.tenant_slots),
            "queued": stats.queued,
            "max_queued": settings.max_queued,
        }
        return Reply(200, body, date=time.time() + settings.clock_ahead_s)

    def _create(self, tenant: Tenant, request: Request) -> Reply:
        body = _body_decoder.decode(request.body)
        key = request.headers.get("idempotency-key")
        outcome, job = self._board.create(tenant, body, key, request.body)
        if job is None:
            tenant.stats.quota_refusals += 1
            return error(429, "over the quota of queued jobs", retry_after_s=1.0)
        match outcome:
            case Outcome.CREATED:
                return Reply(201, view(job))
            case Outcome.REPLAYED:
                tenant.stats.replayed += 1
                return Reply(200, {**view(job), "replayed": True})
            case Outcome.KEY_CONFLICT:
                tenant.stats.conflicts += 1
                return error(409, "this key was used with another body", id=job.id)
            case Outcome.NAME_TAKEN:
                tenant.stats.conflicts += 1
                return error(409, "this name is taken", id=job.id)
            case Outcome.OVER_QUOTA:
                raise AssertionError("refused without a job")
            case _:
                assert_never(outcome)

    def _get_one(self, job: Job, request: Request, answer: Answer) -> Reply | None:
        wait_s = min(float(request.query.get("wait", "0")), LONGEST_WAIT_S)
        if wait_s <= 0 or job.ended is not None:
            return Reply(200, seen(job, with_output=True))

        def answer_once() -> None:
            timer.cancel()
            if answer_once in job.on_end:
                job.on_end.remove(answer_once)
            answer(Reply(200, seen(job, with_output=True)))

        timer = self._board.later(wait_s, answer_once)
        job.on_end.append(answer_once)
        return None

    def _get_several(self, tenant: Tenant, query: dict[str, str]) -> Reply:
        if "ids" in query:
            return self._batch(tenant, query["ids"].split(",") if query["ids"] else [])
        if "name" in query:
            job = tenant.names.get(query["name"])
            return Reply(200, {"jobs": [] if job is None else [seen(job)], "next": None})
        after = int(query.get("after", "j0").removeprefix("j"))
        limit = max(1, min(1000, int(query.get("limit", "100"))))
        jobs, more = self._board.listed(tenant, query.get("label"), query.get("state"), after, limit)
        return Reply(200, {"jobs": [seen(job) for job in jobs], "next": jobs[-1].id if more else None})

    def _changes(self, tenant: Tenant, query: dict[str, str], answer: Answer) -> Reply | None:
        """What happened since; with `wait`, the answer comes with the next change."""
        changes = tenant.changes
        asked = int(query.get("after", changes.last))
        after = asked if asked >= 0 else max(0, changes.last + asked)

        def reply() -> Reply:
            found = changes.since(after)
            shown = [{"number": number, **changed(job, state)} for number, job, state in found]
            return Reply(200, {"changes": shown, "next": found[-1][0] if found else after})

        wait_s = min(float(query.get("wait", "0")), LONGEST_WAIT_S)
        if wait_s <= 0 or changes.last > after:
            return reply()

        def answer_once() -> None:
            timer.cancel()
            take_back()
            answer(reply())

        timer = self._board.later(wait_s, answer_once)
        take_back = changes.when_more(answer_once)
        return None

    def _batch(self, tenant: Tenant, ids: list[str], *, with_output: bool = False) -> Reply:
        most = self._board.settings.batch_max
        if not most:
            return error(404, "no batch get here")
        if len(ids) > most:
            return error(413, f"at most {most} ids")
        jobs = [self._board.get(tenant, id) for id in ids]
        return Reply(200, {"jobs": [seen(job, with_output=with_output) for job in jobs if job is not None]})


def _estimate(body: JobBody) -> Reply:
    """What a job would use, without starting it."""
    text = f"a job of {body.duration_s:g} s" + (", which will fail" if body.fail else "")
    return Reply(200, {"usage": body.usage, "text": text})


def view(job: Job, *, with_output: bool = False) -> dict[str, Any]:
    """A job as clients see it; its output only where it is asked for."""
    body = job.body
    shown: dict[str, Any] = {
        "id": job.id,
        "state": job.state.value,
        "label": body.label,
        "name": body.name,
        "tags": body.tags,
        "created": job.created,
        "started": job.started,
        "ended": job.ended,
    }
    if job.ended is not None and body.usage:
        shown["usage"] = body.usage
    if job.state is JobState.FAILED:
        shown["error"] = "the job was told to fail"
    if with_output and job.state is JobState.SUCCEEDED:
        shown["output"] = body.output
    return shown


def seen(job: Job, *, with_output: bool = False) -> dict[str, Any]:
    """`view`, and remember that somebody read how the job ended."""
    job.read = job.read or job.ended is not None
    return view(job, with_output=with_output)


def changed(job: Job, state: JobState) -> dict[str, Any]:
    """A job as it was after a change; whoever is told of its end has read it."""
    if state is job.state:
        return seen(job, with_output=True)
    return {"id": job.id, "state": state.value, "label": job.body.label, "tags": job.body.tags}
