"""What is submitted for an attempt: the author's SQL with its names, bind variables and destination."""

from __future__ import annotations

from typing import assert_never

import msgspec

from hardpoint.plugin_api import Context, CreateRequest
from hardpoint.plugin_api.query_task import Destination
from hardpoint.plugin_api.sql_text import Dialect
from hardpoint_snowflake.bindings import binds_of
from hardpoint_snowflake.config import SnowflakeConfig
from hardpoint_snowflake.placeholders import Placed, place
from hardpoint_snowflake.statements import Statement

DIALECT = Dialect('"', longest=255)


def config_of(request: CreateRequest) -> SnowflakeConfig:
    """The config of the task."""
    return msgspec.convert(request.spec.config, SnowflakeConfig)


def submitted_sql(request: CreateRequest) -> str:
    """The SQL as the history will show it.

    Raises:
        UserError: The value of an input is no name, or too long for one.
    """
    return opening(config_of(request).destination) + _placed(request).sql


def submission(context: Context, request: CreateRequest) -> Statement:
    """The SQL and its bind variables.

    Raises:
        UserError: As for `submitted_sql`, or an input cannot be bound.
    """
    return msgspec.structs.replace(query_of(context, request), sql=submitted_sql(request))


def query_of(context: Context, request: CreateRequest) -> Statement:
    """The same without the destination, for `EXPLAIN`: it changes nothing of what is scanned.

    Raises:
        UserError: As for `submission`.
    """
    placed = _placed(request)
    face = request.spec.interface
    return Statement(placed.sql, binds_of(placed.names, face, request.inputs, context.values, context.store))


def opening(destination: Destination | None) -> str:
    """What makes a table of a query. It stands on the first line, so that lines are counted as before.

    >>> opening(Destination.given("sales.totals", "append"))
    'insert into "sales"."totals" '
    """
    if destination is None:
        return ""
    table = destination.table.quoted(DIALECT)
    match destination.write:
        case "create":
            return f"create table {table} as "
        case "append":
            return f"insert into {table} "
        case "replace":
            return f"create or replace table {table} as "
        case never:
            assert_never(never)


def _placed(request: CreateRequest) -> Placed:
    sql = config_of(request).sql
    bound = {each.name for each in request.spec.interface.inputs} - set(sql.inputs)
    return place(sql.named(DIALECT, request.inputs).strip(), bound)
