"""An author's settings as Google's `JobConfiguration`, which the config of a task holds as plain JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from hardpoint.plugin_api import UsageError
from hardpoint_bigquery.config import COPY, EXTRACT, LOAD, QUERY, TRANSFERS

Resource = dict[str, Any]

DISPOSITIONS = ("WRITE_TRUNCATE", "WRITE_TRUNCATE_DATA", "WRITE_APPEND", "WRITE_EMPTY")
PRIORITIES = ("INTERACTIVE", "BATCH")
_OURS = {
    "query": "give it as `sql` or `file`",
    "queryParameters": "declare `inputs`: each one is a parameter of its name",
    "parameterMode": "refer to inputs by name, such as `@day`",
}
_SINGULAR = {(COPY, "sourceTable"): "sourceTables", (EXTRACT, "destinationUri"): "destinationUris"}
_OF_TRANSFERS: Mapping[str, frozenset[str]] = {
    LOAD: frozenset(("writeDisposition", "timePartitioning", "rangePartitioning", "clustering")),
    COPY: frozenset(("writeDisposition",)),
    EXTRACT: frozenset(),
}


def given_resource(job_config: Any) -> Resource:
    """A copy of what the author gave: a dict, one of Google's four kinds of `JobConfig`, or nothing.

    Raises:
        UsageError: It says what the task itself says, or is of several jobs.

    >>> given_resource({"query": {"useLegacySql": False}})
    {'query': {'useLegacySql': False}}
    >>> given_resource({"extract": {"destinationUri": "gs://shop/orders.csv"}})
    {'extract': {'destinationUris': ['gs://shop/orders.csv']}}
    """
    as_dict = getattr(job_config, "to_api_repr", None)
    resource: Resource = deepcopy(as_dict() if as_dict is not None else dict(job_config or {}))
    kinds = [each for each in (QUERY, *TRANSFERS) if each in resource]
    if len(kinds) > 1:
        raise UsageError(
            f"`job_config` is of a job that does `{kinds[0]}` and `{kinds[1]}`",
            hint="A job does one of them: make two tasks",
        )
    for name, hint in _OURS.items():
        if name in resource.get(QUERY, {}):
            raise UsageError(f"`job_config` sets `query.{name}`", hint=hint[0].upper() + hint[1:])
    if resource.get("dryRun"):
        raise UsageError(
            "`job_config` sets `dryRun`, so nothing would run",
            hint="Ask with `hardpoint plan --estimate` what a job would read",
        )
    resource.pop("dryRun", None)
    for (kind, one), several in _SINGULAR.items():
        if one in resource.get(kind, {}):
            resource[kind].setdefault(several, []).append(resource[kind].pop(one))
    return resource


def kind_of(resource: Resource, sql: str | None) -> str:
    """Which of Google's four jobs it is: `query`, `load`, `copy` or `extract`.

    Args:
        resource: Of `given_resource`.
        sql: The SQL or the name of its file, if there is any.

    Raises:
        UsageError: There is SQL, and a job that runs none.
    """
    kind = next((each for each in TRANSFERS if each in resource), QUERY)
    if kind != QUERY and sql is not None:
        raise UsageError(
            f"`job_config` is of a job that does `{kind}`, and not of a query",
            hint="Leave `sql` and `file` out; or write it as SQL: `LOAD DATA`, `CREATE TABLE … COPY` or "
            "`EXPORT DATA`",
        )
    return kind


def with_settings(kind: str, resource: Resource, top: Resource, inner: Resource, moved: Resource) -> Resource:
    """The resource with further settings, those that are None left out.

    Args:
        kind: `query`, `load`, `copy` or `extract`.
        resource: What the author gave.
        top: Settings of any job.
        inner: Settings of which not every kind of job has each.
        moved: Where it takes data from and puts them.

    Raises:
        UsageError: A job of this kind has no such setting.

    >>> with_settings("query", {"query": {"priority": "BATCH"}}, {}, {"useQueryCache": False}, {})
    {'query': {'priority': 'BATCH', 'useQueryCache': False}}
    """
    settings, given = _told(moved), _told(inner)
    for name in given:
        if kind != QUERY and name not in _OF_TRANSFERS[kind]:
            raise UsageError(
                f"A job that does `{kind}` has no `{name}`", hint="Leave it out, or write the job as SQL"
            )
    merged = {**resource.get(kind, {}), **settings, **given}
    whole = {**resource, **_told(top)}
    return {**whole, kind: merged} if merged else whole


def _told(settings: Resource) -> Resource:
    return {name: each for name, each in settings.items() if each is not None}


def one_of(name: str, value: str | None, known: Sequence[str]) -> str | None:
    """The value, if the service knows it.

    Raises:
        UsageError: It does not.
    """
    if value is not None and value not in known:
        raise UsageError(f"`{name}` is `{value}`", hint="One of " + ", ".join(f"`{each}`" for each in known))
    return value


def table_resource(name: str | None, project: str) -> Resource | None:
    """A `TableReference`, of `dataset.table` in the task's project or of `project.dataset.table`.

    Raises:
        UsageError: The name has other parts.

    >>> table_resource("sales.orders", "shop")
    {'projectId': 'shop', 'datasetId': 'sales', 'tableId': 'orders'}
    """
    if name is None:
        return None
    *owner, dataset, table = ["", *name.split(".")][-3:] if name.count(".") in (1, 2) else ["", "", ""]
    if not dataset or not table:
        raise UsageError(
            f"`{name}` does not name a table", hint="Write `dataset.table` or `project.dataset.table`"
        )
    return {"projectId": owner[0] or project, "datasetId": dataset, "tableId": table}


def partitioning_resource(partition_by: str | Mapping[str, Any] | None) -> Resource:
    """`timePartitioning` of a column by day, or what the author wrote: `{"timePartitioning": …}` or range.

    >>> partitioning_resource("day")
    {'timePartitioning': {'type': 'DAY', 'field': 'day'}}
    """
    if partition_by is None:
        return {}
    if isinstance(partition_by, str):
        return {"timePartitioning": {"type": "DAY", "field": partition_by}}
    kind = "rangePartitioning" if "range" in partition_by else "timePartitioning"
    return {kind: dict(partition_by)}


def dataset_resource(name: str | None, project: str) -> Resource | None:
    """A `DatasetReference`, of `dataset` in the task's project or of `project.dataset`.

    >>> dataset_resource("sales", "shop")
    {'projectId': 'shop', 'datasetId': 'sales'}
    """
    if name is None:
        return None
    owner, _, dataset = name.rpartition(".")
    return {"projectId": owner or project, "datasetId": dataset}
