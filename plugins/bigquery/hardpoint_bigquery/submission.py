"""What one attempt sends: the same for every repetition, so that a job of that name can be compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import msgspec

from hardpoint.plugin_api import (
    AnyType,
    Context,
    ContractViolation,
    CreateRequest,
    FileType,
    FrameType,
    Reference,
    UserError,
    Wire,
)
from hardpoint.plugin_api.sql_text import Dialect, Identifier
from hardpoint_bigquery.client import Place
from hardpoint_bigquery.config import COPY, LOAD, QUERY, BigQueryConfig
from hardpoint_bigquery.frame_parameters import REQUEST_BYTES_MAX, TOO_LARGE_HINT, bind_frame
from hardpoint_bigquery.job_settings import Resource, table_resource
from hardpoint_bigquery.parameters import bind

DIGEST_LABEL = "hardpoint"
BACKTICKS = Dialect(quote="`", longest=1024)
UPLOAD_BYTES_MAX = 5 * 2**20 - 1
"""What Google's client sends together with the job, in one request; more would take several."""
BUCKETS = ("gs://", "gcs://")


class Submission(msgspec.Struct, frozen=True):
    """One job, ready to be sent.

    Args:
        name: The job's id.
        kind: `query`, `load`, `copy` or `extract`.
        sql: With names of tables in it, and no value; empty unless it queries.
        job: Google's `JobConfiguration`, with parameters and the label that holds the digest.
        digest: Of all that the job is.
        upload: What is loaded, if it is sent with the job.
    """

    name: str
    kind: str
    sql: str
    job: Resource
    digest: str
    upload: Reference | None = None

    def expect_same(self, job: Mapping[str, Any]) -> None:
        """Raises `ContractViolation` if the job of our name was started for something else."""
        found = ((job.get("configuration") or {}).get("labels") or {}).get(DIGEST_LABEL)
        if found != self.digest:
            raise ContractViolation(
                f"Job `{self.name}` exists and was started with other SQL, inputs or settings: its label "
                f"`{DIGEST_LABEL}` is `{found}`, not `{self.digest}`",
                hint="Two engines with different code run the same execution: stop one of them",
            )


def config_of(request: CreateRequest) -> BigQueryConfig:
    """The task's config, typed."""
    return msgspec.convert(request.spec.config, type=BigQueryConfig)


def place_of(config: BigQueryConfig) -> Place:
    """Where its jobs live."""
    return Place(
        config.project, config.location, config.endpoint, config.credentials_secret, config.http_timeout_s
    )


def submission(request: CreateRequest, context: Context) -> Submission:
    """The job of one attempt.

    Raises:
        UserError: An input cannot be bound or loaded, or is no name of a table, or all is too large.
    """
    config = config_of(request)
    if config.sql is None:
        settings, upload = _transfer(request, config)
        return _submission(request, config, "", settings, upload)
    bound = [each for each in request.spec.interface.inputs if each.name not in config.sql.inputs]
    parameters = [_parameter(context, each.name, each.type, request.inputs[each.name]) for each in bound]
    query: Resource = {"useLegacySql": False, **config.job.get(QUERY, {})}
    if parameters:
        query |= {"parameterMode": "NAMED", "queryParameters": parameters}
        _check_size(query)
    return _submission(request, config, config.sql.named(BACKTICKS, request.inputs), query, None)


def _submission(
    request: CreateRequest, config: BigQueryConfig, sql: str, settings: Resource, upload: Reference | None
) -> Submission:
    job = {**config.job, config.kind: settings}
    whole = [sql, job] if upload is None else [sql, job, upload.digest]
    digest = hashlib.sha256(msgspec.json.encode(whole, order="deterministic")).hexdigest()[:32]
    labels = {**config.job.get("labels", {}), DIGEST_LABEL: digest}
    return Submission(request.token, config.kind, sql, {**job, "labels": labels}, digest, upload)


def _parameter(context: Context, name: str, type: AnyType, wire: Wire) -> Resource:
    if isinstance(type, FrameType):
        return bind_frame(name, context.store.read_bytes(msgspec.convert(wire, Reference)))
    bound: Resource = bind(name, type, context.values.decode(type, wire)).to_api_repr()
    return bound


def _check_size(query: Resource) -> None:
    # As Google's client writes it.
    size_bytes = len(json.dumps(query))
    if size_bytes > REQUEST_BYTES_MAX:
        raise UserError(
            f"The inputs of the query are {size_bytes} bytes as parameters, and a request has 10 MB at most",
            hint=TOO_LARGE_HINT,
        )


def _transfer(request: CreateRequest, config: BigQueryConfig) -> tuple[Resource, Reference | None]:
    settings: Resource = config.job[config.kind]
    name = config.source_input
    if not name:
        return settings, None
    if config.kind == LOAD:
        [type] = [each.type for each in request.spec.interface.inputs if each.name == name]
        return _load(name, type, request.inputs[name], settings)
    table = table_resource(Identifier(str(request.inputs[name])).name, config.project)
    return {
        **settings,
        **({"sourceTables": [table]} if config.kind == COPY else {"sourceTable": table}),
    }, None


def _load(name: str, type: AnyType, wire: Wire, settings: Resource) -> tuple[Resource, Reference | None]:
    if isinstance(type, FrameType):
        if settings.get("sourceFormat", "PARQUET") != "PARQUET":
            raise UserError(
                f"Input `{name}` is a table, which is Parquet, and `sourceFormat` is "
                f"`{settings['sourceFormat']}`",
                hint="Leave `sourceFormat` out",
            )
        # Else a list would become a struct of lists.
        settings = {"parquetOptions": {"enableListInference": True}, **settings, "sourceFormat": "PARQUET"}
    elif not isinstance(type, FileType):
        raise UserError(
            f"Input `{name}` is declared `{type}`, and a job loads a file or a table with rows",
            hint="Declare it `File` or `DataFrame`, or write an INSERT with the value as a parameter",
        )
    reference = msgspec.convert(wire, Reference)
    if reference.uri.startswith(BUCKETS):
        uri = "gs://" + reference.uri.partition("://")[2]
        return {**settings, "sourceUris": [uri]}, None
    if reference.size_bytes > UPLOAD_BYTES_MAX:
        raise UserError(
            f"Input `{name}` has {reference.size_bytes} bytes and is not in Cloud Storage; "
            f"at most {UPLOAD_BYTES_MAX} are sent with a job",
            hint="Keep values in a bucket, `gs://…`, where the service reads any size; or load in parts",
        )
    return settings, reference
