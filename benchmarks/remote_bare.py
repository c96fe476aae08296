"""The floor of W9: a bare loop over the same handler. Nothing is checked, kept, retried or shared fairly."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.remote_client import LeanHandler
from benchmarks.remote_flow import THREADS, remote
from hardpoint_jobservice_handlers import BATCH_MAX

from hardpoint.plugin_api import CreateRequest, JobRef, Phase, Status
from hardpoint.plugin_api.testing.fakes import FakeContext, fake_request

ROUND_S = 0.25
"""Pause between two rounds of polls."""


def run(n: int) -> int:
    """Create all, ask for those that are not done in batches, add up what they returned."""
    handler, context = LeanHandler(), FakeContext()
    spec = next(each for each in remote(1).compile().tasks.values() if each.type == handler.task_type)
    requests = [fake_request(spec, {"value": i}, token=f"bare-{i}") for i in range(n)]
    running: dict[str, tuple[JobRef, CreateRequest]] = {}
    results: list[int] = []

    def create(request: CreateRequest) -> None:
        made = handler.create(context, request)
        running[made.id] = (made, request)

    def take(job: str, status: Status) -> None:
        made, request = running.pop(job)
        outputs = status.outputs if status.outputs is not None else handler.outputs(context, request, made)
        results.append(int(outputs["result"]))

    with ThreadPoolExecutor(THREADS) as threads:
        creates = [threads.submit(create, request) for request in requests]
        while len(results) < n:
            time.sleep(ROUND_S)
            asked = [made for made, _ in tuple(running.values())]
            for start in range(0, len(asked), BATCH_MAX):
                statuses = handler.poll_many(context, asked[start : start + BATCH_MAX])
                for job, status in statuses.items():
                    if status.phase is Phase.SUCCEEDED:
                        take(job, status)
        for each in creates:
            each.result()
    return sum(results)
