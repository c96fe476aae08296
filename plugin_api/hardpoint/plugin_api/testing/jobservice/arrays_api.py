"""The service's API for arrays: a request in, a reply out."""

from __future__ import annotations

import time

import msgspec

from hardpoint.plugin_api.testing.jobservice.arrays import ArrayBody, Arrays, JobArray
from hardpoint.plugin_api.testing.jobservice.board import Board, JobState, Outcome, Tenant
from hardpoint.plugin_api.testing.jobservice.requests import BatchBody, Reply, Request, error

ARRAYS = "/v1/arrays"
BATCH_GET = "/v1/arrays:batchGet"
OUTPUTS = ":outputs"
MOST_ITEMS = 10_000

_body_decoder = msgspec.json.Decoder(ArrayBody)


class _OutputsBody(msgspec.Struct, forbid_unknown_fields=True):
    items: list[int]


class ArraysApi:
    """Carries out requests about arrays."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self.arrays = Arrays(board)

    def reply(self, tenant: Tenant, request: Request) -> Reply:
        """Carry out one request."""
        match request.verb, request.path:
            case "POST", "/v1/arrays":
                return self._create(tenant, request)
            case "GET", "/v1/arrays":
                visible_before = time.time() - self._board.settings.listing_lag_s
                found = self.arrays.labelled(tenant, request.query.get("label", ""), visible_before)
                return Reply(200, {"arrays": [array.view() for array in found]})
            case "POST", "/v1/arrays:batchGet":
                ids = msgspec.json.decode(request.body, type=BatchBody).ids
                known = (self.arrays.get(tenant, id) for id in ids)
                return Reply(200, {"arrays": [array.view() for array in known if array is not None]})
            case _, path:
                id, _, verb = path.removeprefix(ARRAYS + "/").partition(":")
                array = self.arrays.get(tenant, id)
                return error(404, "no such array") if array is None else self._one(array, request, verb)

    def _one(self, array: JobArray, request: Request, verb: str) -> Reply:
        match request.verb, verb:
            case "GET", "":
                return Reply(200, array.view())
            case "DELETE", "":
                self.arrays.cancel(array)
                return Reply(200, array.view())
            case "POST", "outputs":
                wanted = msgspec.json.decode(request.body, type=_OutputsBody).items
                jobs = {index: array.jobs[index] for index in wanted if 0 <= index < len(array.jobs)}
                done = {index: job for index, job in jobs.items() if job.state is JobState.SUCCEEDED}
                return Reply(200, {"outputs": {str(index): job.body.output for index, job in done.items()}})
            case _:
                return error(404, f"no such call: {request.line}")

    def _create(self, tenant: Tenant, request: Request) -> Reply:
        body = _body_decoder.decode(request.body)
        if not 1 <= len(body.items) <= MOST_ITEMS:
            return error(413, f"an array has 1 to {MOST_ITEMS} items, not {len(body.items)}")
        key = request.headers.get("idempotency-key")
        outcome, array = self.arrays.create(tenant, body, key, request.body)
        if array is None:
            tenant.stats.quota_refusals += 1
            return error(429, "over the quota of queued jobs", retry_after_s=1.0)
        match outcome:
            case Outcome.CREATED:
                return Reply(201, array.view())
            case Outcome.REPLAYED:
                tenant.stats.replayed += 1
                return Reply(200, {**array.view(), "replayed": True})
            case _:
                tenant.stats.conflicts += 1
                return error(409, "this key was used with another body", id=array.id)
