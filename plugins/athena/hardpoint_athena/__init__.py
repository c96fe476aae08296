"""Queries of Amazon Athena as typed tasks of a workflow.

In the flow: `count = AthenaQuery(sql="SELECT count(*) FROM orders", outputs={"n": int}, database="shop")`.
"""

from __future__ import annotations

from collections.abc import Iterable

from hardpoint.plugin_api import (
    Capability,
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
from hardpoint_athena import diagnosis, quotas
from hardpoint_athena.config import AthenaConfig, Connection
from hardpoint_athena.task import AthenaQuery

__all__ = ["AthenaQuery", "Connection", "Identifier", "plugin"]

BATCH_MAX = 50
"""What `BatchGetQueryExecution` takes."""


def _handler() -> JobHandler:
    # With what decodes results; a flow that only mentions a query must not wait for it.
    from hardpoint_athena.handler import AthenaHandler

    return AthenaHandler()


class AthenaPlugin:
    """What the entry point `athena` names."""

    @hookimpl
    def task_types(self) -> Iterable[TaskType]:
        """Declare the task type `athena`."""
        return [
            TaskType(
                "athena",
                Shape.JOB,
                _handler,
                config=AthenaConfig,
                idempotency=Idempotency.TOKEN,
                settling_delay_s=5.0,
                poll=PollPolicy(batch_max=BATCH_MAX),
                doc="A query of Amazon Athena",
                capabilities=(Capability.LOGS, Capability.USAGE),
            )
        ]

    @hookimpl
    def resource_pools(self) -> Iterable[ResourcePool]:
        """AWS's default quotas, by region."""
        return quotas.resource_pools()

    @hookimpl
    def rate_limits(self) -> Iterable[RateLimit]:
        """AWS's default quota, for each account and region."""
        return [quotas.rate_limit()]

    @hookimpl
    def diagnose(self) -> Iterable[Finding]:
        """Look for the SDK, credentials, the workgroup and the service's clock."""
        return diagnosis.findings()


plugin = AthenaPlugin()
