"""Job handlers that each break one promise, under the contract suite: every class here must fail in it.

Not collected by name; `test_contract_catches.py` runs it.
"""

from __future__ import annotations

import logging
import os
import socket
import tempfile
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import msgspec
import pytest
from broken_kit import BrokenKit
from hardpoint_jobservice_client import JobPage
from hardpoint_jobservice_conformance import JobServiceContract
from hardpoint_jobservice_handlers import NameHandler, SearchHandler, TokenHandler, account_of, config_of

from hardpoint.plugin_api import (
    Context,
    CreateRequest,
    ErrorKind,
    JobRef,
    Kept,
    Outputs,
    Phase,
    Status,
    TaskType,
    ThrottledError,
    TransientError,
    UserError,
)
from hardpoint.plugin_api.testing.contract import HandlerContract
from hardpoint.plugin_api.testing.jobservice import JobService
from hardpoint.plugin_api.testing.jobservice.switch import JobServiceSwitch


class Broken(BrokenKit, JobServiceContract):
    """Of any kind of idempotency."""


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


class TestFindsTheYoungest(Broken):
    name = "jobservice_search"

    class broken(SearchHandler):
        def find(self, context: Context, request: CreateRequest) -> JobRef | None:
            oldest = super().find(context, request)
            others = self.duplicates(context, [Kept(request, oldest)]) if oldest else ()
            return others[-1] if others else oldest


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


class TestTwiceOnItsWay(Broken):
    """It declares a token that its service never sees."""

    class broken(TokenHandler):
        def create(self, context: Context, request: CreateRequest) -> JobRef:
            return self.post(context, request)


class TestAdoptsAnything(Broken):
    name = "jobservice_name"

    class broken(NameHandler):
        def create(self, context: Context, request: CreateRequest) -> JobRef:
            config = config_of(request)
            found = self.search(context, request, f"name={request.token}")
            if not found:
                return super().create(context, request)
            extra = {"url": config.url, "tenant": config.tenant, "http_timeout_s": config.http_timeout_s}
            return JobRef(found[0].id, account_of(config), (config.token_secret,), extra)


class TestMapsAStateWrongly(Broken):
    broken = TokenHandler

    def status_of(self, state: str) -> Status:
        return Status(Phase.FAILED) if state == "CANCELLED" else super().status_of(state)


class TestEndsAnUnknownState(Broken):
    broken = TokenHandler

    def status_of(self, state: str) -> Status:
        known = super().status_of(state)
        return Status(Phase.FAILED, state) if known.reason.startswith(state) else known


WORDS: dict[str, str] = {}


class ShowingSwitch(JobServiceSwitch):
    """A switch that has the service say any word of a job."""

    def show(self, job_id: str, state: str) -> None:
        WORDS[job_id] = state


class TestNamesNoUnknownState(BrokenKit, HandlerContract[JobServiceSwitch]):
    """Its states are looked at through the service, not through a function of the plugin."""

    class broken(TokenHandler):
        def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
            return {job.id: Status(Phase.__members__.get(WORDS[job.id], Phase.RUNNING)) for job in jobs}

    @pytest.fixture
    def service(self, running: JobService) -> Iterator[JobServiceSwitch]:
        yield ShowingSwitch(running)


class TestMakesUpStatuses(Broken):
    class broken(TokenHandler):
        def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
            try:
                return super().poll_many(context, jobs)
            except TransientError:
                return {job.id: Status(Phase.ABSENT) for job in jobs}


class TestRemembersAnOutage(Broken):
    class broken(TokenHandler):
        gone = 0

        def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
            try:
                statuses = super().poll_many(context, jobs)
            except TransientError:
                self.gone += 1
                raise
            return {job.id: Status(Phase.ABSENT) for job in jobs} if self.gone > 20 else statuses


class TestCountsItsPolls(Broken):
    class broken(TokenHandler):
        polls = 0

        def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
            self.polls += 1
            statuses = super().poll_many(context, jobs)
            return {job: Status(each.phase, f"poll {self.polls}") for job, each in statuses.items()}


class TestChargesTheAuthor(Broken):
    class broken(TokenHandler):
        def find(self, context: Context, request: CreateRequest) -> JobRef | None:
            try:
                return super().find(context, request)
            except TransientError as error:
                charged = TransientError(error.message)
                charged.kind = ErrorKind.USER
                raise charged from None


class TestLogsTheSecret(Broken):
    class broken(TokenHandler):
        def create(self, context: Context, request: CreateRequest) -> JobRef:
            logging.getLogger("vendor").debug("token %s", context.secret("JOBSERVICE_TOKEN"))
            return super().create(context, request)


class TestLeavesAThread(Broken):
    class broken(TokenHandler):
        def __init__(self) -> None:
            super().__init__()
            threading.Thread(target=threading.Event().wait, name="keepalive", daemon=True).start()


LEFT: list[object] = []


class TestLeavesASocket(Broken):
    class broken(TokenHandler):
        def __init__(self) -> None:
            super().__init__()
            LEFT.append(socket.socket())


class TestForgetsAFile(Broken):
    class broken(TokenHandler):
        def create(self, context: Context, request: CreateRequest) -> JobRef:
            open(__file__)  # noqa: SIM115 - that is what is wrong with it
            return super().create(context, request)


class TestLeavesATemporaryFile(Broken):
    class broken(TokenHandler):
        def create(self, context: Context, request: CreateRequest) -> JobRef:
            os.close(tempfile.mkstemp()[0])
            return super().create(context, request)


class TestImportsTheSdk(Broken):
    """Its plugin object lies in a module that imports what stands for an SDK here."""

    broken = TokenHandler
    plugin_object = "broken_discovery:plugin"
    vendor_modules = ("wave",)


class TestIsRight(Broken):
    """The control: nothing in the harness itself makes a class fail."""

    broken = SearchHandler
    name = "jobservice_search"
    plugin_object = "hardpoint_jobservice:plugin"
    vendor_modules = ("wave",)
