"""Snowflake queries as typed tasks of a workflow.

sales = SnowflakeQuery(sql="select * from orders where day >= :since", connection=WAREHOUSE,
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
from hardpoint.plugin_api.sql_text import Identifier
from hardpoint_snowflake import diagnosis
from hardpoint_snowflake.config import KEY_SECRET, Connection, SnowflakeConfig
from hardpoint_snowflake.task import SnowflakeQuery

__all__ = ["Connection", "Identifier", "SnowflakeQuery", "plugin"]

STATEMENTS_PER_WAREHOUSE = 8
"""The default of `MAX_CONCURRENCY_LEVEL`; more would wait in the warehouse's own queue. Snowflake's page
"Limiting concurrently running queries". How many may wait there is not published."""

READS_PER_S, WRITES_PER_S = 20.0, 20.0
"""Our own choice: Snowflake's page "Submitting a request to execute SQL statements" says that the service
answers 429 by its load, and no page has a figure."""

SETTLING_S = 5.0
"""Our own guess: the page of the function `QUERY_HISTORY_BY_USER` has no figure for how late a row appears.
(The 45 minutes of the view of that name in ACCOUNT_USAGE are not about it.)"""


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
                # Repeated request ids are answered with the first query, but only in its session.
                idempotency=Idempotency.SEARCH,
                settling_delay_s=SETTLING_S,
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
        """Calls per account and user."""
        return [RateLimit("snowflake:*", reads_per_s=READS_PER_S, writes_per_s=WRITES_PER_S, burst=20)]

    @hookimpl
    def diagnose(self, context: Context) -> Iterable[Finding]:
        """Look for the connector, sign in, and read the history."""
        return diagnosis.findings(context, os.environ)


plugin = SnowflakePlugin()
