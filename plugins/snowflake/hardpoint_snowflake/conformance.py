"""The kit of the task type `snowflake`: what `hardpoint plugins check snowflake` runs.

The official connector talks over HTTP to a stand-in, through a proxy that breaks things on purpose. The
stand-in forgets request ids, so that what is declared is held without them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import msgspec
import pytest

from hardpoint.plugin_api import (
    CreateRequest,
    Interface,
    Phase,
    SimpleKind,
    SimpleType,
    Status,
    TaskSpec,
    TaskType,
    Variable,
)
from hardpoint.plugin_api.sql_text import SqlText
from hardpoint.plugin_api.testing.contract import HandlerContract
from hardpoint.plugin_api.testing.fakes import fake_request
from hardpoint.plugin_api.testing.fault_proxy import FaultProxy
from hardpoint_snowflake import plugin
from hardpoint_snowflake.config import Connection, SnowflakeConfig
from hardpoint_snowflake.states import QueryRow, status_of
from hardpoint_snowflake.testing.http_dialect import SnowflakeDialect
from hardpoint_snowflake.testing.server import Standin
from hardpoint_snowflake.testing.switch import SnowflakeSwitch

SECRET = "SNOWFLAKE_TOKEN"  # noqa: S105 - its name
TOKEN = "an-access-token-to-look-for"  # noqa: S105 - of the stand-in
SQL = "select :value as value, system$wait(3600) as waited"
LAG_S = 0.5
SHORT_S = 0.7
NUMBER, TEXT = SimpleType(SimpleKind.INT), SimpleType(SimpleKind.STR)
FACE = Interface((Variable("value", NUMBER),), (Variable("value", NUMBER), Variable("waited", TEXT)))

# From the service's documentation, not from the plugin.
STATES = {
    "QUEUED": Phase.QUEUED,
    "RESUMING_WAREHOUSE": Phase.QUEUED,
    "QUEUED_REPARING_WAREHOUSE": Phase.QUEUED,
    "RUNNING": Phase.RUNNING,
    "BLOCKED": Phase.RUNNING,
    "RESTARTED": Phase.RUNNING,
    "ABORTING": Phase.RUNNING,
    "SUCCESS": Phase.SUCCEEDED,
    "FAILED_WITH_ERROR": Phase.FAILED,
    "FAILED_WITH_INCIDENT": Phase.FAILED,
    "DISCONNECTED": Phase.FAILED,
    "ABORTED": Phase.CANCELLED,
    "NO_DATA": Phase.ABSENT,
}


def connection_to(url: str, **changed: Any) -> Connection:
    """A connection to the stand-in by OAuth."""
    given = {"oauth_token": SECRET, "url": url, **changed}
    return Connection("acme-eu1", user="ETL", database="DB1", warehouse="SMALL", **given)


class SnowflakeKit(HandlerContract[SnowflakeSwitch]):
    """Queries that wait until they are told to end."""

    secrets: ClassVar[Mapping[str, str]] = {SECRET: TOKEN}
    vendor_modules = ("snowflake",)
    vendor_states = STATES
    unknown_id = "01b2c3d4-0000-0000-0000-000000000000"

    @pytest.fixture(scope="class")
    @classmethod
    def running(cls) -> Iterator[Standin]:
        """One stand-in for all cases."""
        with Standin() as standin:
            standin.set(oauth_tokens=[TOKEN], remembers=False, lag_s=LAG_S)
            yield standin

    @pytest.fixture
    def service(self, running: Standin) -> Iterator[SnowflakeSwitch]:
        """A proxy of its own for each case."""
        with FaultProxy(running.url, SnowflakeDialect()) as proxy:
            yield SnowflakeSwitch(running, proxy)

    def task_type(self) -> TaskType:
        """The only one."""
        return next(iter(plugin.task_types()))

    def request(self, service: SnowflakeSwitch, token: str) -> CreateRequest:
        """A query that waits."""
        return request_for(connection_to(service.url), token)

    def impatient_request(self, service: SnowflakeSwitch, token: str) -> CreateRequest:
        """The same, asked by somebody who does not wait for long."""
        return request_for(connection_to(service.url, timeout_s=SHORT_S), token)

    def status_of(self, state: str) -> Status:
        """By the plugin's pure function."""
        return status_of(QueryRow("q1", state))


def request_for(connection: Connection, token: str) -> CreateRequest:
    """An attempt that runs `SQL`."""
    config = msgspec.to_builtins(SnowflakeConfig(connection, SqlText(SQL)))
    return fake_request(TaskSpec("flow.py:wait", "snowflake", "v1", FACE, config), {"value": 7}, token=token)
