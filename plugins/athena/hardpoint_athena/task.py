"""What an author writes: a query of Athena as a task."""

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
)
from hardpoint.plugin_api.definition import caller_position
from hardpoint.plugin_api.query_task import Destination, QueryParts
from hardpoint.plugin_api.sql_text import Identifier
from hardpoint_athena.config import AthenaConfig, Connection, Encryption
from hardpoint_athena.destination import check_destination
from hardpoint_athena.placeholders import check_names


class AthenaQuery(TaskDefinition):
    """A query of Amazon Athena with typed inputs and outputs.

    Values of inputs never become part of the SQL: they go to the service as execution parameters.

    Args:
        name: In listings; by default the file's name without its ending, else `athena`.
        sql: The SQL, with `:name` where an input's value goes; or else
        file: a `.sql` file with it, relative to the folder of the file that defines the task.
        inputs: Type hints by name, or `Parameter(hint, default=…)`: scalars, dates and None; tables, lists,
            dicts and structs, which arrive as JSON text for `json_parse(:name)`; names for `{slots}`, by the
            hint `Identifier`.
        outputs: Type hints by name, or one alone. One table (pandas, pyarrow, polars) is the result; scalars
            are the columns of its only row, by name, and a single scalar is its only column; none: nothing
            is read. With a destination, `Identifier` gives its name.
        names: Names for each `{slot}` in the SQL, such as of a table; checked and quoted.
        destination: `database.table` that the result becomes.
        write: `create`: there must be no such table yet; `append`: there must be one; `replace`: either.
            To replace is to drop and then to create, which is not atomic: in between, and if the query
            fails, there is no table. The files of the old one stay in S3.
        table_properties: Of a table that is made, as `CREATE TABLE AS` takes them, such as `format`,
            `partitioned_by` and `external_location`.
        workgroup, database, catalog, output_location, encryption, kms_key, expected_bucket_owner,
            bucket_owner_full_control, reuse_minutes, engine, bytes_max, connection: See `AthenaConfig`.
        version: Set by hand, it replaces the digest of query and settings.
        resources, retry, cache, timeout, queue_timeout, deadline, secrets: As for `@task`.

    Raises:
        UsageError: The SQL is missing, its `:names` are not the declared inputs, or the destination
            cannot be written so.

    Example:
        ```python
        sales = AthenaQuery(
            sql="SELECT region, sum(amount) AS total FROM orders WHERE day >= :since GROUP BY region",
            inputs={"since": datetime.date}, outputs={"totals": pandas.DataFrame}, database="shop",
        )
        ```
    """

    def __init__(
        self,
        name: str = "",
        *,
        sql: str | None = None,
        file: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        outputs: Any = None,
        names: Mapping[str, str | Identifier] | None = None,
        destination: str | Identifier | None = None,
        write: str = "create",
        table_properties: Mapping[str, Any] | None = None,
        workgroup: str = "primary",
        database: str = "",
        catalog: str = "",
        output_location: str = "",
        encryption: Encryption | None = None,
        kms_key: str = "",
        expected_bucket_owner: str = "",
        bucket_owner_full_control: bool = False,
        reuse_minutes: int | None = None,
        engine: Mapping[str, Any] | None = None,
        bytes_max: int | None = None,
        connection: Connection | None = None,
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
        check_names(parts.text.text, parts.bound, parts.text.origin)
        table, properties = Destination.given(destination, write), dict(table_properties or {})
        check_destination(parts, table, properties, reuse_minutes)
        config = AthenaConfig(
            query=parts.text,
            workgroup=workgroup,
            database=database,
            catalog=catalog,
            output_location=output_location,
            encryption=encryption,
            kms_key=kms_key,
            expected_bucket_owner=expected_bucket_owner,
            bucket_owner_full_control=bucket_owner_full_control,
            reuse_minutes=reuse_minutes,
            engine=dict(engine or {}),
            bytes_max=bytes_max,
            connection=connection or Connection(),
            destination=table,
            table_properties=properties,
        )
        named = (*config.connection.secrets, *secrets)
        super().__init__(
            name=parts.name(name, "athena"),
            task_type="athena",
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
