"""What one attempt sends: the same for every repetition, so that a job of that name can be compared."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from google.cloud import bigquery

from hardpoint.plugin_api import AnyType, ContractViolation, CreateRequest, SimpleKind, SimpleType, UserError
from hardpoint.plugin_api.context import Values
from hardpoint.plugin_api.sql_text import Dialect, Identifier
from hardpoint_bigquery.client import Place
from hardpoint_bigquery.config import BigQueryConfig
from hardpoint_bigquery.parameters import bind_all
from hardpoint_bigquery.table import FIELDS, is_table

DIGEST_LABEL = "hardpoint"
BACKTICKS = Dialect(quote="`", longest=1024)


class Submission(msgspec.Struct, frozen=True):
    """One job, ready to be sent.

    Args:
        name: The job's id.
        sql: With names of tables in it, and no value.
        job: Google's `JobConfiguration`, with parameters and the label that holds the digest.
        digest: Of all that the job is.
    """

    name: str
    sql: str
    job: dict[str, Any]
    digest: str

    def configuration(self, *, dry_run: bool = False) -> bigquery.QueryJobConfig:
        """For Google's client."""
        resource = {**self.job, "dryRun": True} if dry_run else self.job
        made = bigquery.QueryJobConfig.from_api_repr(resource)
        assert isinstance(made, bigquery.QueryJobConfig)
        return made

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


def submission(request: CreateRequest, values: Values) -> Submission:
    """The job of one attempt.

    Raises:
        UserError: An input cannot be bound, or is no name of a table.
    """
    config = config_of(request)
    types = {each.name: each.type for each in request.spec.interface.inputs}
    natural = {name: values.decode(type, request.inputs[name]) for name, type in types.items()}
    names = {name: _identifier(name, types, natural) for name in config.identifiers}
    sql = config.sql.with_names(names, BACKTICKS)
    bound = {name: type for name, type in types.items() if name not in names}
    parameters = [each.to_api_repr() for each in bind_all(bound, natural)]
    query: dict[str, Any] = {"useLegacySql": False, **config.job.get("query", {})}
    if parameters:
        query |= {"parameterMode": "NAMED", "queryParameters": parameters}
    job = {**config.job, "query": query}
    digest = hashlib.sha256(msgspec.json.encode([sql, job], order="deterministic")).hexdigest()[:32]
    labels = {**config.job.get("labels", {}), DIGEST_LABEL: digest}
    return Submission(request.token, sql, {**job, "labels": labels}, digest)


def _identifier(name: str, types: Mapping[str, AnyType], natural: Mapping[str, Any]) -> Identifier:
    type, value = types.get(name), natural.get(name)
    if type == SimpleType(SimpleKind.STR):
        return Identifier(str(value))
    if type is not None and is_table(type):
        parts = [value[each] if isinstance(value, dict) else getattr(value, each) for each in FIELDS]
        return Identifier(".".join(parts))
    raise UserError(
        f"`identifiers` names `{name}`, which is no input of type `str` or `BigQueryTable`",
        hint="Declare it among `inputs`",
    )
