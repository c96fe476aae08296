"""Jobs that load, copy and extract: what is moved from where to where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hardpoint.plugin_api import UsageError
from hardpoint.plugin_api.definition import Parameter, Position, defining_file
from hardpoint.plugin_api.query_task import QueryParts, as_text, by_name
from hardpoint.plugin_api.sql_text import Identifier, SqlText
from hardpoint_bigquery.config import COPY, EXTRACT, LOAD
from hardpoint_bigquery.job_settings import Resource, table_resource

_FROM = {LOAD: ("sourceUris",), COPY: ("sourceTables",), EXTRACT: ("sourceTable", "sourceModel")}
_TO = {LOAD: "destinationTable", COPY: "destinationTable", EXTRACT: "destinationUris"}


def transfer_parts(
    position: Position, kind: str, inputs: Mapping[str, Any] | None, outputs: Any
) -> QueryParts:
    """Inputs and outputs of a job without SQL.

    Args:
        position: Of the line that calls the task's class.
        kind: `load`, `copy` or `extract`.
        inputs: None, or the one that is moved.
        outputs: None, or the hint `Identifier` for the destination.

    Raises:
        UsageError: There are others.
    """
    given = {name: Parameter.given(value) for name, value in (inputs or {}).items()}
    moved = next(iter(given.values()), None)
    if len(given) > 1 or (moved is not None and (moved.hint is Identifier) == (kind == LOAD)):
        raise UsageError(
            f"A job that does `{kind}` takes one input, "
            + ("a file or a table with rows" if kind == LOAD else "the name of a table"),
            hint='`inputs={"orders": DataFrame}`' if kind == LOAD else '`inputs={"orders": Identifier}`',
        )
    hints = by_name(outputs)
    for name, hint in hints.items():
        if hint is not Identifier or kind == EXTRACT:
            raise UsageError(
                f"Output `{name}` of a job that does `{kind}` would need rows of a result, and it has none",
                hint="Declare no outputs" + ("" if kind == EXTRACT else ", or one of the type `Identifier`"),
            )
    return QueryParts(
        position,
        defining_file(position),
        SqlText(""),
        {name: as_text(each) for name, each in given.items()},
        dict.fromkeys(hints, str),
        tuple(given),
        tuple(hints),
    )


def transfer_settings(
    kind: str, source: str | Sequence[str], destination: str | None, project: str
) -> Resource:
    """Where a job takes data from and where it puts them, as settings of Google's.

    Args:
        kind: `load`, `copy` or `extract`.
        source: URIs that are loaded, or tables; empty for none.
        destination: A table, or the URI that is written.
        project: Of tables that are named without one.

    >>> transfer_settings("extract", "sales.orders", "gs://shop/orders.csv", "shop")["sourceTable"]
    {'projectId': 'shop', 'datasetId': 'sales', 'tableId': 'orders'}
    """
    sources = [source] if isinstance(source, str) else list(source)
    sources = [each for each in sources if each]
    tables = [] if kind == LOAD else [table_resource(each, project) for each in sources]
    if kind == EXTRACT:
        if len(tables) > 1:
            raise UsageError("A job extracts one table", hint="Make a task for each")
        uris = [destination] if destination else None
        return {"sourceTable": tables[0] if tables else None, "destinationUris": uris}
    taken: Resource = {"sourceUris": sources or None} if kind == LOAD else {"sourceTables": tables or None}
    return {**taken, "destinationTable": table_resource(destination, project)}


def check_complete(kind: str, moved: Resource, source_input: str) -> None:
    """Hold a job to having one source and a destination.

    Raises:
        UsageError: It has not.
    """
    sources = [each for each in _FROM[kind] if moved.get(each)] + [each for each in [source_input] if each]
    if len(sources) != 1:
        found = " and ".join(f"`{each}`" for each in sources) or "nothing"
        raise UsageError(
            f"A job that does `{kind}` takes its data from one place, and here from {found}",
            hint="Give `source`, or one input",
        )
    if not moved.get(_TO[kind]):
        where = "gs://bucket/orders-*.csv" if kind == EXTRACT else "dataset.table"
        raise UsageError(
            f"A job that does `{kind}` needs a destination", hint=f'Give it one: `destination="{where}"`'
        )
