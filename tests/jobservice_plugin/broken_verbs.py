"""Job handlers with one verb that does something else than it should: every class must fail in the suite.

Not collected by name; `test_contract_catches.py` runs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from broken_kit import BrokenKit
from hardpoint_jobservice import SearchHandler, TokenHandler
from hardpoint_jobservice_conformance import JobServiceContract

from hardpoint.plugin_api import (
    Context,
    CreateRequest,
    ErrorInfo,
    Inputs,
    JobRef,
    Kept,
    Outputs,
    PermanentSystemError,
    Phase,
    SecretMissingError,
    Status,
    TransientError,
    UserError,
)


class Broken(BrokenKit, JobServiceContract):
    """Of any kind of idempotency."""


class TestOneKeyForAll(Broken):
    class broken(TokenHandler):
        def create(self, context: Context, request: CreateRequest) -> JobRef:
            return self.post(context, request, key="the-key")


class TestReturnsAnotherId(Broken):
    class broken(TokenHandler):
        def create(self, context: Context, request: CreateRequest) -> JobRef:
            return msgspec.structs.replace(super().create(context, request), id="j0")


class TestTriesWrongRequestsAgain(Broken):
    class broken(TokenHandler):
        def create(self, context: Context, request: CreateRequest) -> JobRef:
            try:
                return super().create(context, request)
            except UserError as error:
                raise TransientError(error.message) from None


class TestGoesOnWithoutItsSecret(Broken):
    class broken(TokenHandler):
        def create(self, context: Context, request: CreateRequest) -> JobRef:
            try:
                return super().create(context, request)
            except SecretMissingError:
                raise TransientError("No secret yet") from None


class TestNamesAnotherSecret(Broken):
    class broken(TokenHandler):
        def create(self, context: Context, request: CreateRequest) -> JobRef:
            return msgspec.structs.replace(super().create(context, request), secrets=("OTHER_TOKEN",))


class TestHasNoHint(Broken):
    class broken(TokenHandler):
        def find(self, context: Context, request: CreateRequest) -> JobRef | None:
            try:
                return super().find(context, request)
            except PermanentSystemError as error:
                raise PermanentSystemError(error.message) from None


class TestNeverFinds(Broken):
    class broken(TokenHandler):
        def find(self, context: Context, request: CreateRequest) -> JobRef | None:
            return None


class TestCancelsDuplicatesItself(Broken):
    name = "jobservice_search"

    class broken(SearchHandler):
        def duplicates(self, context: Context, kept: Sequence[Kept]) -> Sequence[JobRef]:
            found = super().duplicates(context, kept)
            for each in found:
                self.cancel(context, each, "duplicate")
            return found


class TestNeverCancels(Broken):
    class broken(TokenHandler):
        def cancel(self, context: Context, job: JobRef, reason: str) -> None:
            """Nothing."""


class TestCancelsEverything(Broken):
    class broken(TokenHandler):
        seen: list[JobRef]

        def create(self, context: Context, request: CreateRequest) -> JobRef:
            job = super().create(context, request)
            self.seen = [*getattr(self, "seen", []), job]
            return job

        def cancel(self, context: Context, job: JobRef, reason: str) -> None:
            for each in self.seen:
                super().cancel(context, each, reason)


class TestMissesForgottenJobs(Broken):
    class broken(TokenHandler):
        def cancel(self, context: Context, job: JobRef, reason: str) -> None:
            if self.poll_many(context, [job])[job.id].phase is Phase.ABSENT:
                raise UserError(f"No job `{job.id}`")
            super().cancel(context, job, reason)


class TestNeedsAFirstJob(Broken):
    class broken(TokenHandler):
        def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
            context.logger.info("polling for %s", jobs[0].account)
            return super().poll_many(context, jobs)


class TestAnswersForAllItKnows(Broken):
    class broken(TokenHandler):
        known: Mapping[str, Status] = {}

        def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
            self.known = {**self.known, **super().poll_many(context, jobs)}
            return self.known


class TestKnowsItsJobsByHeart(Broken):
    class broken(TokenHandler):
        known: frozenset[str] = frozenset()

        def create(self, context: Context, request: CreateRequest) -> JobRef:
            job = super().create(context, request)
            self.known |= {job.id}
            return job

        def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
            return super().poll_many(context, [job for job in jobs if job.id in self.known])


class TestNeverSucceeds(Broken):
    class broken(TokenHandler):
        def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
            running = Status(Phase.RUNNING)
            found = super().poll_many(context, jobs)
            return {job: running if each.phase is Phase.SUCCEEDED else each for job, each in found.items()}


class TestSucceedsAtOnce(Broken):
    class broken(TokenHandler):
        def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
            return {job.id: Status(Phase.SUCCEEDED) for job in jobs}


class TestSaysNumbers(Broken):
    class broken(TokenHandler):
        def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
            code: str = 7  # type: ignore[assignment]
            error = ErrorInfo("JobFailed", "It failed")
            return {job.id: Status(Phase.FAILED, code, error) for job in jobs}


class TestTellsOtherOutputs(Broken):
    class broken(TokenHandler):
        def outputs(self, context: Context, request: CreateRequest, job: JobRef) -> Outputs:
            found: Inputs = super().outputs(context, request, job)
            return {name: wire + 1 for name, wire in found.items()}


class TestVerbsAreRight(Broken):
    """The control."""

    broken = SearchHandler
    name = "jobservice_search"
