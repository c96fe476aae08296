"""What an author writes: SQL as a task."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from difflib import get_close_matches
from typing import Any

import msgspec

from hardpoint.plugin_api import (
    SINGLE_OUTPUT,
    Cache,
    Options,
    Resources,
    Retry,
    Secret,
    TaskDefinition,
    UsageError,
)
from hardpoint.plugin_api.definition import caller_position
from hardpoint.plugin_api.query_task import Destination, QueryParts, Write
from hardpoint.plugin_api.sql_text import Identifier
from hardpoint_sql.config import SqlConfig
from hardpoint_sql.destination import check_writes
from hardpoint_sql.statements import unknown_inputs
from hardpoint_sql.urls import check_plain, lexis_of


class SqlQuery(TaskDefinition):
    """SQL with typed inputs and outputs.

    Args:
        name: In listings.
        sql: One statement, or several with `;` between them.
        file: Path of a `.sql` file instead, relative to the folder of the file that defines the task.
        inputs: Type hints by name, or `Parameter(hint, default=…)`. `:name` in the SQL is the value, which
            the driver binds; of the type `Identifier`, `{name}` is the quoted name; a table (pandas, pyarrow,
            polars) is a table of that name, in DuckDB only.
        outputs: What the last statement gives: a table for all of its rows; type hints by the names of its
            columns for its only row, or one plain type for its only column; `Identifier` for the name of the
            `destination`; None for nothing.
        names: Names of tables or columns for each `{slot}` in the SQL; checked and quoted, so in the case in
            which the database keeps them.
        url: Of the database, as SQLAlchemy writes it, or the `Secret` that holds it. `duckdb:////data/x.duckdb`
            is a DuckDB file. Empty: a DuckDB in memory, new for each attempt.
        options: Settings of the connection: `{"memory_limit": "2GB"}` of DuckDB, or what the driver's own
            `connect` takes.
        destination: Table that the rows of the last statement go into, such as `sales.totals`, by name as in
            `names`.
        write: `create`: there must be no such table yet; `append`: there must be one; `replace`: either.
        transaction: Whether all statements are one transaction, so that a failed attempt changes nothing.
            False for SQL that says `BEGIN` and `COMMIT` itself, or that cannot be in one, such as `VACUUM`.
        read_only: Of a DuckDB file, which is else open to one attempt at a time.
        version: Set by hand, it replaces the digest of the SQL.
        resources, retry, cache, timeout, queue_timeout, deadline, interruptible, secrets: As for `@task`.

    Raises:
        UsageError: There is no SQL, or it and the inputs do not fit each other.

    Example:
        ```python
        revenue = SqlQuery(
            "revenue",
            sql="SELECT sum(amount) AS total FROM orders WHERE day >= :since",
            inputs={"orders": pd.DataFrame, "since": date},
            outputs={"total": float},
        )
        ```
    """

    def __init__(
        self,
        name: str,
        *,
        sql: str | None = None,
        file: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        outputs: Any = None,
        names: Mapping[str, str | Identifier] | None = None,
        url: str | Secret = "",
        options: Mapping[str, str | int | float | bool] | None = None,
        destination: str | Identifier | None = None,
        write: Write = "create",
        transaction: bool = True,
        read_only: bool = False,
        version: str = "",
        resources: Resources | None = None,
        retry: Retry | None = None,
        cache: Cache | bool | None = None,
        timeout: timedelta | float | None = None,
        queue_timeout: timedelta | float | None = None,
        deadline: timedelta | float | None = None,
        interruptible: bool = False,
        secrets: Iterable[Secret | str] = (),
        doc: str = "",
    ) -> None:
        parts = QueryParts.given(
            caller_position(), sql=sql, file=file, inputs=inputs, outputs=_named(outputs), names=names
        )
        config = SqlConfig(
            parts.text,
            url="" if isinstance(url, Secret) else check_plain(url, name),
            url_secret=url.name if isinstance(url, Secret) else "",
            options=dict(options or {}),
            transaction=transaction,
            read_only=read_only,
            destination=Destination.given(destination, write),
        )
        _check_destination(parts, config)
        _check_inputs(config, parts.bound)
        wanted = [Secret(each) if isinstance(each, str) else each for each in secrets]
        super().__init__(
            name=name,
            task_type="sql",
            file=parts.file,
            inputs=parts.inputs,
            outputs=parts.outputs,
            config=msgspec.json.decode(msgspec.json.encode(config)),
            options=Options.given(
                resources=resources,
                retry=retry,
                cache=cache,
                timeout=timeout,
                queue_timeout=queue_timeout,
                deadline=deadline,
                interruptible=interruptible,
                secrets=dict.fromkeys([*wanted, *([url] if isinstance(url, Secret) else [])]),
            ),
            version=version or parts.text.digest(),
            files=parts.text.path(parts.file.parent),
            doc=doc,
            position=parts.position,
        )


def _named(outputs: Any) -> dict[str, Any]:
    if outputs is None:
        return {}
    return dict(outputs) if isinstance(outputs, Mapping) else {SINGLE_OUTPUT: outputs}


def _check_destination(parts: QueryParts, config: SqlConfig) -> None:
    parts.check_destination(config.destination)
    if config.destination is None:
        return
    if not config.url_secret:
        check_writes(config.destination, config.url)
    others = [name for name in parts.outputs if name not in parts.table_outputs]
    if others:
        raise UsageError(
            f"The rows of {parts.text.origin} go into the table `{config.destination.table.name}`, "
            f"and not into the output `{others[0]}`",
            hint="Query the table with another task; the output may be its name: "
            f"`outputs={{{others[0]!r}: Identifier}}`",
        )


def _check_inputs(config: SqlConfig, bound: Collection[str]) -> None:
    text = config.sql
    for unknown, line in unknown_inputs(text.text, set(bound), lexis_of(config.url)):
        close = get_close_matches(unknown, bound, n=1)
        raise UsageError(
            f"`:{unknown}` in line {line} of {text.origin} is no input",
            hint=f"Did you mean `:{close[0]}`?" if close else f"Add `{unknown}` to `inputs`",
        )
    for name in bound:
        if not re.search(rf"\b{re.escape(name)}\b", text.text):
            raise UsageError(
                f"The input `{name}` is not used in {text.origin}",
                hint=f"Write `:{name}` for its value, or `{name}` if it is a table",
            )
