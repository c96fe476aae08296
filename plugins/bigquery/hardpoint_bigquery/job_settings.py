"""An author's settings as Google's `JobConfiguration`, which the config of a task holds as plain JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from hardpoint.plugin_api import UsageError

Resource = dict[str, Any]

DISPOSITIONS = ("WRITE_TRUNCATE", "WRITE_TRUNCATE_DATA", "WRITE_APPEND", "WRITE_EMPTY")
PRIORITIES = ("INTERACTIVE", "BATCH")
_OURS = {
    "query": "give it as `sql` or `file`",
    "queryParameters": "declare `inputs`: each one is a parameter of its name",
    "parameterMode": "refer to inputs by name, such as `@day`",
}
_OTHER_JOBS = ("load", "copy", "extract")


def given_resource(job_config: Any) -> Resource:
    """A copy of what the author gave: a dict, a `QueryJobConfig`, or nothing.

    Raises:
        UsageError: It says what the task itself says, or is no job that queries.

    >>> given_resource({"query": {"useLegacySql": False}})
    {'query': {'useLegacySql': False}}
    """
    as_dict = getattr(job_config, "to_api_repr", None)
    resource: Resource = deepcopy(as_dict() if as_dict is not None else dict(job_config or {}))
    for name in set(_OTHER_JOBS) & resource.keys():
        raise UsageError(
            f"`job_config` is of a job that does `{name}`, and not of a query",
            hint="Write it as SQL: `LOAD DATA`, `CREATE TABLE … COPY` or `EXPORT DATA`",
        )
    for name, hint in _OURS.items():
        if name in resource.get("query", {}):
            raise UsageError(f"`job_config` sets `query.{name}`", hint=hint[0].upper() + hint[1:])
    if resource.get("dryRun"):
        raise UsageError(
            "`job_config` sets `dryRun`, so nothing would run",
            hint="Ask with `hardpoint plan --estimate` what a job would read",
        )
    resource.pop("dryRun", None)
    return resource


def with_settings(resource: Resource, top: Mapping[str, Any], query: Mapping[str, Any]) -> Resource:
    """The resource with further settings, those that are None left out.

    >>> with_settings({"query": {"priority": "BATCH"}}, {"reservation": None}, {"useQueryCache": False})
    {'query': {'priority': 'BATCH', 'useQueryCache': False}}
    """
    inner = {**resource.get("query", {}), **{name: each for name, each in query.items() if each is not None}}
    whole = {**resource, **{name: each for name, each in top.items() if each is not None}}
    return {**whole, "query": inner} if inner else whole


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
