"""The rows of a job that ended: a table as Parquet in the store, or scalars out of its only row."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from google.cloud import bigquery
from google.cloud.bigquery.table import RowIterator

from hardpoint.plugin_api import Context, FrameType, Outputs, UserError, Variable
from hardpoint_bigquery.client import Client, Place

PAGE_ROWS = 50_000
"""Asked for in one answer; the service makes it fewer where the answer would be larger than 10 MB."""


def finished(client: Client, place: Place, job_id: str) -> bigquery.QueryJob:
    """A job that is known to have ended, without asking for it again."""
    name = {"projectId": place.project, "location": place.location, "jobId": job_id}
    resource = {"jobReference": name, "status": {"state": "DONE"}, "configuration": {"query": {"query": "?"}}}
    job: bigquery.QueryJob = bigquery.QueryJob.from_api_repr(resource, client)
    return job


def read_outputs(context: Context, wanted: list[Variable], job: bigquery.QueryJob) -> Outputs:
    """Wire values of `wanted`, in as few calls as the rows have pages.

    Raises:
        UserError: The rows are not what the task declares.
    """
    frames = [each for each in wanted if isinstance(each.type, FrameType)]
    scalars = [each for each in wanted if not isinstance(each.type, FrameType)]
    rows = job.result(page_size=PAGE_ROWS if frames else 2, retry=None, job_retry=None)
    batches = _batches(rows)
    outputs: dict[str, Any] = {}
    if scalars:
        first = next(batches)
        outputs |= _scalars(context, scalars, rows, first)
        batches = itertools.chain([first], batches)
    if frames:
        reference = msgspec.to_builtins(_stored(context, batches))
        outputs |= dict.fromkeys((each.name for each in frames), reference)
    return outputs


def _batches(rows: RowIterator) -> Iterator[pa.RecordBatch]:
    """At least one, so that an empty result has its columns too."""
    if not rows.schema:
        raise UserError(
            "The last statement returns no rows, and the task declares outputs of them",
            hint="End with a SELECT, or declare no outputs",
        )
    if not rows.total_rows:
        empty = rows.to_arrow(create_bqstorage_client=False)
        yield pa.RecordBatch.from_pylist([], schema=empty.schema)
        return
    yield from rows.to_arrow_iterable()


def _stored(context: Context, batches: Iterator[pa.RecordBatch]) -> Any:
    first = next(batches)
    with tempfile.TemporaryDirectory(prefix="hardpoint-bigquery-") as folder:
        path = Path(folder) / "rows.parquet"
        with pq.ParquetWriter(path, first.schema) as writer:
            for batch in itertools.chain([first], batches):
                writer.write_batch(batch)
        return context.store.put_file(path, format="parquet")


def _scalars(
    context: Context, wanted: list[Variable], rows: RowIterator, first: pa.RecordBatch
) -> dict[str, Any]:
    if rows.total_rows != 1:
        raise UserError(
            f"The result has {rows.total_rows} rows, and scalar outputs need one: "
            + ", ".join(f"`{each.name}`" for each in wanted),
            hint="Aggregate, add `LIMIT 1`, or declare one output that is a table",
        )
    [row] = first.to_pylist()
    missing = [each.name for each in wanted if each.name not in row]
    if missing:
        raise UserError(
            f"The result has no column `{missing[0]}`, only " + ", ".join(f"`{name}`" for name in row),
            hint=f"Name it in the SQL: `… AS {missing[0]}`",
        )
    return {each.name: _scalar(context, each, row[each.name]) for each in wanted}


def _scalar(context: Context, variable: Variable, value: Any) -> Any:
    try:
        return context.values.encode(variable.type, value)
    except UserError as error:
        raise UserError(f"Column `{variable.name}`: {error.message}", hint=error.hint) from None
