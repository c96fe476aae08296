"""What an author writes: a query of Athena as a task."""

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
    Resources,
    Retry,
    Secret,
    TaskDefinition,
    UsageError,
)
from hardpoint.plugin_api.definition import Position, caller_position
from hardpoint.plugin_api.sql_text import Dialect, Identifier, SqlText
from hardpoint_athena.config import AthenaConfig, Connection, Encryption
from hardpoint_athena.placeholders import check_names

DIALECT = Dialect('"', 255)


class AthenaQuery(TaskDefinition):
    """A query of Amazon Athena with typed inputs and outputs.

    Values of inputs never become part of the SQL: they go to the service as execution parameters.

    Args:
        sql: The SQL, with `:name` where an input's value goes; or else
        file: a `.sql` file with it, relative to the folder of the file that defines the task.
        inputs: Type hints by name, or `Parameter(hint, default=…)`: scalars, dates and None.
        outputs: Type hints by name. One table (pandas, pyarrow, polars) is the result; scalars are the
            columns of its only row, by name, and a single scalar is its only column; none: nothing is read.
        names: Names for each `{slot}` in the SQL, such as of a table; checked and quoted.
        name: In listings; by default the file's name without its ending, else `athena`.
        workgroup, database, catalog, output_location, encryption, kms_key, expected_bucket_owner,
            bucket_owner_full_control, reuse_minutes, engine, bytes_max, connection: See `AthenaConfig`.
        version: Set by hand, it replaces the digest of query and settings.
        resources, retry, cache, timeout, queue_timeout, deadline, secrets: As for `@task`.

    Raises:
        UsageError: The SQL is missing, or its `:names` are not the declared inputs.

    Example:
        ```python
        sales = AthenaQuery(
            "SELECT region, sum(amount) AS total FROM orders WHERE day >= :since GROUP BY region",
            inputs={"since": datetime.date}, outputs={"totals": pandas.DataFrame}, database="shop",
        )
        ```
    """

    def __init__(
        self,
        sql: str | None = None,
        *,
        file: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        names: Mapping[str, str] | None = None,
        name: str = "",
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
        position = caller_position()
        defining = _defining_file(position)
        query = _query(sql, file, defining.parent, names or {})
        check_names(query.text, inputs or {}, query.origin)
        config = AthenaConfig(
            query=query,
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
        )
        _check_outputs(outputs or {}, query)
        named = (*config.connection.secrets, *secrets)
        super().__init__(
            name=name or re.sub(r"\W", "_", Path(file).stem if file else "athena"),
            task_type="athena",
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
            f"`AthenaQuery` was called in `{position.file}`, which is not a file",
            hint="Define the task in a Python file, so that the project it belongs to can be archived",
        )
    return file.resolve()


def _check_outputs(outputs: Mapping[str, Any], query: SqlText) -> None:
    for name in outputs:
        if not name.isidentifier() or keyword.iskeyword(name):
            raise UsageError(
                f"Output `{name}` of {query.origin} is not a Python name",
                hint="Outputs are columns of the result: give the column such a name with `AS`",
            )
