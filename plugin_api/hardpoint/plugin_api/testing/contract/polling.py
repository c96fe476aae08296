"""Statuses and outputs: complete, typed, in few calls, and never failed by one bad id."""

from __future__ import annotations

import math

import msgspec

from hardpoint.plugin_api.literal_rules import problem
from hardpoint.plugin_api.phase import Phase, Status
from hardpoint.plugin_api.testing.contract.trial import ContractPart, SwitchT, Trial, expect, phases_of

SPARE_CALLS = 2


class PollingContract(ContractPart[SwitchT]):
    """`poll_many` and `outputs`."""

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

    def test_failure_is_seen_with_its_error(self, trial: Trial[SwitchT]) -> None:
        """Without the error the executor cannot tell whose retries to use."""
        job = trial.create()
        trial.service.finish(job.id, Phase.FAILED)
        status = trial.poll(job)[job.id]
        expect(status.phase is Phase.FAILED, f"A job that failed is `FAILED`, not `{status.phase}`")
        expect(status.error is not None, "A status `FAILED` says in `error` what failed")

    def test_statuses_survive_json(self, trial: Trial[SwitchT]) -> None:
        """The journal keeps them."""
        job = trial.create()
        trial.service.finish(job.id, Phase.FAILED)
        status = trial.poll(job)[job.id]
        stored = msgspec.json.decode(msgspec.json.encode(status), type=Status)
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
        expect(set(trial.poll(first)) == {first.id}, f"A poll for `{first.id}` answers for it alone")
        phases = phases_of(trial.poll(second, first), [first, second])
        expected = [Phase.SUCCEEDED, Phase.FAILED]
        expect(phases == expected, f"Each job has its own status: `{expected}`, not `{phases}`")

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

    def test_outputs_fit_the_interface(self, trial: Trial[SwitchT]) -> None:
        """Every name, every type, and the same from another process."""
        job = trial.create()
        trial.service.finish(job.id)
        request = trial.request()
        found = trial.handler.outputs(trial.context, request, job)
        variables = {variable.name: variable for variable in request.spec.interface.outputs}
        expect(set(found) == set(variables), f"The outputs are `{sorted(variables)}`, not `{sorted(found)}`")
        for name, wire in found.items():
            misfit = problem(variables[name].type, wire)
            expect(misfit is None, f"The output `{name}` fits its type: {misfit}")
        after_restart = trial.restarted()
        again = after_restart.handler.outputs(after_restart.context, request, job)
        expect(again == found, f"Outputs read again are the same: `{found}`, `{again}`")

    def test_outputs_that_come_with_the_status_are_the_outputs(self, trial: Trial[SwitchT]) -> None:
        """Then `outputs` is never called for a job that was just seen to succeed."""
        job = trial.create()
        early = trial.poll(job).get(job.id)
        expect(early is None or early.outputs is None, "Only a job that succeeded has outputs")
        trial.service.finish(job.id)
        told = trial.poll(job)[job.id].outputs
        if told is not None:
            found = trial.handler.outputs(trial.context, trial.request(), job)
            expect(told == found, f"A status tells what `outputs` returns: `{found}`, not `{told}`")
