"""The table that a result becomes: what stands before the author's SQL, and what runs before it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, assert_never

from hardpoint.plugin_api import UsageError, UserError
from hardpoint.plugin_api.query_task import Destination, QueryParts
from hardpoint.plugin_api.sql_text import Dialect
from hardpoint_athena.sql_literals import property_literal

QUERIES = Dialect('"', longest=255)
"""Statements of Trino: `CREATE TABLE AS` and `INSERT INTO`."""
DEFINITIONS = Dialect("`", longest=255)
"""Statements of Hive: `DROP TABLE`."""
PARTS_MAX = 2
_PROPERTY = re.compile(r"[a-z][a-z0-9_]*")


def opening(destination: Destination | None, properties: Mapping[str, Any]) -> str:
    """What makes a table of a query. It stands on the first line, so that lines are counted as before.

    Args:
        destination: If there is one.
        properties: Of the table, as `CREATE TABLE AS` takes them.

    Raises:
        UserError: A part of the name is too long.

    >>> opening(Destination.given("sales.totals", "create"), {"format": "ORC", "partitioned_by": ["day"]})
    'CREATE TABLE "sales"."totals" WITH (format = \\'ORC\\', partitioned_by = ARRAY[\\'day\\']) AS '
    """
    if destination is None:
        return ""
    table = destination.table.quoted(QUERIES)
    match destination.write:
        case "append":
            return f"INSERT INTO {table} "
        case "create" | "replace":
            told = ", ".join(f"{name} = {property_literal(value)}" for name, value in properties.items())
            return f"CREATE TABLE {table} WITH ({told}) AS " if told else f"CREATE TABLE {table} AS "
        case never:
            assert_never(never)


def drop_of(destination: Destination) -> str:
    """The statement before one that replaces a table.

    >>> drop_of(Destination.given("sales.totals", "replace"))
    'DROP TABLE IF EXISTS `sales`.`totals`'
    """
    return f"DROP TABLE IF EXISTS {destination.table.quoted(DEFINITIONS)}"


def check_destination(
    parts: QueryParts,
    destination: Destination | None,
    properties: Mapping[str, Any],
    reuse_minutes: int | None,
) -> None:
    """Hold a destination to what the service can do, and the outputs to it.

    Raises:
        UsageError: It cannot work.
    """
    parts.check_destination(destination)
    if destination is None:
        if properties:
            raise UsageError(
                "`table_properties` are given, and no table", hint='Add `destination="database.table"`'
            )
        return
    table = destination.table.name
    if table.count(".") >= PARTS_MAX:
        raise UsageError(
            f"The name `{table}` has more than {PARTS_MAX} parts",
            hint='Name the catalog apart: `destination="database.table", catalog="…"`',
        )
    if reuse_minutes is not None:
        raise UsageError(
            f"`reuse_minutes` is given, and the query writes `{table}`", hint="Leave `reuse_minutes` out"
        )
    if others := [name for name in parts.outputs if name not in parts.table_outputs]:
        raise UsageError(
            f"The result of {parts.text.origin} goes into `{table}`; output `{others[0]}` is not its name",
            hint="Give the output the hint `Identifier`, and read the table in another query",
        )
    _check_properties(destination, properties)


def _check_properties(destination: Destination, properties: Mapping[str, Any]) -> None:
    if destination.write == "append" and properties:
        raise UsageError(
            f"`table_properties` are given, and `{destination.table.name}` is appended to",
            hint="A table gets its properties when it is made",
        )
    if destination.write == "replace" and "external_location" in properties:
        raise UsageError(
            "`external_location` is given to a table that is replaced, and Athena wants that folder empty",
            hint="Leave `external_location` out: each new table then gets a folder of its own",
        )
    for name, value in properties.items():
        if not _PROPERTY.fullmatch(name):
            raise UsageError(f"`{name}` is not a property of a table", hint="Such as `format`")
        try:
            property_literal(value)
        except UserError as error:
            raise UsageError(f"Property `{name}` of the table: {error.message}", hint=error.hint) from None
