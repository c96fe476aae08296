"""The contract suite, set up for any of the job service's task types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import pytest
from hardpoint_jobservice import plugin

from hardpoint.plugin_api import (
    CreateRequest,
    Interface,
    Phase,
    SimpleKind,
    SimpleType,
    TaskSpec,
    TaskType,
    Variable,
)
from hardpoint.plugin_api.testing.contract import HandlerContract
from hardpoint.plugin_api.testing.fakes import fake_request
from hardpoint.plugin_api.testing.jobservice import JobService, JobState, ScriptedFault

TOKEN = "sesame-and-nothing-else"
WRITES = "POST /v1/jobs|DELETE *"
LONGER_THAN_ANY_TEST_S = 3600.0


class JobServiceSwitch:
    """`FaultSwitch` over a running `JobService`."""

    def __init__(self, service: JobService) -> None:
        self.service = service

    def lose_next_reply(self) -> None:
        self.service.script(ScriptedFault(WRITES, "lost"))

    def garble_next_reply(self) -> None:
        self.service.script(ScriptedFault("*", "malformed"))

    def fail_next(self, status: int, *, retry_after_s: float | None = None) -> None:
        self.service.script(ScriptedFault("*", str(status), retry_after_s=retry_after_s))

    def settle(self) -> None:
        self.service.configure(listing_lag_s=0.0)

    def finish(self, job_id: str, phase: Phase = Phase.SUCCEEDED) -> None:
        self.service.finish(job_id, JobState[phase.name])

    def jobs_for(self, token: str) -> Mapping[str, Phase]:
        return {job.id: Phase[job.state] for job in self.service.records() if job.label == token}

    def calls_received(self) -> int:
        return self.service.stats().total.requests


class JobServiceContract(HandlerContract[JobServiceSwitch]):
    """Subclass it and give the `name` of the task type."""

    secrets: ClassVar = {"JOBSERVICE_TOKEN": TOKEN}
    name = "jobservice"

    @pytest.fixture(scope="class")
    @classmethod
    def running(cls) -> Iterator[JobService]:
        with JobService(require_token=TOKEN) as service:
            yield service

    def task_type(self) -> TaskType:
        return next(each for each in plugin.task_types() if each.name == self.name)

    def request(self, service: JobServiceSwitch, token: str) -> CreateRequest:
        number = SimpleType(SimpleKind.INT)
        interface = Interface((Variable("value", number),), (Variable("result", number),))
        config = {
            "url": service.service.url,
            "duration_s": LONGER_THAN_ANY_TEST_S,
            "token_secret": "JOBSERVICE_TOKEN",
        }
        spec = TaskSpec("flow.py:double", self.name, "v1", interface, config)
        return fake_request(spec, {"value": 10**30}, token=token)

    @pytest.fixture
    def service(self, running: JobService) -> Iterator[JobServiceSwitch]:
        running.reset()
        running.configure(listing_lag_s=LONGER_THAN_ANY_TEST_S)
        yield JobServiceSwitch(running)
