"""The kits of the job service's task types: one for each kind of idempotency and shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import msgspec
import pytest
from hardpoint_jobservice import plugin
from hardpoint_jobservice_arrays import ArrayView, array_status
from hardpoint_jobservice_client import JobView
from hardpoint_jobservice_handlers import status_of

from hardpoint.plugin_api import (
    ArrayStatus,
    CreateRequest,
    Inputs,
    Interface,
    Phase,
    SimpleKind,
    SimpleType,
    Status,
    TaskSpec,
    TaskType,
    Variable,
)
from hardpoint.plugin_api.testing.contract import ArrayContract, HandlerContract, PushContract
from hardpoint.plugin_api.testing.fakes import fake_request
from hardpoint.plugin_api.testing.jobservice import JobService
from hardpoint.plugin_api.testing.jobservice.array_switch import ArrayServiceSwitch
from hardpoint.plugin_api.testing.jobservice.switch import JobServiceSwitch

TOKEN = "sesame-and-nothing-else"
LONGER_THAN_ANY_TEST_S = 3600.0
SHORT_S = 0.5
USAGE = {"bytes_scanned": 4096.0, "cost_usd": 0.25}
DOCUMENTED: Mapping[str, Phase] = {
    "QUEUED": Phase.QUEUED,
    "RUNNING": Phase.RUNNING,
    "SUCCEEDED": Phase.SUCCEEDED,
    "FAILED": Phase.FAILED,
    "CANCELLED": Phase.CANCELLED,
}


class Common:
    """What all kits answer alike."""

    name: ClassVar = "jobservice"
    secrets: ClassVar[Mapping[str, str]] = {"JOBSERVICE_TOKEN": TOKEN}
    vendor_states: ClassVar[Mapping[str, Phase]] = DOCUMENTED

    @pytest.fixture(scope="class")
    @classmethod
    def running(cls) -> Iterator[JobService]:
        with JobService(require_token=TOKEN) as service:
            yield service

    def task_type(self) -> TaskType:
        return next(each for each in plugin.task_types() if each.name == self.name)

    def request(self, service: JobServiceSwitch, token: str) -> CreateRequest:
        return self.request_with(token, url=service.url)

    def impatient_request(self, service: JobServiceSwitch, token: str) -> CreateRequest:
        return self.request_with(token, url=service.url, http_timeout_s=SHORT_S)

    def request_with(self, token: str, **config: Any) -> CreateRequest:
        number = SimpleType(SimpleKind.INT)
        interface = Interface((Variable("value", number),), (Variable("result", number),))
        config |= {"duration_s": LONGER_THAN_ANY_TEST_S, "token_secret": "JOBSERVICE_TOKEN", "usage": USAGE}
        spec = TaskSpec("flow.py:double", self.name, "v1", interface, config)
        return fake_request(spec, {"value": 10**30}, token=token)

    @pytest.fixture
    def service(self, running: JobService) -> Iterator[JobServiceSwitch]:
        yield JobServiceSwitch(running)


class JobServiceContract(Common, HandlerContract[JobServiceSwitch]):
    """Subclass it and give the `name` of the task type."""

    def status_of(self, state: str) -> Status:
        return status_of(JobView("j1", state))


class TokenKit(JobServiceContract):
    name = "jobservice"


class NameKit(JobServiceContract):
    name = "jobservice_name"


class SearchKit(JobServiceContract):
    name = "jobservice_search"


class PushKit(JobServiceContract, PushContract[JobServiceSwitch]):
    name = "jobservice_push"


class ArrayKit(Common, ArrayContract[ArrayServiceSwitch]):
    name = "jobservice_array"

    def request(self, service: JobServiceSwitch, token: str) -> CreateRequest:
        return msgspec.structs.replace(super().request(service, token), inputs={})

    def item(self, index: int) -> Inputs:
        return {"value": 10**30 + index}

    def status_of(self, state: str) -> ArrayStatus:
        return array_status(ArrayView("a1", state, "R"))

    @pytest.fixture
    def service(self, running: JobService) -> Iterator[ArrayServiceSwitch]:
        yield ArrayServiceSwitch(running)
