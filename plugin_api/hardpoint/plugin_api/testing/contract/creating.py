"""One token, one job, however often the executor asks; and what it can rely on when it looks for the job."""

from __future__ import annotations

import msgspec
import pytest

from hardpoint.plugin_api.errors import TransientError
from hardpoint.plugin_api.handler import Idempotency, JobRef, Kept
from hardpoint.plugin_api.testing.contract.calling import raised
from hardpoint.plugin_api.testing.contract.trial import ContractPart, SwitchT, Trial, expect


class CreatingContract(ContractPart[SwitchT]):
    """`create` and `find`."""

    @pytest.fixture
    def repeatable(self, trial: Trial[SwitchT]) -> Trial[SwitchT]:
        """The trial of a type that promises something about repeated creates."""
        if trial.type.idempotency is Idempotency.NONE:
            pytest.skip(f"Task type `{trial.type.name}` declares no idempotency, so it is not held to any")
        return trial

    def test_create_starts_a_job(self, trial: Trial[SwitchT]) -> None:
        """And returns its id."""
        job = trial.create()
        jobs = list(trial.service.jobs_for(trial.token))
        expect(jobs == [job.id], f"`create` starts one job and returns its id: `{job.id}` of `{jobs}`")

    def test_another_token_is_another_job(self, trial: Trial[SwitchT]) -> None:
        """A new attempt never gets the old attempt's job."""
        first, second = trial.create(), trial.create(trial.other_token(2))
        expect(first.id != second.id, f"Two tokens are two jobs, not `{first.id}` twice")

    def test_an_ended_job_is_still_the_job_of_its_token(self, repeatable: Trial[SwitchT]) -> None:
        """The reply may have been lost for longer than the job ran."""
        first = repeatable.create()
        repeatable.service.finish(first.id)
        again = repeatable.create_again()
        expect(again.id == first.id, f"A job that ended is adopted: `{again.id}`, `{first.id}`")
        repeatable.expect_one_job(first, "after it ended")

    def test_find_before_create_is_none(self, trial: Trial[SwitchT]) -> None:
        """A None ends an attempt that was cancelled, so it must be true."""
        found = trial.find()
        expect(found is None, f"`find` returns None while the token started nothing, not `{found}`")

    def test_find_after_create_is_the_job(self, repeatable: Trial[SwitchT]) -> None:
        """And the same reference that `create` returned."""
        job = repeatable.create()
        found = repeatable.find()
        expect(found == job, f"`find` returns what `create` did: `{found}`, `{job}`")

    def test_find_after_a_lost_reply_is_the_job(self, repeatable: Trial[SwitchT]) -> None:
        """It is how a cancelled attempt learns what it must cancel."""
        repeatable.create_with_lost_reply()
        found = repeatable.find()
        expect(found is not None, "`find` returns the job whose create was never answered")

    def test_duplicates_are_told_and_left_alone(self, trial: Trial[SwitchT]) -> None:
        """The executor cancels them: it goes on until the service confirms the end."""
        look = getattr(trial.handler, "duplicates", None)
        if trial.type.idempotency is not Idempotency.SEARCH:
            pytest.skip("It does not declare `search`, so it is never asked for duplicates")
        if look is None:
            pytest.skip("It has no `duplicates`: a create that was repeated may leave a second job")
        first, second = trial.create(), trial.create()
        alone = trial.create(trial.other_token(2))
        oldest = trial.find()
        expect(
            oldest == first, f"`find` returns the oldest, so that engines agree: `{first}`, not `{oldest}`"
        )
        kept = [Kept(trial.request(), first), Kept(trial.request(trial.other_token(2)), alone)]
        found = [each.id for each in look(trial.context, kept)]
        expect(found == [second.id], f"The duplicates of `{first.id}` are `{[second.id]}`, not `{found}`")
        expect(trial.survivors() == [first.id, second.id], "`duplicates` has no side effect")
        trial.service.finish(second.id)
        later = look(trial.context, kept)
        expect(not later, f"A job that ended is no duplicate: `{later}`")

    def test_reference_is_enough_after_a_restart(self, trial: Trial[SwitchT]) -> None:
        """All that is left of a job is its reference, as JSON."""
        job = trial.create()
        stored = msgspec.json.decode(msgspec.json.encode(job), type=JobRef)
        expect(stored == job, f"The reference survives JSON: `{job}`, `{stored}`")
        after_restart = trial.restarted()
        expect(after_restart.phase(stored) is trial.phase(job), "A restarted handler polls by the reference")
        after_restart.cancel(stored)

    def test_create_starts_nothing_when_the_gate_refuses(self, trial: Trial[SwitchT]) -> None:
        """An executor that lost its execution must not start its jobs."""
        refusal = TransientError("The execution was taken over")
        trial.context.calls.refuse_writes(refusal)
        error = raised(trial.create)
        expect(error is refusal, f"What `calls.write()` raises leaves `create`: `{refusal}`, not `{error!r}`")
        expect(not trial.service.jobs_for(trial.token), "Nothing starts when `calls.write()` raises")

    def test_every_call_passes_the_gate(self, trial: Trial[SwitchT]) -> None:
        """What does not is neither counted nor kept within the service's rate."""
        before = trial.service.calls_received()
        job = trial.create()
        expect(trial.context.calls.writes >= 1, "`create` starts the job inside `calls.write()`")
        writes = trial.context.calls.writes
        trial.poll(job)
        expect(trial.context.calls.writes == writes, "a poll uses `calls.read()` only")
        trial.service.finish(job.id)
        trial.outputs(job)
        expect(trial.context.calls.writes == writes, "reading outputs uses `calls.read()` only")
        trial.cancel(job)
        expect(trial.context.calls.writes > writes, "`cancel` uses `calls.write()`")
        received = trial.service.calls_received() - before
        passed = trial.context.calls.total
        expect(
            received == passed, f"Each call is made inside `calls`: `{received}` arrived, `{passed}` passed"
        )
