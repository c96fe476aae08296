"""The fault switch of the job service: what the kit of a plugin needs that talks to it."""

from __future__ import annotations

from collections.abc import Mapping

from hardpoint.plugin_api.phase import Phase
from hardpoint.plugin_api.testing.jobservice.board import JobState
from hardpoint.plugin_api.testing.jobservice.faults import ScriptedFault
from hardpoint.plugin_api.testing.jobservice.launcher import JobService

WRITES = "POST /v1/jobs|POST /v1/arrays|DELETE *"
LATE_S = 1.5
"""How long an answer takes that comes too late; `impatient_request` waits less."""


class JobServiceSwitch:
    """`FaultSwitch` over a running `JobService`, for jobs that carry their token as `label`.

    Args:
        service: Running; its jobs, counters and faults so far are forgotten, and from now on its listings
            show a job only after `settle`.
    """

    def __init__(self, service: JobService) -> None:
        self.service = service
        service.reset()
        service.configure(listing_lag_s=3600.0, slow_s=LATE_S)

    @property
    def url(self) -> str:
        """Where the service listens."""
        return self.service.url

    def lose_next_reply(self) -> None:
        """See `FaultSwitch`."""
        self.service.script(ScriptedFault(WRITES, "lost"))

    def garble_next_reply(self) -> None:
        """See `FaultSwitch`."""
        self.service.script(ScriptedFault("*", "malformed"))

    def stall_next_reply(self) -> None:
        """See `CanStall`."""
        self.service.script(ScriptedFault("*", "slow"))

    def repeat_next_call(self) -> None:
        """See `CanRepeat`."""
        self.service.script(ScriptedFault(WRITES, "dup"))

    def fail_next(self, status: int, *, retry_after_s: float | None = None) -> None:
        """See `FaultSwitch`."""
        self.service.script(ScriptedFault("*", str(status), retry_after_s=retry_after_s))

    def settle(self) -> None:
        """See `FaultSwitch`."""
        self.service.configure(listing_lag_s=0.0)

    def finish(self, job_id: str, phase: Phase = Phase.SUCCEEDED) -> None:
        """See `FaultSwitch`."""
        self.service.finish(job_id, JobState[phase.name])

    def jobs_for(self, token: str) -> Mapping[str, Phase]:
        """See `FaultSwitch`."""
        return {job.id: Phase[job.state] for job in self.service.records() if job.label == token}

    def calls_received(self) -> int:
        """See `FaultSwitch`."""
        return self.service.stats().total.requests
