"""Snowflake queries as typed tasks of a workflow.

sales = SnowflakeQuery("select * from orders where day >= :since", connection=WAREHOUSE,
                       inputs={"since": date}, outputs={"rows": pandas.DataFrame})
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from hardpoint.plugin_api import (
    Capability,
    Context,
    Finding,
    Idempotency,
    JobHandler,
    PollPolicy,
    RateLimit,
    ResourcePool,
    Shape,
    TaskType,
    hookimpl,
)
from hardpoint_snowflake import diagnosis
from hardpoint_snowflake.config import KEY_SECRET, Connection, SnowflakeConfig
from hardpoint_snowflake.task import SnowflakeQuery

__all__ = ["Connection", "SnowflakeQuery", "plugin"]

STATEMENTS_PER_WAREHOUSE = 8
"""The service's default of `MAX_CONCURRENCY_LEVEL`; more would wait in the warehouse's own queue."""


def _handler() -> JobHandler:
    # The connector takes a tenth of a second to import, not needed by a flow that only mentions a query.
    from hardpoint_snowflake.handler import SnowflakeHandler

    return SnowflakeHandler()


class SnowflakePlugin:
    """What the entry point `snowflake` names."""

    @hookimpl
    def task_types(self) -> Iterable[TaskType]:
        """Declare the task type `snowflake`."""
        return [
            TaskType(
                "snowflake",
                Shape.JOB,
                _handler,
                config=SnowflakeConfig,
                # Repeated request ids are answered with the first query, but for how long is not documented.
                idempotency=Idempotency.SEARCH,
                settling_delay_s=5.0,
                poll=PollPolicy(first_s=0.25, batch_max=200),
                secrets=(KEY_SECRET,),
                doc="A query that runs in a warehouse of Snowflake",
                call_timeout_s=120.0,
                capabilities=(Capability.USAGE,),
            )
        ]

    @hookimpl
    def resource_pools(self) -> Iterable[ResourcePool]:
        """Statements that one warehouse runs at once."""
        return [ResourcePool("snowflake:*", capacity=STATEMENTS_PER_WAREHOUSE, unit="statements")]

    @hookimpl
    def rate_limits(self) -> Iterable[RateLimit]:
        """Calls per account and user; the service publishes no figure."""
        return [RateLimit("snowflake:*", reads_per_s=20.0, writes_per_s=10.0, burst=20)]

    @hookimpl
    def diagnose(self, context: Context) -> Iterable[Finding]:
        """Look for the connector, sign in, and read the history."""
        return diagnosis.findings(context, os.environ)


plugin = SnowflakePlugin()
