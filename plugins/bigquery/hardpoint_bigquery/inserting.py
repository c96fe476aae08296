"""One job, of each kind, handed to the service by Google's client in one request."""

from __future__ import annotations

import io
from typing import Any

from google.cloud import bigquery
from google.cloud.bigquery.model import ModelReference

from hardpoint.plugin_api import Store
from hardpoint_bigquery.client import Client
from hardpoint_bigquery.config import COPY, LOAD, QUERY
from hardpoint_bigquery.submission import Submission

# Google annotates some of it.
_Table: Any = bigquery.TableReference
_Model: Any = ModelReference
_Load: Any = bigquery.LoadJobConfig
_Copy: Any = bigquery.CopyJobConfig
_Extract: Any = bigquery.ExtractJobConfig
_Query: Any = bigquery.QueryJobConfig


def insert(client: Client, job: Submission, store: Store) -> Any:
    """Start the job under its name.

    Args:
        client: Google's.
        job: What to start.
        store: Where `job.upload` lies.

    Returns:
        Google's object of the job.
    """
    named: dict[str, Any] = {"job_id": job.name}
    settings = job.job[job.kind]
    if job.kind == QUERY:
        config = _Query.from_api_repr(job.job)
        return client.query(job.sql, job_config=config, retry=None, job_retry=None, **named)
    if job.kind == COPY:
        sources = [_Table.from_api_repr(each) for each in settings["sourceTables"]]
        return client.copy_table(
            sources, _destination(settings), job_config=_Copy.from_api_repr(job.job), retry=None, **named
        )
    if job.kind != LOAD:
        model = settings.get("sourceModel")
        source = _Model.from_api_repr(model) if model else _Table.from_api_repr(settings["sourceTable"])
        config = _Extract.from_api_repr(job.job)
        uris, kind = settings["destinationUris"], "Model" if model else "Table"
        return client.extract_table(source, uris, job_config=config, retry=None, source_type=kind, **named)
    config, destination = _Load.from_api_repr(job.job), _destination(settings)
    if job.upload is None:
        uris = settings["sourceUris"]
        return client.load_table_from_uri(uris, destination, job_config=config, retry=None, **named)
    data = store.read_bytes(job.upload)
    file = io.BytesIO(data)
    return client.load_table_from_file(
        file, destination, size=len(data), num_retries=0, job_config=config, **named
    )


def dry_run(client: Client, job: Submission) -> Any:
    """Ask what a query would read; nothing starts. Returns as `insert`."""
    config = _Query.from_api_repr({**job.job, "dryRun": True})
    return client.query(job.sql, job_config=config, retry=None, job_retry=None)


def _destination(settings: dict[str, Any]) -> Any:
    return _Table.from_api_repr(settings["destinationTable"])
