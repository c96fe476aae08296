"""One token, one job: whatever happens to the reply and however often the executor asks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import msgspec
import pytest

from hardpoint.plugin_api.errors import TransientError
from hardpoint.plugin_api.handler import CreateRequest, Idempotency, JobRef
from hardpoint.plugin_api.testing.contract.trial import ContractPart, SwitchT, Trial, expect
from hardpoint.plugin_api.testing.fakes import FakeContext

REPETITIONS = 10


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

    def test_create_repeated_is_the_same_job(self, repeatable: Trial[SwitchT]) -> None:
        """Ten times over."""
        first = repeatable.create()
        for _ in range(REPETITIONS):
            again = repeatable.create_again()
            expect(again.id == first.id, f"A repeated create is the first job: `{again.id}`, `{first.id}`")
        repeatable.expect_one_job(first, f"after {REPETITIONS} creates")

    def test_create_after_a_lost_reply_is_the_same_job(self, repeatable: Trial[SwitchT]) -> None:
        """The job that started unseen is adopted."""
        repeatable.create_with_lost_reply()
        repeatable.expect_one_job(repeatable.create_again(), "after a lost reply")

    def test_create_after_a_broken_reply_is_the_same_job(self, repeatable: Trial[SwitchT]) -> None:
        """As after a lost one."""
        repeatable.service.garble_next_reply()
        try:
            repeatable.create()
        except Exception as error:  # `FailingContract` says which errors it may be
            repeatable.context.logger.info("the broken reply raised %s", error)
        repeatable.expect_one_job(repeatable.create_again(), "after a broken reply")

    def test_create_in_another_process_is_the_same_job(self, repeatable: Trial[SwitchT]) -> None:
        """A handler must not remember in memory what it started."""
        first = repeatable.create()
        after_restart = repeatable.restarted()
        again = after_restart.create_again()
        expect(again.id == first.id, f"After a restart it is the first job: `{again.id}`, `{first.id}`")
        after_restart.expect_one_job(first, "after a restart")

    def test_two_callers_at_once_get_one_job(self, repeatable: Trial[SwitchT]) -> None:
        """Two executors that both believe they own the attempt."""
        trials = [repeatable, repeatable.restarted()]
        together = Barrier(len(trials))

        def create(trial: Trial[SwitchT]) -> None:
            together.wait()
            try:
                trial.create()
            except TransientError:
                trial.create_again()

        with ThreadPoolExecutor(len(trials)) as threads:
            for done in [threads.submit(create, trial) for trial in trials]:
                done.result()
        repeatable.expect_one_job(repeatable.create_again(), "when two callers create at once")

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
        if look is None or trial.type.idempotency is not Idempotency.SEARCH:
            return
        first, second = trial.create(), trial.create()
        trial.service.settle()
        found = [each.id for each in look(trial.context, trial.request(), first)]
        expect(found == [second.id], f"The duplicates of `{first.id}` are `{[second.id]}`, not `{found}`")
        expect(trial.survivors() == [first.id, second.id], "`duplicates` has no side effect")
        trial.service.finish(second.id)
        later = look(trial.context, trial.request(), first)
        expect(not later, f"A job that ended is no duplicate: `{later}`")

    def test_reference_is_enough_after_a_restart(self, trial: Trial[SwitchT]) -> None:
        """All that is left of a job is its reference, as JSON."""
        job = trial.create()
        stored = msgspec.json.decode(msgspec.json.encode(job), type=JobRef)
        expect(stored == job, f"The reference survives JSON: `{job}`, `{stored}`")
        after_restart = trial.restarted()
        expect(after_restart.phase(stored) is trial.phase(job), "A restarted handler polls by the reference")
        after_restart.handler.cancel(after_restart.context, stored, "contract")

    def test_create_starts_nothing_when_the_gate_refuses(self, trial: Trial[SwitchT]) -> None:
        """An executor that lost its execution must not start its jobs."""
        refusal = TransientError("The execution was taken over")
        trial.context.calls.refuse_writes(refusal)
        raised = raised_by_create(trial, trial.context, trial.request())
        expect(
            raised is refusal, f"What `calls.write()` raises leaves `create`: `{refusal}`, not `{raised!r}`"
        )
        expect(not trial.service.jobs_for(trial.token), "Nothing starts when `calls.write()` raises")

    def test_every_call_passes_the_gate(self, trial: Trial[SwitchT]) -> None:
        """What does not is neither counted nor kept within the service's rate."""
        before = trial.service.calls_received()
        job = trial.create()
        expect(trial.context.calls.writes >= 1, "`create` starts the job inside `calls.write()`")
        writes = trial.context.calls.writes
        trial.poll(job)
        expect(trial.context.calls.writes == writes, "`poll_many` uses `calls.read()` only")
        trial.service.finish(job.id)
        trial.handler.outputs(trial.context, trial.request(), job)
        expect(trial.context.calls.writes == writes, "`outputs` uses `calls.read()` only")
        trial.handler.cancel(trial.context, job, "contract")
        expect(trial.context.calls.writes > writes, "`cancel` uses `calls.write()`")
        received = trial.service.calls_received() - before
        passed = trial.context.calls.total
        expect(
            received == passed, f"Each call is made inside `calls`: `{received}` arrived, `{passed}` passed"
        )


def raised_by_create(
    trial: Trial[SwitchT], context: FakeContext, request: CreateRequest
) -> BaseException | None:
    """What `create` raises; None if it returns."""
    try:
        trial.handler.create(context, request)
    except Exception as error:  # whatever it is, the caller compares it with what it should be
        return error
    return None
