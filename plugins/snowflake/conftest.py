"""One stand-in for all tests of a run, and a proxy of its own for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hardpoint.plugin_api.testing.fault_proxy import FaultProxy
from hardpoint_snowflake.config import Connection
from hardpoint_snowflake.conformance import SECRET, TOKEN, connection_to
from hardpoint_snowflake.testing.http_dialect import SnowflakeDialect
from hardpoint_snowflake.testing.runner import Runner
from hardpoint_snowflake.testing.server import Standin
from hardpoint_snowflake.testing.switch import SnowflakeSwitch


@pytest.fixture(scope="session")
def started() -> Iterator[Standin]:
    with Standin() as standin:
        yield standin


@pytest.fixture
def standin(started: Standin) -> Standin:
    started.set(oauth_tokens=[TOKEN], remembers=True, lag_s=0.0, bytes_explained=4096)
    return started


@pytest.fixture
def switch(standin: Standin) -> Iterator[SnowflakeSwitch]:
    with FaultProxy(standin.url, SnowflakeDialect()) as proxy:
        yield SnowflakeSwitch(standin, proxy)


@pytest.fixture
def account(switch: SnowflakeSwitch) -> Connection:
    return connection_to(switch.url)


@pytest.fixture
def runner() -> Iterator[Runner]:
    runner = Runner({SECRET: TOKEN})
    yield runner
    runner.context.store.close()
