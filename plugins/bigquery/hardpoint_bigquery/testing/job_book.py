"""Jobs that the proxy lets run for as long as a test wants, and what they are said to have used."""

from __future__ import annotations

import threading
from typing import Any

from hardpoint.plugin_api import Phase

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
        self._lock = threading.Lock()
        self._holds = holds
        self._phases: dict[str, Phase] = {}
        self.statistics: Resource = {}

    def started(self, job_id: str) -> None:
        """The stand-in took a job."""
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

    def rewritten(self, answer: Resource) -> Resource:
        """An answer of the stand-in with the jobs in it as the book has them."""
        if "jobs" in answer:
            return {**answer, "jobs": [self.rewritten(each) for each in answer["jobs"]]}
        if "job" in answer:
            return {**answer, "job": self.rewritten(answer["job"])}
        if "jobReference" not in answer or "configuration" not in answer:
            return answer
        phase = self.phase(answer["jobReference"].get("jobId", ""))
        status = answer.get("status") if phase is None else STATUSES[phase]
        told = answer.get("statistics", {})
        query = {**told.get("query", {}), **self.statistics}
        return {**answer, "status": status, "statistics": {**told, **self.statistics, "query": query}}
