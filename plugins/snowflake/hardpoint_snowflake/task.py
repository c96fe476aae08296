"""What an author writes: a query of Snowflake as a task."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import msgspec

from hardpoint.plugin_api import (
    Cache,
    Options,
    Resources,
    Retry,
    Secret,
    TaskDefinition,
    UsageError,
)
from hardpoint.plugin_api.definition import caller_position
from hardpoint.plugin_api.query_task import Destination, QueryParts
from hardpoint.plugin_api.sql_text import Identifier
from hardpoint_snowflake.config import Connection, Setting, SnowflakeConfig
from hardpoint_snowflake.placeholders import place


class SnowflakeQuery(TaskDefinition):
    """A query of Snowflake with typed inputs and outputs.

    Values of inputs never become part of the SQL: the service binds them.

    Args:
        name: In listings; by default the file's name without its ending, else `snowflake`.
        sql: The SQL, with `:name` where an input's value goes; or else
        file: a `.sql` file with it, relative to the folder of the file that defines the task.
        connection: Where it runs and as whom.
        inputs: Type hints by name, or `Parameter(hint, default=…)`. Lists, dicts, structs, and the rows of a
            table up to 1 MB arrive as JSON text for `parse_json(:name)`; files cannot be bound. An
            `Identifier` is a name, and fills the `{slot}` that is called like it.
        outputs: Type hints by name, or one alone. One table (pandas, pyarrow, polars) is the result; scalars
            are the columns of its only row, by name, and a single scalar is its only column; an `Identifier`
            is the name of `destination`; none: nothing is read.
        names: Names for each `{slot}` in the SQL, such as of a table; checked and quoted, so in the case in
            which the service keeps them.
        destination: The table that the result becomes, such as `PUBLIC.TOTALS`; a name as in `names`.
        write: `create`: there must be no such table yet; `append`: there must be one, whose columns get those
            of the result in their order; `replace`: either.
        statements, query_tag, statement_timeout_s, queued_timeout_s, bytes_scanned_max, parameters: See
            `SnowflakeConfig`.
        version: Set by hand, it replaces the digest of SQL and settings.
        resources, retry, cache, timeout, queue_timeout, deadline, secrets: As for `@task`.

    Raises:
        UsageError: The SQL is missing, an input is not used in it, or outputs and destination do not fit.
        ValueError: A setting does not fit, see `SnowflakeConfig`.

    Example:
        ```python
        shop = Connection("acme-eu1", user="etl", database="SHOP", warehouse="SMALL")
        sales = SnowflakeQuery(
            sql="select region, sum(amount) as total from orders where day >= :since group by region",
            connection=shop, inputs={"since": datetime.date}, outputs={"totals": pandas.DataFrame},
        )
        ```
    """

    def __init__(
        self,
        name: str = "",
        *,
        connection: Connection,
        sql: str | None = None,
        file: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        outputs: Any = None,
        names: Mapping[str, str | Identifier] | None = None,
        destination: str | Identifier | None = None,
        write: str = "create",
        statements: int = 1,
        query_tag: str = "",
        statement_timeout_s: int | None = None,
        queued_timeout_s: int | None = None,
        bytes_scanned_max: int | None = None,
        parameters: Mapping[str, Setting] | None = None,
        version: str = "",
        resources: Resources | None = None,
        retry: Retry | None = None,
        cache: Cache | bool | None = None,
        timeout: timedelta | float | None = None,
        queue_timeout: timedelta | float | None = None,
        deadline: timedelta | float | None = None,
        secrets: Iterable[Secret | str] = (),
        doc: str = "",
    ) -> None:
        parts = QueryParts.given(
            caller_position(), sql=sql, file=file, inputs=inputs, outputs=outputs, names=names
        )
        place(parts.text.text, parts.bound)
        table = Destination.given(destination, write)
        _check_outputs(parts, table)
        config = SnowflakeConfig(
            connection,
            parts.text,
            statements,
            query_tag,
            statement_timeout_s,
            queued_timeout_s,
            bytes_scanned_max,
            dict(parameters or {}),
            table,
        )
        named = (*connection.secrets, *secrets)
        super().__init__(
            name=parts.name(name, "snowflake"),
            task_type="snowflake",
            file=parts.file,
            inputs=parts.inputs,
            outputs=parts.outputs,
            config=msgspec.to_builtins(config),
            options=Options.given(
                resources=resources,
                retry=retry,
                cache=cache,
                timeout=timeout,
                queue_timeout=queue_timeout,
                deadline=deadline,
                secrets=named,
            ),
            version=version or hashlib.sha256(msgspec.json.encode(config, order="sorted")).hexdigest(),
            files=parts.text.path(parts.file.parent),
            doc=doc,
            position=parts.position,
        )


def _check_outputs(parts: QueryParts, destination: Destination | None) -> None:
    parts.check_destination(destination)
    others = [name for name in parts.outputs if name not in parts.table_outputs]
    if destination is not None and others:
        raise UsageError(
            f"The result of {parts.text.origin} goes into `{destination.table.name}`, and output "
            f"`{others[0]}` would be read from it",
            hint="Let it be the table's name, by the hint `Identifier`, and read that in another query",
        )
