"""BigQuery jobs as typed tasks of a workflow.

In the flow: `sales = BigQueryJob(project="shop", sql="SELECT …  WHERE day = @day", inputs={"day": date},
outputs={"rows": DataFrame})`. Inputs are bound as query parameters, never written into the SQL.
"""

from __future__ import annotations

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
from hardpoint_bigquery.config import BigQueryConfig
from hardpoint_bigquery.task import BigQueryJob

__all__ = ["BigQueryJob", "Identifier", "plugin"]

INTERACTIVE_QUEUE, BATCH_QUEUE = 1000, 20_000
"""Queries that wait, for each project and region; a pool counts those that run too, and so stays below. How
many run at once the service decides by itself. Source: "Use query queues", and "Quotas and limits", "Query
jobs", of the BigQuery documentation. Of jobs that load, copy or extract Google limits only those of a day."""
CALLS_PER_S, BURST = 90.0, 10
"""Together at most 100 calls in any second, which is what one user may make of each method; all methods count
as one here. Source: "Quotas and limits", "BigQuery API", of the BigQuery documentation; it also has 300 calls
at once for each user, and 1,000 calls of jobs.get a second for each project."""


def _handler() -> JobHandler:
    # Google's client takes a second to import; a flow that only mentions a query must not wait for it.
    from hardpoint_bigquery.handler import BigQueryHandler

    return BigQueryHandler()


class BigQueryPlugin:
    """What the entry point `bigquery` names."""

    @hookimpl
    def task_types(self) -> Iterable[TaskType]:
        """Declare the task type `bigquery`."""
        return [
            TaskType(
                "bigquery",
                Shape.JOB,
                _handler,
                config=BigQueryConfig,
                idempotency=Idempotency.NAME,
                poll=PollPolicy(first_s=0.2, fraction=0.1, max_s=30.0, batch_max=500),
                doc="A query or script of BigQuery, or a job that loads, copies or extracts",
                # Large results are read page by page in one verb; each page has `http_timeout_s` of its own.
                call_timeout_s=600.0,
                capabilities=(Capability.LOGS, Capability.USAGE),
            )
        ]

    @hookimpl
    def resource_pools(self) -> Iterable[ResourcePool]:
        """The queues of a project and location."""
        return [
            ResourcePool("bigquery:*", INTERACTIVE_QUEUE, "queries"),
            ResourcePool("bigquery:batch:*", BATCH_QUEUE, "queries"),
        ]

    @hookimpl
    def rate_limits(self) -> Iterable[RateLimit]:
        """For each project and location, as if each was called by a user of its own."""
        return [RateLimit("bigquery:*", CALLS_PER_S, CALLS_PER_S, burst=BURST)]

    @hookimpl
    def diagnose(self, context: Context) -> Iterable[Finding]:
        """Look for credentials, and ask the service with a dry run."""
        # With Google's client, as the handler.
        from hardpoint_bigquery.diagnosis import findings

        return findings(context)


plugin = BigQueryPlugin()
