"""SQL queries as typed tasks of a workflow.

`best = SqlQuery("best", sql="SELECT max(x) FROM points WHERE x < :limit", outputs=int,
inputs={"points": DataFrame, "limit": int})`
"""

from __future__ import annotations

from collections.abc import Iterable

from hardpoint.plugin_api import Finding, FunctionHandler, ResourcePool, Shape, TaskType, hookimpl
from hardpoint.plugin_api.sql_text import Identifier
from hardpoint_sql import diagnosis
from hardpoint_sql.config import SqlConfig
from hardpoint_sql.pools import CONNECTIONS, claims_of
from hardpoint_sql.task import SqlQuery

__all__ = ["Identifier", "SqlQuery", "plugin"]


def _handler() -> FunctionHandler:
    # pyarrow takes a moment to import; a flow that only mentions a query must not wait for it.
    from hardpoint_sql.handler import SqlHandler

    return SqlHandler()


class SqlPlugin:
    """What the entry point `sql` names."""

    @hookimpl
    def task_types(self) -> Iterable[TaskType]:
        """Declare the task type `sql`."""
        return [
            TaskType(
                "sql",
                Shape.FUNCTION,
                _handler,
                config=SqlConfig,
                doc="SQL on DuckDB, or on any database that SQLAlchemy knows",
                claims_of=claims_of,
            )
        ]

    @hookimpl
    def resource_pools(self) -> Iterable[ResourcePool]:
        """Connections to each database that is a server."""
        return [ResourcePool("sql:*", CONNECTIONS, "connections")]

    @hookimpl
    def diagnose(self) -> Iterable[Finding]:
        """Look for the libraries, and try DuckDB."""
        return diagnosis.findings()


plugin = SqlPlugin()
