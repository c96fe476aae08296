"""What an author writes: a query of Snowflake as a task."""

from __future__ import annotations

import hashlib
import keyword
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from hardpoint.plugin_api import (
    Cache,
    Options,
    Parameter,
    Position,
    Resources,
    Retry,
    Secret,
    TaskDefinition,
    UsageError,
)
from hardpoint.plugin_api.definition import caller_position
from hardpoint.plugin_api.sql_text import Dialect, Identifier, SqlText
from hardpoint_snowflake.config import Connection, Setting, SnowflakeConfig
from hardpoint_snowflake.placeholders import place

DIALECT = Dialect('"', longest=255)


class SnowflakeQuery(TaskDefinition):
    """A query of Snowflake with typed inputs and outputs.

    Values of inputs never become part of the SQL: the service binds them.

    Args:
        sql: The SQL, with `:name` where an input's value goes; or else
        file: a `.sql` file with it, relative to the folder of the file that defines the task.
        connection: Where it runs and as whom.
        inputs: Type hints by name, or `Parameter(hint, default=…)`. Lists, dicts and structs arrive as JSON
            text for `parse_json(:name)`; files and tables cannot be bound.
        outputs: Type hints by name. One table (pandas, pyarrow, polars) is the result; scalars are the
            columns of its only row, by name, and a single scalar is its only column; none: nothing is read.
        names: Names for each `{slot}` in the SQL, such as of a table; checked and quoted, so in the case in
            which the service keeps them.
        name: In listings; by default the file's name without its ending, else `snowflake`.
        statements, query_tag, statement_timeout_s, queued_timeout_s, bytes_scanned_max, parameters: See
            `SnowflakeConfig`.
        version: Set by hand, it replaces the digest of SQL and settings.
        resources, retry, cache, timeout, queue_timeout, deadline, secrets: As for `@task`.

    Raises:
        UsageError: The SQL is missing, or an input is not used in it.

    Example:
        ```python
        shop = Connection("acme-eu1", user="etl", database="SHOP", warehouse="SMALL")
        sales = SnowflakeQuery(
            "select region, sum(amount) as total from orders where day >= :since group by region",
            connection=shop, inputs={"since": datetime.date}, outputs={"totals": pandas.DataFrame},
        )
        ```
    """

    def __init__(
        self,
        sql: str | None = None,
        *,
        connection: Connection,
        file: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        names: Mapping[str, str] | None = None,
        name: str = "",
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
        position = caller_position()
        defining = _defining_file(position)
        query = _query(sql, file, defining.parent, names or {})
        place(query.text, (inputs or {}).keys())
        _check_outputs(outputs or {}, query)
        config = SnowflakeConfig(
            connection,
            query,
            statements,
            query_tag,
            statement_timeout_s,
            queued_timeout_s,
            bytes_scanned_max,
            dict(parameters or {}),
        )
        named = (*connection.secrets, *secrets)
        super().__init__(
            name=name or re.sub(r"\W", "_", Path(file).stem if file else "snowflake"),
            task_type="snowflake",
            file=defining,
            inputs={key: Parameter.given(value) for key, value in (inputs or {}).items()},
            outputs=outputs or {},
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
            files=query.path(defining.parent),
            doc=doc,
            position=position,
        )


def _query(sql: str | None, file: str | None, folder: Path, names: Mapping[str, str]) -> SqlText:
    given = SqlText.given(sql=sql, file=file, folder=folder)
    identifiers = {slot: Identifier(name) for slot, name in names.items()}
    return SqlText(given.with_names(identifiers, DIALECT), given.file)


def _defining_file(position: Position) -> Path:
    file = Path(position.file)
    if not file.is_file():
        raise UsageError(
            f"`SnowflakeQuery` was called in `{position.file}`, which is not a file",
            hint="Define the task in a Python file, so that the project it belongs to can be archived",
        )
    return file.resolve()


def _check_outputs(outputs: Mapping[str, Any], query: SqlText) -> None:
    for name in outputs:
        if not name.isidentifier() or keyword.iskeyword(name):
            raise UsageError(
                f"Output `{name}` of {query.origin} is not a Python name",
                hint="Outputs are columns of the result: give the column such a name with `as`",
            )
