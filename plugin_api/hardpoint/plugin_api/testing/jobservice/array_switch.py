"""The fault switch of the job service's arrays."""

from __future__ import annotations

from collections.abc import Mapping

from hardpoint.plugin_api.phase import Phase
from hardpoint.plugin_api.testing.jobservice.board import JobState
from hardpoint.plugin_api.testing.jobservice.switch import JobServiceSwitch


class ArrayServiceSwitch(JobServiceSwitch):
    """`FaultSwitch` over a running `JobService`, for arrays that carry their token as `label`."""

    def jobs_for(self, token: str) -> Mapping[str, Phase]:
        """See `FaultSwitch`."""
        return {array.id: Phase[array.state] for array in self.service.arrays() if array.label == token}

    def finish_item(self, job_id: str, index: int, phase: Phase = Phase.SUCCEEDED) -> None:
        """See `CanFinishItems`."""
        [found] = [array for array in self.service.arrays() if array.id == job_id]
        self.service.finish(found.jobs[index], JobState[phase.name])
