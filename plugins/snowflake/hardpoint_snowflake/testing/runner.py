"""Queries that run to their end through one handler, for tests."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from hardpoint.plugin_api import (
    AnyType,
    CreateRequest,
    Interface,
    JobRef,
    Phase,
    Status,
    TaskSpec,
    Variable,
)
from hardpoint.plugin_api.sql_text import SqlText
from hardpoint.plugin_api.testing.fakes import FakeContext, fake_request
from hardpoint_snowflake.config import Connection, SnowflakeConfig
from hardpoint_snowflake.handler import SnowflakeHandler

ENDS_WITHIN_S = 10.0
_numbers = itertools.count()


class Runner:
    """One handler and one context.

    Args:
        secrets: By name.
    """

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self.handler = SnowflakeHandler()
        self.context = FakeContext(secrets)

    def end(self, job: JobRef) -> Status:
        """Poll until it has ended."""
        give_up = time.monotonic() + ENDS_WITHIN_S
        while time.monotonic() < give_up:
            status = self.handler.poll_many(self.context, [job])[job.id]
            if status.phase.terminal:
                return status
            time.sleep(0.02)
        raise AssertionError(f"`{job.id}` did not end within {ENDS_WITHIN_S} s")

    def run(self, request: CreateRequest) -> Mapping[str, Any]:
        """The outputs of a query that succeeds."""
        job = self.handler.create(self.context, request)
        status = self.end(job)
        assert status.phase is Phase.SUCCEEDED, status
        return self.handler.outputs(self.context, request, job)

    def outcome(self, request: CreateRequest) -> Status:
        """The last status of a query, whatever that is."""
        return self.end(self.handler.create(self.context, request))


def asking(
    account: Connection,
    sql: str | SqlText,
    inputs: Mapping[str, tuple[AnyType, Any]] | None = None,
    outputs: Mapping[str, AnyType] | None = None,
    **config: Any,
) -> CreateRequest:
    """An attempt of its own that runs `sql`.

    Args:
        account: Where.
        sql: With `:name` for inputs; `{name}` for those that are names.
        inputs: Types and wire values by name.
        outputs: Types by name.
        config: Further fields of `SnowflakeConfig`.
    """
    given = inputs or {}
    face = Interface(
        tuple(Variable(name, type) for name, (type, _) in given.items()),
        tuple(Variable(name, type) for name, type in (outputs or {}).items()),
    )
    text = SqlText(sql) if isinstance(sql, str) else sql
    settings = msgspec.to_builtins(SnowflakeConfig(account, text, **config))
    spec = TaskSpec("flow.py:query", "snowflake", "v1", face, settings)
    values = {name: value for name, (_, value) in given.items()}
    return fake_request(spec, values, token=f"hp-{next(_numbers):032d}")
