"""Jobs that the proxy lets run for as long as a test wants, and what they are said to have used."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import msgspec

from hardpoint.plugin_api import Phase
from hardpoint.plugin_api.testing.http_dialect import Answer, Call, json_answer

Resource = dict[str, Any]

STATUSES: dict[Phase, Resource] = {
    Phase.QUEUED: {"state": "PENDING"},
    Phase.RUNNING: {"state": "RUNNING"},
    Phase.SUCCEEDED: {"state": "DONE"},
    Phase.FAILED: {
        "state": "DONE",
        "errorResult": {
            "reason": "resourcesExceeded",
            "message": "Resources exceeded during query execution",
        },
    },
    Phase.CANCELLED: {
        "state": "DONE",
        "errorResult": {
            "reason": "stopped",
            "message": "Job execution was cancelled: User requested cancellation",
        },
    },
}


class JobBook:
    """What the proxy says of jobs in place of the stand-in, whose small jobs end at once.

    Args:
        holds: Whether jobs run until `end` or a cancel.
    """

    def __init__(self, *, holds: bool) -> None:
        self._lock, self._inserting = threading.Lock(), threading.Lock()
        self._holds = holds
        self._phases: dict[str, Phase] = {}
        self.statistics: Resource = {}

    def carry_out(self, call: Call, forward: Callable[[Call], Answer]) -> Answer:
        """The stand-in's answer, with the jobs in it as the book has them, once it has noted the call."""
        *_, owner, verb = call.path.partition("?")[0].split("/")
        if verb == "cancel" and self.phase(owner) is not None:
            self.end(owner, Phase.CANCELLED)
        plain = msgspec.structs.replace(call, headers={"Content-Type": "application/json"})
        # Two inserts of one name at the same time are an error of its database, where Google says 409.
        with self._inserting if call.verb == "POST" else nullcontext():
            answer = forward(plain)
        if answer.status != 200:
            return answer
        told = json.loads(answer.body)
        if call.verb == "POST" and "jobReference" in told and not told["configuration"].get("dryRun"):
            self._started(told["jobReference"]["jobId"])
        return json_answer(200, self._rewritten(told))

    def _started(self, job_id: str) -> None:
        with self._lock:
            if self._holds:
                self._phases.setdefault(job_id, Phase.RUNNING)

    def end(self, job_id: str, phase: Phase) -> None:
        """A job that runs ends so; one that has ended stays as it is."""
        with self._lock:
            if not self._phases.get(job_id, Phase.RUNNING).terminal:
                self._phases[job_id] = phase

    def phase(self, job_id: str) -> Phase | None:
        """What is said of it; None if the stand-in's own word counts."""
        with self._lock:
            return self._phases.get(job_id)

    def _rewritten(self, answer: Resource) -> Resource:
        if "jobs" in answer:
            return {**answer, "jobs": [self._rewritten(each) for each in answer["jobs"]]}
        if "job" in answer:
            return {**answer, "job": self._rewritten(answer["job"])}
        if "jobReference" not in answer or "configuration" not in answer:
            return answer
        phase = self.phase(answer["jobReference"].get("jobId", ""))
        status = answer.get("status") if phase is None else STATUSES[phase]
        told = answer.get("statistics", {})
        query = {**told.get("query", {}), **self.statistics}
        return {**answer, "status": status, "statistics": {**told, **self.statistics, "query": query}}
