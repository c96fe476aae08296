"""Statuses: complete, in few calls, and never failed by one bad id or remembered wrongly."""

from __future__ import annotations

import math

import msgspec

from hardpoint.plugin_api.errors import ThrottledError, TransientError
from hardpoint.plugin_api.handler import JobRef
from hardpoint.plugin_api.phase import Phase
from hardpoint.plugin_api.testing.contract.trial import (
    AnyStatus,
    ContractPart,
    SwitchT,
    Trial,
    expect,
    phases_of,
)

SPARE_CALLS = 2
OUTAGE_S = 600.0
OUTAGE_POLL_S = 15.0


class PollingContract(ContractPart[SwitchT]):
    """`poll_many` and `poll_arrays`."""

    def test_young_job_is_under_way(self, trial: Trial[SwitchT]) -> None:
        """Queued or running; a service may also not show it yet."""
        phase = trial.phase(trial.create())
        under_way = (None, Phase.QUEUED, Phase.RUNNING, Phase.ABSENT)
        expect(phase in under_way, f"A job that was just created is under way, not `{phase}`")

    def test_success_is_seen(self, trial: Trial[SwitchT]) -> None:
        """A job that succeeded stays so."""
        job = trial.create()
        trial.service.finish(job.id)
        phases = [trial.phase(job), trial.phase(job)]
        expect(phases == [Phase.SUCCEEDED] * 2, f"A job that succeeded is `SUCCEEDED`, not `{phases}`")

    def test_statuses_survive_json(self, trial: Trial[SwitchT]) -> None:
        """The journal keeps them."""
        job = trial.create()
        trial.service.finish(job.id, Phase.FAILED)
        status = trial.poll(job)[job.id]
        stored = msgspec.json.decode(msgspec.json.encode(status), type=type(status))
        expect(stored == status, f"A status survives JSON: `{status}`, `{stored}`")

    def test_unknown_id_does_not_fail_its_batch(self, trial: Trial[SwitchT]) -> None:
        """It is absent or left out; the others are answered."""
        job = trial.create()
        trial.service.finish(job.id)
        unknown = msgspec.structs.replace(job, id=self.unknown_id)
        phases = phases_of(trial.poll(unknown, job), [unknown, job])
        expect(phases[0] in (None, Phase.ABSENT), f"An unknown id is `ABSENT` or missing, not `{phases[0]}`")
        expect(phases[1] is Phase.SUCCEEDED, f"The other job of the batch is answered, not `{phases[1]}`")

    def test_only_what_was_asked_is_answered(self, trial: Trial[SwitchT]) -> None:
        """By the id in the reference."""
        first, second = trial.create(), trial.create(trial.other_token(2))
        trial.service.finish(first.id)
        trial.service.finish(second.id, Phase.FAILED)
        phases = phases_of(trial.poll(second, first), [first, second])
        expected = [Phase.SUCCEEDED, Phase.FAILED]
        expect(phases == expected, f"Each job has its own status: `{expected}`, not `{phases}`")
        expect(set(trial.poll(first)) == {first.id}, f"A poll for `{first.id}` answers for it alone")

    def test_many_jobs_take_few_calls(self, trial: Trial[SwitchT]) -> None:
        """One call for each batch of the declared size."""
        jobs = [trial.create(trial.other_token(number)) for number in range(self.batch_jobs)]
        size = trial.type.poll.batch_max
        before = trial.context.calls.total
        answered = 0
        for start in range(0, len(jobs), size):
            answered += len(trial.poll(*jobs[start : start + size]))
        calls, most = trial.context.calls.total - before, math.ceil(len(jobs) / size) + SPARE_CALLS
        expect(answered == len(jobs), f"All `{len(jobs)}` jobs are answered, not `{answered}`")
        expect(calls <= most, f"`{len(jobs)}` jobs are polled in at most `{most}` calls, not `{calls}`")

    def test_nothing_to_poll_is_nothing(self, trial: Trial[SwitchT]) -> None:
        """An empty batch is answered without an error."""
        statuses = trial.poll()
        expect(not statuses, f"No jobs, no statuses: `{statuses}`")

    def test_ten_minutes_of_outage_are_not_remembered(self, trial: Trial[SwitchT]) -> None:
        """Nothing is made up meanwhile, and the first poll after it tells the truth."""
        jobs = [trial.create(trial.other_token(number)) for number in range(1, 4)]
        goes_on, succeeds, fails = jobs
        clock, ends_s = trial.context.clock, trial.context.clock.monotonic() + OUTAGE_S
        while clock.monotonic() < ends_s:
            trial.service.fail_next(503)
            _expect_nothing_made_up(trial, jobs)
            clock.advance(OUTAGE_POLL_S)
        trial.service.finish(succeeds.id)
        trial.service.finish(fails.id, Phase.FAILED)
        phases = phases_of(trial.poll(*jobs), jobs)
        expect(phases[0] in (Phase.QUEUED, Phase.RUNNING), f"`{goes_on.id}` goes on, not `{phases[0]}`")
        expect(
            phases[1:] == [Phase.SUCCEEDED, Phase.FAILED],
            f"After an outage each job has its true status, not `{phases[1:]}`",
        )


def _expect_nothing_made_up(trial: Trial[SwitchT], jobs: list[JobRef]) -> None:
    try:
        statuses = trial.poll(*jobs)
    except (TransientError, ThrottledError):
        return
    wrong = {job: status.phase for job, status in statuses.items() if not _under_way(status)}
    expect(not wrong, f"A poll that gets no answer raises `TransientError`, and says not `{wrong}`")


def _under_way(status: AnyStatus) -> bool:
    return status.phase in (Phase.QUEUED, Phase.RUNNING)
