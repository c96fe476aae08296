"""What is sent for one attempt: the settings of a query, its text and its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hardpoint.plugin_api import Context, CreateRequest, FrameType, Reference, UserError, Variable
from hardpoint_athena.config import AthenaConfig
from hardpoint_athena.destination import QUERIES, opening
from hardpoint_athena.placeholders import place
from hardpoint_athena.sql_literals import TEXT_MAX, sql_literals
from hardpoint_athena.tables import rows_of

QUERY_BYTES_MAX = 262144
ROWS_MAX = TEXT_MAX // 3
"""No row is shorter than `{},`."""


def marker_of(token: str) -> str:
    """The last line of a query, by which it is found again: the service shows no tokens.

    >>> marker_of("hp-abc")
    '\\n-- hardpoint hp-abc'
    """
    return f"\n-- hardpoint {token}"


def query_of(config: AthenaConfig, request: CreateRequest, context: Context) -> dict[str, Any]:
    """The author's query as arguments of `StartQueryExecution`, without a token, a mark and a destination.

    Raises:
        UserError: A value has no form as a parameter.
    """
    sql = config.query.named(QUERIES, request.inputs)
    variables = {variable.name: variable for variable in request.spec.interface.inputs}
    literals = {
        name: _literals(context, variables[name], request.inputs[name]) for name in set(place(sql).names)
    }
    placed = place(sql, {name: len(each) for name, each in literals.items()})
    arguments: dict[str, Any] = {
        # A semicolon before the mark would be the end of the statement.
        "QueryString": placed.sql.rstrip().rstrip(";").rstrip(),
        "WorkGroup": config.workgroup,
        "ExecutionParameters": [each for name in placed.names for each in literals[name]],
        "QueryExecutionContext": _given(Database=config.database, Catalog=config.catalog),
        "ResultConfiguration": _result(config),
        "ResultReuseConfiguration": _reuse(config),
        "EngineConfiguration": config.engine,
    }
    return _given(**arguments)


def submission_of(config: AthenaConfig, query: Mapping[str, Any], token: str) -> dict[str, Any]:
    """What is sent: the query with its mark, and made to write its destination.

    A query whose result may be another's carries no mark: the service compares the text.

    Args:
        config: Of the task.
        query: What `query_of` returns.
        token: The attempt's, for the mark.

    Raises:
        UserError: The query is too long.
    """
    mark = marker_of(token) if config.reuse_minutes is None else ""
    text = opening(config.destination, config.table_properties) + query["QueryString"] + mark
    if len(text.encode()) > QUERY_BYTES_MAX:
        raise UserError(
            f"The SQL in {config.query.origin} has {len(text.encode())} bytes, "
            f"and Athena takes {QUERY_BYTES_MAX}",
            hint="Put values into a table, or split the query",
        )
    return {**query, "QueryString": text}


def _literals(context: Context, variable: Variable, wire: Any) -> list[str]:
    try:
        if isinstance(variable.type, FrameType):
            reference = msgspec.convert(wire, Reference)
            return sql_literals(rows_of(context.store.read_bytes(reference), variable.name, ROWS_MAX))
        return sql_literals(context.values.decode(variable.type, wire))
    except UserError as error:
        raise UserError(f"Input `{variable.name}`: {error.message}", hint=error.hint) from None


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
