"""The end of a job on request: before anyone saw it, while it runs, after it ended, twice."""

from __future__ import annotations

import threading
from contextlib import suppress

import msgspec
import pytest

from hardpoint.plugin_api.errors import TransientError
from hardpoint.plugin_api.handler import Idempotency, JobRef
from hardpoint.plugin_api.phase import Phase
from hardpoint.plugin_api.testing.contract.calling import raised
from hardpoint.plugin_api.testing.contract.trial import ContractPart, SwitchT, Trial, expect

GONE = (Phase.CANCELLED, Phase.ABSENT)


class CancellingContract(ContractPart[SwitchT]):
    """`cancel`."""

    def test_cancel_ends_the_job(self, trial: Trial[SwitchT]) -> None:
        """And a poll says so."""
        job = trial.create()
        _cancel(trial, job)
        expect_gone(trial, job)

    def test_cancel_of_a_job_whose_create_was_not_answered(self, trial: Trial[SwitchT]) -> None:
        """Found by its token, then cancelled."""
        if trial.type.idempotency is Idempotency.NONE:
            pytest.skip(f"Task type `{trial.type.name}` declares no idempotency, so it finds nothing")
        trial.create_with_lost_reply()
        job = trial.find()
        assert job is not None, "`find` returns the job whose create was never answered"
        _cancel(trial, job)
        expect_gone(trial, job)

    def test_cancel_before_create_finds_nothing_to_end(self, trial: Trial[SwitchT]) -> None:
        """And leaves the service as it is: the attempt ends without a job."""
        found = trial.find()
        expect(found is None, f"There is no job to cancel before a create, so not `{found}`")
        expect(trial.context.calls.writes == 0, "`find` makes no call that changes something")

    def test_cancel_while_create_is_under_way(self, trial: Trial[SwitchT]) -> None:
        """Whoever comes first: what `find` shows in the end can be cancelled."""
        if trial.type.idempotency is Idempotency.NONE:
            pytest.skip(f"Task type `{trial.type.name}` declares no idempotency, so it finds nothing")
        creating = threading.Thread(target=raised, args=(trial.create,))
        creating.start()
        seen = trial.restarted()
        early = seen.find()
        if early is not None:
            _cancel(seen, early)
        creating.join()
        job = seen.find()
        assert job is not None, "`find` returns the job once its create has ended"
        _cancel(seen, job)
        expect_gone(seen, job)

    def test_cancel_twice_is_no_error(self, trial: Trial[SwitchT]) -> None:
        """The executor repeats it until it is confirmed."""
        job = trial.create()
        _cancel(trial, job)
        _cancel(trial.restarted(), job)
        expect_gone(trial, job)

    def test_cancel_after_the_end_changes_nothing(self, trial: Trial[SwitchT]) -> None:
        """The job may have ended while the cancel was on its way."""
        job = trial.create()
        trial.service.finish(job.id)
        _cancel(trial, job)
        phase = trial.phase(job)
        expect(phase is Phase.SUCCEEDED, f"A job that succeeded stays so after a cancel, not `{phase}`")

    def test_cancel_of_an_unknown_job_is_no_error(self, trial: Trial[SwitchT]) -> None:
        """Services forget old jobs."""
        _cancel(trial, msgspec.structs.replace(trial.create(), id=self.unknown_id))

    def test_cancel_after_a_lost_reply_can_be_repeated(self, trial: Trial[SwitchT]) -> None:
        """The reply to the first one never arrives."""
        job = trial.create()
        trial.service.lose_next_reply()
        with suppress(TransientError):
            trial.cancel(job)
        _cancel(trial, job)
        expect_gone(trial, job)

    def test_cancel_leaves_other_jobs_alone(self, trial: Trial[SwitchT]) -> None:
        """Of the same account."""
        job, other = trial.create(), trial.create(trial.other_token(2))
        _cancel(trial, job)
        phase = trial.phase(other)
        expect(phase not in GONE, f"A cancel of `{job.id}` leaves `{other.id}` alone, which is `{phase}`")


def expect_gone(trial: Trial[SwitchT], job: JobRef) -> None:
    """Fail unless a poll says that the job was cancelled."""
    phase = trial.phase(job)
    expect(phase in GONE, f"A cancelled job is `CANCELLED` or `ABSENT`, not `{phase}`")
    expect(job.id not in trial.survivors(), f"The service ended `{job.id}`")


def _cancel(trial: Trial[SwitchT], job: JobRef) -> None:
    try:
        trial.cancel(job)
    except Exception as error:
        raise AssertionError(f"`cancel` is repeatable and raises nothing here, not `{error!r}`") from error
