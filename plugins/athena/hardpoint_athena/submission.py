"""What is sent for one attempt: the settings of a query, its text and its parameters."""

from __future__ import annotations

from typing import Any

from hardpoint.plugin_api import CreateRequest, UserError, Values
from hardpoint_athena.config import AthenaConfig
from hardpoint_athena.placeholders import place
from hardpoint_athena.sql_literals import sql_literal

QUERY_BYTES_MAX = 262144


def marker_of(token: str) -> str:
    """The last line of a query, by which it is found again: the service shows no tokens.

    >>> marker_of("hp-abc")
    '\\n-- hardpoint hp-abc'
    """
    return f"\n-- hardpoint {token}"


def submission_of(config: AthenaConfig, request: CreateRequest, values: Values) -> dict[str, Any]:
    """Arguments of `StartQueryExecution`, but for the token.

    A query whose result may be another's carries no mark: the service compares the text.

    Raises:
        UserError: A value has no form as a parameter, or the query is too long.
    """
    placed = place(config.query.text)
    mark = marker_of(request.token) if config.reuse_minutes is None else ""
    # A semicolon before the mark would be the end of the statement.
    text = placed.sql.rstrip().rstrip(";").rstrip() + mark
    if len(text.encode()) > QUERY_BYTES_MAX:
        raise UserError(
            f"The SQL in {config.query.origin} has {len(text.encode())} bytes, "
            f"and Athena takes {QUERY_BYTES_MAX}",
            hint="Put values into a table, or split the query",
        )
    types = {variable.name: variable.type for variable in request.spec.interface.inputs}
    literals = [sql_literal(values.decode(types[name], request.inputs[name])) for name in placed.names]
    arguments: dict[str, Any] = {
        "QueryString": text,
        "WorkGroup": config.workgroup,
        "ExecutionParameters": literals,
        "QueryExecutionContext": _given(Database=config.database, Catalog=config.catalog),
        "ResultConfiguration": _result(config),
        "ResultReuseConfiguration": _reuse(config),
        "EngineConfiguration": config.engine,
    }
    return _given(**arguments)


def _result(config: AthenaConfig) -> dict[str, Any]:
    encryption = _given(EncryptionOption=config.encryption, KmsKey=config.kms_key)
    acl = {"S3AclOption": "BUCKET_OWNER_FULL_CONTROL"} if config.bucket_owner_full_control else {}
    return _given(
        OutputLocation=config.output_location,
        EncryptionConfiguration=encryption,
        ExpectedBucketOwner=config.expected_bucket_owner,
        AclConfiguration=acl,
    )


def _reuse(config: AthenaConfig) -> dict[str, Any]:
    if config.reuse_minutes is None:
        return {}
    return {"ResultReuseByAgeConfiguration": {"Enabled": True, "MaxAgeInMinutes": config.reuse_minutes}}


def _given(**settings: Any) -> dict[str, Any]:
    """Without what was left empty."""
    return {name: value for name, value in settings.items() if value}
