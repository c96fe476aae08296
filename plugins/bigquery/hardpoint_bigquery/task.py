"""What an author writes: a query as a task."""

from __future__ import annotations

import hashlib
import keyword
from collections.abc import Iterable, Mapping, Sequence
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
from hardpoint.plugin_api.sql_text import SqlText
from hardpoint_bigquery.config import DEFAULT_LOCATION, HTTP_TIMEOUT_S, BigQueryConfig
from hardpoint_bigquery.job_settings import (
    DISPOSITIONS,
    PRIORITIES,
    Resource,
    dataset_resource,
    given_resource,
    one_of,
    partitioning_resource,
    table_resource,
    with_settings,
)


class BigQueryJob(TaskDefinition):
    """A query or script of BigQuery with typed inputs and outputs.

    Each attempt is one job whose id is the attempt's token, so that it is found again after every restart.

    Args:
        name: In listings; by default that of the `.sql` file, else `query`.
        project: That runs the job and is billed for it.
        sql: GoogleSQL, one statement or a script; or else:
        file: Path of a `.sql` file, relative to the folder of the file that defines the task.
        inputs: Type hints by name, or `Parameter(hint, default=…)`. In the SQL each is a parameter, `@name`.
        identifiers: Inputs (`str` or `BigQueryTable`) that are names of tables: in the SQL `{name}`, which
            becomes the quoted name.
        outputs: Type hints by name. A table (pandas, Arrow, polars) is the whole result; a `BigQueryTable` is
            the name of the table that it was written to; anything else is the column of that name in the
            result's only row.
        location: Where the tables are, such as `US`, `EU` or `europe-west1`.
        labels: Of the job.
        destination: `dataset.table` or `project.dataset.table` that the result is written to.
        partition_by: A column of the destination, by day; or a `TimePartitioning` or `RangePartitioning` as
            a dict in Google's JSON.
        cluster_by: Columns of the destination.
        write_disposition: `WRITE_TRUNCATE`, `WRITE_TRUNCATE_DATA`, `WRITE_APPEND` or `WRITE_EMPTY`.
        maximum_bytes_billed: The service fails a job that would bill more, and bills nothing.
        priority: `INTERACTIVE` or `BATCH`.
        reservation: Full name of the one to run in, or `none`.
        default_dataset: `dataset` or `project.dataset` of tables that are named without one.
        use_query_cache: False: compute the result anew.
        job_timeout_s: The service ends a job that takes longer.
        job_config: All else: Google's `JobConfiguration` as a dict, or a `QueryJobConfig`.
        ceiling_bytes: A job whose dry run says that it would read more is not started.
        ceiling_usd: The same of its price; needs `price_usd_per_tib`.
        price_usd_per_tib: What reading a TiB costs you on demand; with it usage tells `cost_usd`.
        credentials_secret: Name of the secret that holds the JSON of a credentials file. Empty: Google's
            default credentials.
        endpoint: Of the service; empty: Google's.
        http_timeout_s: Longest wait for one answer.
        version: Set by hand, it replaces the digest of SQL and settings.
        resources, retry, cache, timeout, queue_timeout, deadline, secrets: As for `@task`.

    Raises:
        UsageError: The SQL file is missing, or a name or setting is not usable.

    Example:
        ```python
        orders = BigQueryJob(
            "orders",
            project="shop",
            sql="SELECT * FROM {source} WHERE day = @day",
            inputs={"source": str, "day": date},
            identifiers=("source",),
            outputs={"rows": DataFrame},
            maximum_bytes_billed=10 * 2**30,
        )
        ```
    """

    def __init__(
        self,
        name: str = "",
        *,
        project: str,
        sql: str | None = None,
        file: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        identifiers: Sequence[str] = (),
        outputs: Mapping[str, Any] | None = None,
        location: str = DEFAULT_LOCATION,
        labels: Mapping[str, str] | None = None,
        destination: str | None = None,
        partition_by: str | Mapping[str, Any] | None = None,
        cluster_by: Sequence[str] = (),
        write_disposition: str | None = None,
        maximum_bytes_billed: int | None = None,
        priority: str | None = None,
        reservation: str | None = None,
        default_dataset: str | None = None,
        use_query_cache: bool | None = None,
        job_timeout_s: float | None = None,
        job_config: Any = None,
        ceiling_bytes: int | None = None,
        ceiling_usd: float | None = None,
        price_usd_per_tib: float | None = None,
        credentials_secret: str = "",
        endpoint: str = "",
        http_timeout_s: float = HTTP_TIMEOUT_S,
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
        text = SqlText.given(sql=sql, file=file, folder=defining.parent)
        query = {
            "destinationTable": table_resource(destination, project),
            **partitioning_resource(partition_by),
            "clustering": {"fields": list(cluster_by)} if cluster_by else None,
            "writeDisposition": one_of("write_disposition", write_disposition, DISPOSITIONS),
            "maximumBytesBilled": None if maximum_bytes_billed is None else str(maximum_bytes_billed),
            "priority": one_of("priority", priority, PRIORITIES),
            "defaultDataset": dataset_resource(default_dataset, project),
            "useQueryCache": use_query_cache,
        }
        top = {
            "labels": dict(labels) if labels else None,
            "reservation": reservation,
            "jobTimeoutMs": None if job_timeout_s is None else str(round(job_timeout_s * 1000)),
        }
        config = BigQueryConfig(
            project=project,
            sql=text,
            location=location,
            identifiers=tuple(identifiers),
            job=with_settings(given_resource(job_config), top, query),
            ceiling_bytes=ceiling_bytes,
            ceiling_usd=ceiling_usd,
            price_usd_per_tib=price_usd_per_tib,
            credentials_secret=credentials_secret,
            endpoint=endpoint,
            http_timeout_s=http_timeout_s,
        )
        plain: Resource = msgspec.to_builtins(config)
        super().__init__(
            name=name or (Path(file).stem.replace("-", "_") if file else "query"),
            task_type="bigquery",
            file=defining,
            inputs={key: Parameter.given(value) for key, value in (inputs or {}).items()},
            outputs=outputs or {},
            config=plain,
            options=Options.given(
                resources=resources,
                retry=retry,
                cache=cache,
                timeout=timeout,
                queue_timeout=queue_timeout,
                deadline=deadline,
                secrets=secrets,
            ),
            version=version or _digest(plain),
            files=text.path(defining.parent),
            doc=doc,
            position=position,
        )
        _check(self, config)


def _digest(plain: Resource) -> str:
    return hashlib.sha256(msgspec.json.encode(plain, order="deterministic")).hexdigest()[:16]


def _defining_file(position: Position) -> Path:
    file = Path(position.file)
    if not file.is_file():
        raise UsageError(
            f"`BigQueryJob` was called in `{position.file}`, which is not a file",
            hint="Define the task in a Python file",
        )
    return file.resolve()


def _check(task: BigQueryJob, config: BigQueryConfig) -> None:
    for kind, names in (("Input", task.inputs), ("Output", task.outputs)):
        for name in names:
            if not name.isidentifier() or keyword.iskeyword(name):
                raise UsageError(
                    f"{kind} `{name}` of `{task.name}` is not a Python name",
                    hint="Use letters, digits and `_`",
                )
    for name in config.identifiers:
        if name not in task.inputs:
            raise UsageError(
                f"`identifiers` of `{task.name}` names `{name}`, which is no input",
                hint=f'Declare it: `inputs={{"{name}": str}}`',
            )
    if config.ceiling_usd is not None and config.price_usd_per_tib is None:
        raise UsageError(
            f"`{task.name}` has `ceiling_usd` and no price", hint="Give `price_usd_per_tib`, such as 6.25"
        )
