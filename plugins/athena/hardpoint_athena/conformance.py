"""The kit of task type `athena`: run by `hardpoint plugins check athena`.

It talks to a stand-in over HTTP, through boto3; the first run installs it.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

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
from hardpoint.plugin_api.sql_text import SqlText
from hardpoint.plugin_api.testing.contract import HandlerContract
from hardpoint.plugin_api.testing.fakes import fake_request
from hardpoint.plugin_api.testing.fault_proxy import FaultProxy
from hardpoint_athena import plugin
from hardpoint_athena.config import AthenaConfig
from hardpoint_athena.testing.http_dialect import AthenaDialect
from hardpoint_athena.testing.standin import Standin
from hardpoint_athena.testing.switch import AthenaSwitch

INT, TEXT = SimpleType(SimpleKind.INT), SimpleType(SimpleKind.STR)
FACE = Interface(
    (Variable("number", INT), Variable("words", TEXT)), (Variable("n", INT), Variable("w", TEXT))
)
QUERY = SqlText("SELECT n, w FROM (VALUES (7, 'it''s')) AS t (n, w) WHERE n = :number + 1 AND w = :words")
# From the service's documentation, not from the plugin.
STATES = {
    "QUEUED": Phase.QUEUED,
    "RUNNING": Phase.RUNNING,
    "SUCCEEDED": Phase.SUCCEEDED,
    "FAILED": Phase.FAILED,
    "CANCELLED": Phase.CANCELLED,
}
SECRETS = {"ATHENA_KEY": "AKIAOPENSESAME000000", "ATHENA_SECRET": "open-sesame-and-query"}
IMPATIENCE_S = 0.5


class AthenaKit(HandlerContract[AthenaSwitch]):
    """One query for each job."""

    secrets = SECRETS
    vendor_modules = ("boto3", "botocore", "pyarrow")
    unknown_id = "11111111-2222-3333-4444-555555555555"
    vendor_states = STATES

    def task_type(self) -> TaskType:
        """The task type `athena`."""
        return next(iter(plugin.task_types()))

    def request(self, service: AthenaSwitch, token: str) -> CreateRequest:
        """A query with two parameters."""
        return self._request(service, token, 20.0)

    def impatient_request(self, service: AthenaSwitch, token: str) -> CreateRequest:
        """The same, with a short wait for answers."""
        return self._request(service, token, IMPATIENCE_S)

    def _request(self, service: AthenaSwitch, token: str, timeout_s: float) -> CreateRequest:
        config = AthenaConfig(QUERY, connection=service.connection(timeout_s))
        spec = TaskSpec("flow.py:count", "athena", "v1", FACE, msgspec.to_builtins(config))
        return fake_request(spec, {"number": 6, "words": "it's"}, token=token)

    @pytest.fixture(scope="class")
    @classmethod
    def running(cls) -> Iterator[tuple[Standin, FaultProxy]]:
        """One process and one proxy for all cases."""
        with Standin() as standin, FaultProxy(standin.url, AthenaDialect()) as proxy:
            yield standin, proxy

    @pytest.fixture
    def service(self, running: tuple[Standin, FaultProxy]) -> AthenaSwitch:
        """Without queries."""
        return AthenaSwitch(*running)
