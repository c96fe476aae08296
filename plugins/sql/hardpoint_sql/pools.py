"""What queries hold while they run: connections to a database server."""

from __future__ import annotations

from hardpoint.plugin_api import ResourceClaim
from hardpoint_sql.config import SqlConfig
from hardpoint_sql.urls import backend_of, place_of

CONNECTIONS = 20
"""Of one database. A fifth of what a PostgreSQL server takes from all its clients (`max_connections`, by
default 100: PostgreSQL documentation, "Connections and Authentication"); MySQL takes 151 (MySQL Reference
Manual, "Too many connections").
"""
EMBEDDED = ("duckdb", "sqlite")
"""Their files are locked by whoever writes, and there is no server whose connections could run out."""


def claims_of(config: SqlConfig) -> tuple[ResourceClaim, ...]:
    """One connection to the database, which is called by its place: never by user, password or query.

    A URL that is a secret is not known before the attempt: its pool has the secret's name.

    >>> from hardpoint.plugin_api.sql_text import SqlText
    >>> claims_of(SqlConfig(SqlText("SELECT 1"), "postgresql+psycopg://me@db.example/sales?sslmode=require"))
    (ResourceClaim(pool='sql:postgresql/db.example/sales', units=1),)
    >>> claims_of(SqlConfig(SqlText("SELECT 1"), url_secret="WAREHOUSE_URL"))[0].pool
    'sql:secret/WAREHOUSE_URL'
    """
    if config.url_secret:
        return (ResourceClaim(f"sql:secret/{config.url_secret}"),)
    backend = backend_of(config.url)
    return () if backend in EMBEDDED else (ResourceClaim(f"sql:{backend}/{place_of(config.url)}"),)
