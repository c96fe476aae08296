"""Whether Snowflake could be used now: connector, credentials, the history that polls read, the clock."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import msgspec

from hardpoint.plugin_api import Context, Finding, HardpointError, SecretMissingError, Severity
from hardpoint.plugin_api.clock_skew import clock_finding
from hardpoint_snowflake.config import Connection

REQUIRED = {
    "account": "SNOWFLAKE_ACCOUNT",
    "user": "SNOWFLAKE_USER",
    "database": "SNOWFLAKE_DATABASE",
    "warehouse": "SNOWFLAKE_WAREHOUSE",
}
OPTIONAL = {
    "role": "SNOWFLAKE_ROLE",
    "url": "SNOWFLAKE_URL",
    "oauth_token": "SNOWFLAKE_OAUTH_SECRET",
}


def findings(context: Context, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Ask the account that the environment names; tasks may name others."""
    missing = [variable for variable in REQUIRED.values() if not environ.get(variable)]
    if missing:
        yield Finding(Severity.OK, "service", f"not asked: `{missing[0]}` is not set")
        return
    try:
        client = import_module("hardpoint_snowflake.client").SnowflakeClient()
    except ImportError as error:
        yield Finding(
            Severity.ERROR,
            "libraries",
            f"the connector cannot be imported: {error}",
            f"Run `{sys.executable} -m pip install --force-reinstall snowflake-connector-python`",
        )
        return
    named = {field: environ.get(name, "") for field, name in {**REQUIRED, **OPTIONAL}.items()}
    yield from _asked(context, client, msgspec.convert(named, Connection))


def _asked(context: Context, client: Any, connection: Connection) -> Iterator[Finding]:
    statements = import_module("hardpoint_snowflake.statements")
    history = import_module("hardpoint_snowflake.history")
    call = statements.metadata_call(statements.Statement(*history.states_sql(["none"])))
    try:
        answer = client.call(context, connection, call)
        history.rows_of(answer)
    except SecretMissingError as error:
        yield Finding(Severity.ERROR, "credentials", error.message, error.hint)
    except HardpointError as error:
        hint = (
            error.hint
            or "Check `SNOWFLAKE_ACCOUNT` and `SNOWFLAKE_URL`, and that the role may use the database"
        )
        yield Finding(Severity.ERROR, "service", error.message, hint)
    else:
        yield Finding(Severity.OK, "credentials", f"`{connection.account_key}` may read its own history")
        yield clock_finding(answer.date, context.clock)
