"""Handlers that each break one promise, under the contract suite: every class here must fail in it.

Not collected by name; `test_contract_catches.py` runs it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any, ClassVar

import msgspec
from hardpoint_jobservice_client import JobPage
from hardpoint_jobservice_contract import JobServiceContract
from hardpoint_jobservice_handlers import NameHandler, SearchHandler, TokenHandler

from hardpoint.plugin_api import (
    Context,
    CreateRequest,
    JobHandler,
    JobRef,
    Outputs,
    Phase,
    Status,
    TaskType,
    ThrottledError,
    TransientError,
    UserError,
)


class Broken(JobServiceContract):
    """Puts a broken handler in the place of the right one."""

    broken: ClassVar[type[JobHandler]]

    def task_type(self) -> TaskType:
        return msgspec.structs.replace(super().task_type(), handler=self.broken)


class TestIgnoresTheToken(Broken):
    class broken(TokenHandler):
        def create(self, context: Context, request: CreateRequest) -> JobRef:
            return self.post(context, request, key=uuid.uuid4().hex)


class TestRemembersInMemory(Broken):
    class broken(TokenHandler):
        def __init__(self) -> None:
            super().__init__()
            self.seen: dict[str, JobRef] = {}

        def create(self, context: Context, request: CreateRequest) -> JobRef:
            if request.token not in self.seen:
                self.seen[request.token] = self.post(context, request)
            return self.seen[request.token]


class TestRefusesATakenName(Broken):
    name = "jobservice_name"

    class broken(NameHandler):
        def create(self, context: Context, request: CreateRequest) -> JobRef:
            if self.find(context, request) is not None:
                raise UserError(f"The name `{request.token}` is taken")
            return super().create(context, request)


class TestNeverSearches(Broken):
    name = "jobservice_search"

    class broken(SearchHandler):
        def create(self, context: Context, request: CreateRequest) -> JobRef:
            return self.post(context, request)

        def find(self, context: Context, request: CreateRequest) -> JobRef | None:
            return TokenHandler.find(self, context, request)


class TestDeclaresNoSettlingDelay(Broken):
    name = "jobservice_search"
    broken = SearchHandler

    def task_type(self) -> TaskType:
        return msgspec.structs.replace(super().task_type(), settling_delay_s=0.0)


class TestPollsOneByOne(Broken):
    class broken(TokenHandler):
        def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
            statuses: dict[str, Status] = {}
            for job in jobs:
                statuses.update(super().poll_many(context, [job]))
            return statuses


class TestUnknownIdFailsTheBatch(Broken):
    class broken(TokenHandler):
        def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
            statuses = super().poll_many(context, jobs)
            if any(status.phase is Phase.ABSENT for status in statuses.values()):
                raise UserError("No such job")
            return statuses


class TestFailedWithoutError(Broken):
    class broken(TokenHandler):
        def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
            statuses = super().poll_many(context, jobs)
            return {job: Status(status.phase) for job, status in statuses.items()}


class TestKeepsTheSecret(Broken):
    class broken(TokenHandler):
        def create(self, context: Context, request: CreateRequest) -> JobRef:
            job = super().create(context, request)
            token = context.secret("JOBSERVICE_TOKEN")
            return msgspec.structs.replace(job, extra={**job.extra, "token": token})


class TestTellsTheSecret(Broken):
    class broken(TokenHandler):
        def cancel(self, context: Context, job: JobRef, reason: str) -> None:
            try:
                super().cancel(context, job, reason)
            except TransientError as error:
                raise TransientError(f"{error} with {context.secret('JOBSERVICE_TOKEN')}") from None


class _Ungated:
    """A context whose gate counts nothing."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.calls = self

    def read(self) -> nullcontext[None]:
        return nullcontext()

    def write(self) -> nullcontext[None]:
        return nullcontext()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


class TestBypassesTheGate(Broken):
    class broken(TokenHandler):
        def create(self, context: Context, request: CreateRequest) -> JobRef:
            ungated: Any = _Ungated(context)
            return super().create(ungated, request)


class TestSwallowsThrottling(Broken):
    class broken(TokenHandler):
        def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
            try:
                return super().poll_many(context, jobs)
            except ThrottledError as error:
                raise TransientError(error.message) from None


class TestForgetsRetryAfter(Broken):
    class broken(TokenHandler):
        def create(self, context: Context, request: CreateRequest) -> JobRef:
            try:
                return super().create(context, request)
            except ThrottledError as error:
                raise ThrottledError(error.message) from None


class TestRaisesTheDecodersError(Broken):
    class broken(TokenHandler):
        def find(self, context: Context, request: CreateRequest) -> JobRef | None:
            try:
                return super().find(context, request)
            except TransientError as error:
                if "cannot be read" in error.message:
                    msgspec.json.decode(b"{", type=JobPage)
                raise


class TestOutputsOfAnotherType(Broken):
    class broken(TokenHandler):
        def outputs(self, context: Context, request: CreateRequest, job: JobRef) -> Outputs:
            found = super().outputs(context, request, job)
            return {name: str(wire) for name, wire in found.items()}


class TestCancelsOnlyOnce(Broken):
    class broken(TokenHandler):
        def cancel(self, context: Context, job: JobRef, reason: str) -> None:
            if self.poll_many(context, [job])[job.id].phase not in (Phase.QUEUED, Phase.RUNNING):
                raise UserError(f"Job `{job.id}` ended already")
            super().cancel(context, job, reason)


class TestFindsAnything(Broken):
    class broken(TokenHandler):
        def find(self, context: Context, request: CreateRequest) -> JobRef | None:
            return super().find(context, request) or JobRef("j0")


class TestAcceptsMisspeltConfig(Broken):
    broken = TokenHandler

    def task_type(self) -> TaskType:
        class LaxConfig(msgspec.Struct, frozen=True):
            url: str

        return msgspec.structs.replace(super().task_type(), config=LaxConfig)


class TestIsRight(Broken):
    """The control: nothing in the harness itself makes a class fail."""

    broken = SearchHandler
    name = "jobservice_search"
