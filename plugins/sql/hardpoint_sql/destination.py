"""A result as a table of the database it comes from.

SQLAlchemy's `CreateTableAs` would write the values of inputs into the SQL as literals. Here they stay bound,
and what makes a table of a query's rows is set in front of the query.
"""

from __future__ import annotations

from typing import assert_never

from hardpoint.plugin_api import UsageError
from hardpoint.plugin_api.query_task import Destination
from hardpoint.plugin_api.sql_text import Dialect
from hardpoint_sql.urls import IN_MEMORY, backend_of, duckdb_file

WITHOUT_CREATE_AS = ("mssql", "firebird", "db2", "ibm_db_sa")
"""Dialects of SQLAlchemy whose databases have no `CREATE TABLE … AS SELECT …`, or ask for more words."""


def check_writes(destination: Destination, url: str) -> None:
    """Hold a destination to the database.

    Raises:
        UsageError: The database cannot write it in that way, or is gone with the attempt.
    """
    backend = backend_of(url)
    # A name with a dot may be a table of a database that an earlier statement attaches.
    if backend == "duckdb" and duckdb_file(url) == IN_MEMORY and "." not in destination.table.name:
        raise UsageError(
            f"The table `{destination.table.name}` would be in a DuckDB in memory, and gone with the attempt",
            hint="Name a database, such as `url='duckdb:////data/sales.duckdb'`",
        )
    if backend in WITHOUT_CREATE_AS and destination.write != "append":
        raise UsageError(
            f"{backend} makes no table of a query's rows with `CREATE TABLE … AS`, "
            f"so `{destination.table.name}` cannot be written with `{destination.write}`",
            hint='Create the table in an earlier statement and write `write="append"`',
        )


def leads(destination: Destination, url: str, dialect: Dialect) -> tuple[str, ...]:
    """What makes a table of the rows of a query.

    Args:
        destination: The table.
        url: Of the database.
        dialect: How it writes names.

    Returns:
        Whole statements to run before, and last what stands in front of the query, on its first line.

    >>> from hardpoint.plugin_api.sql_text import Identifier
    >>> leads(Destination(Identifier("sales.totals"), "replace"), "sqlite:////x.db", Dialect())
    ('DROP TABLE IF EXISTS "sales"."totals"', 'CREATE TABLE "sales"."totals" AS ')
    """
    table = destination.table.quoted(dialect)
    match destination.write:
        case "append":
            return (f"INSERT INTO {table} ",)
        case "create":
            return (f"CREATE TABLE {table} AS ",)
        case "replace" if backend_of(url) == "duckdb":
            return (f"CREATE OR REPLACE TABLE {table} AS ",)
        case "replace":
            return (f"DROP TABLE IF EXISTS {table}", f"CREATE TABLE {table} AS ")
        case _:
            assert_never(destination.write)
