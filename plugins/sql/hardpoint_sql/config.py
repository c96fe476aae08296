"""What a task of type `sql` may say in its config."""

from __future__ import annotations

import msgspec

from hardpoint.plugin_api.query_task import Destination
from hardpoint.plugin_api.sql_text import SqlText


class SqlConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The config of a `sql` task.

    Args:
        sql: The statements.
        url: Of the database, as SQLAlchemy writes it; empty: a DuckDB in memory, new for each attempt.
        url_secret: Name of the secret that holds the URL instead.
        options: Handed to `duckdb.connect(config=…)`, or to the driver's own `connect`.
        transaction: Whether all statements are one transaction.
        read_only: Of a DuckDB file: several attempts may read it at a time, and none may change it.
        destination: The table that the rows of the last statement go into; all outputs are then its name.
    """

    sql: SqlText
    url: str = ""
    url_secret: str = ""
    options: dict[str, str | int | float | bool] = {}
    transaction: bool = True
    read_only: bool = False
    destination: Destination | None = None
