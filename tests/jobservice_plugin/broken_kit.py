"""What kits of broken handlers share: one service for all of them, not a process for each."""

from __future__ import annotations

import atexit
import functools
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec
import pytest
from hardpoint_jobservice_conformance import TOKEN, Common

from hardpoint.plugin_api import TaskType
from hardpoint.plugin_api.testing.jobservice import JobService


@functools.cache
def service_for_all() -> JobService:
    service = JobService(require_token=TOKEN).start()
    atexit.register(service.stop)
    return service


class BrokenKit(Common):
    """Puts a broken handler in the place of the right one."""

    broken: ClassVar[Any]

    @pytest.fixture
    def running(self) -> Iterator[JobService]:
        yield service_for_all()

    def task_type(self) -> TaskType:
        return msgspec.structs.replace(super().task_type(), handler=self.broken)
