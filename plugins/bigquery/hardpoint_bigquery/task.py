"""What an author writes: a job of BigQuery as a task."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
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
from hardpoint.plugin_api.query_task import QueryParts
from hardpoint.plugin_api.sql_text import Identifier
from hardpoint_bigquery.config import DEFAULT_LOCATION, HTTP_TIMEOUT_S, QUERY, BigQueryConfig
from hardpoint_bigquery.job_settings import (
    DISPOSITIONS,
    PRIORITIES,
    Resource,
    dataset_resource,
    given_resource,
    kind_of,
    one_of,
    partitioning_resource,
    table_resource,
    with_settings,
)
from hardpoint_bigquery.transfers import check_complete, transfer_parts, transfer_settings


class BigQueryJob(TaskDefinition):
    """A query or script of BigQuery with typed inputs and outputs; or a job that loads, copies or extracts.

    Each attempt is one job whose id is the attempt's token, so that it is found again after every restart.

    Args:
        name: In listings; by default that of the `.sql` file, else `query`.
        project: That runs the job and is billed for it.
        sql: GoogleSQL, one statement or a script; or else:
        file: Path of a `.sql` file, relative to the folder of the file that defines the task. Neither: then
            `job_config` is of a job that does `load`, `copy` or `extract`.
        inputs: Type hints by name, or `Parameter(hint, default=…)`. In the SQL each is a parameter, `@name`,
            and a table (pandas, Arrow, polars) is `UNNEST(@name)`; of the type `Identifier`, `{name}` is the
            quoted name of a table. Without SQL: the file or table that is loaded, or the name of the one
            that is copied or extracted.
        outputs: Type hints by name, or one alone. A table (pandas, Arrow, polars) is the whole result; an
            `Identifier` is the name of the table that it was written to; anything else is the column of that
            name in the result's only row. Without SQL: an `Identifier`, or none.
        names: Names for each `{slot}` in the SQL that no input fills; checked and quoted.
        location: Where the tables are, such as `US`, `EU` or `europe-west1`.
        labels: Of the job.
        source: Where a job without SQL takes its data from, if no input does: URIs such as
            `gs://bucket/*.csv` to load, tables to copy, a table to extract.
        destination: `dataset.table` or `project.dataset.table` that the result is written to; of a job that
            extracts, a URI.
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
        job_config: All else: Google's `JobConfiguration` as a dict, or a `QueryJobConfig`, `LoadJobConfig`,
            `CopyJobConfig` or `ExtractJobConfig`.
        ceiling_bytes: A query whose dry run says that it would read more is not started.
        ceiling_usd: The same of its price; needs `price_usd_per_tib`.
        price_usd_per_tib: What reading a TiB costs you on demand; with it usage tells `cost_usd`.
        credentials_secret: Name of the secret that holds the JSON of a credentials file. Empty: Google's
            default credentials.
        endpoint: Of the service; empty: Google's.
        http_timeout_s: Longest wait for one answer.
        version: Set by hand, it replaces the digest of SQL and settings.
        resources, retry, cache, timeout, queue_timeout, deadline, secrets: As for `@task`.

    Raises:
        UsageError: The SQL file is missing, or a name or setting is not usable, or not by such a job.

    Example:
        ```python
        orders = BigQueryJob(
            "orders",
            project="shop",
            sql="SELECT * FROM {source} WHERE day = @day",
            inputs={"source": Identifier, "day": date},
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
        names: Mapping[str, str | Identifier] | None = None,
        outputs: Any = None,
        location: str = DEFAULT_LOCATION,
        labels: Mapping[str, str] | None = None,
        source: str | Sequence[str] = (),
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
        given = given_resource(job_config)
        kind = kind_of(given, sql if sql is not None else file)
        position = caller_position()
        if kind == QUERY:
            parts = QueryParts.given(
                position, sql=sql, file=file, inputs=inputs, outputs=outputs, names=names
            )
            moved: Resource = {"destinationTable": table_resource(destination, project)}
        else:
            parts = transfer_parts(position, kind, inputs, outputs)
            moved = transfer_settings(kind, source, destination, project)
        _check_kind(kind, source, names, (ceiling_bytes, ceiling_usd), price_usd_per_tib)
        settings = {
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
        source_input = "" if kind == QUERY else next(iter(parts.inputs), "")
        job = with_settings(kind, given, top, settings, moved)
        if kind != QUERY:
            check_complete(kind, job[kind], source_input)
        config = BigQueryConfig(
            project=project,
            sql=parts.text if kind == QUERY else None,
            location=location,
            table_outputs=parts.table_outputs,
            job=job,
            source_input=source_input,
            ceiling_bytes=ceiling_bytes,
            ceiling_usd=ceiling_usd,
            price_usd_per_tib=price_usd_per_tib,
            credentials_secret=credentials_secret,
            endpoint=endpoint,
            http_timeout_s=http_timeout_s,
        )
        plain: Resource = msgspec.to_builtins(config)
        super().__init__(
            name=parts.name(name, kind),
            task_type="bigquery",
            file=parts.file,
            inputs=parts.inputs,
            outputs=parts.outputs,
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
            files=parts.text.path(parts.file.parent),
            doc=doc,
            position=parts.position,
        )


def _check_kind(
    kind: str, source: object, names: object, ceilings: tuple[object, ...], price_usd_per_tib: float | None
) -> None:
    if kind == QUERY and source:
        raise UsageError("A query has no `source`", hint="It names its tables in its SQL")
    if kind != QUERY and names:
        raise UsageError(
            f"A job that does `{kind}` has no `names`: they are of slots in SQL", hint="Leave them out"
        )
    if kind != QUERY and any(each is not None for each in ceilings):
        raise UsageError(
            f"A job that does `{kind}` has no ceiling: there is no dry run of it",
            hint="Leave the ceiling out",
        )
    if ceilings[1] is not None and price_usd_per_tib is None:
        raise UsageError(
            "`ceiling_usd` needs a price to be counted with", hint="Give `price_usd_per_tib`, such as 6.25"
        )


def _digest(plain: Resource) -> str:
    return hashlib.sha256(msgspec.json.encode(plain, order="deterministic")).hexdigest()[:16]
