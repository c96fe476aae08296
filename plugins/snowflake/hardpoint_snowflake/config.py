"""What a task of type `snowflake` may say in its config."""

from __future__ import annotations

import msgspec

from hardpoint.plugin_api.query_task import Destination
from hardpoint.plugin_api.sql_text import SqlText

KEY_SECRET = "SNOWFLAKE_PRIVATE_KEY"  # noqa: S105 - the name of a secret

OWN_PARAMETERS = {
    "QUERY_TAG": "query_tag",
    "MULTI_STATEMENT_COUNT": "statements",
    "STATEMENT_TIMEOUT_IN_SECONDS": "statement_timeout_s",
    "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS": "queued_timeout_s",
}
"""Session parameters that have fields of their own: the tag is what a query is found by."""

Setting = str | int | bool


class Connection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where queries run and as whom; secrets are named, never given.

    Args:
        account: Identifier of the account, such as `acme-eu1`.
        user: Whose queries they are; the history that is searched and polled is this user's.
        database, schema: Where names without a database are looked up.
        warehouse: What runs the queries; its slots are the pool `snowflake:ACCOUNT/WAREHOUSE`.
        role: Empty: the user's default.
        private_key: Secret with the PEM of the user's key pair. Not used with `oauth_token`.
        passphrase: Secret that opens an encrypted private key.
        oauth_token: Secret with an access token; asked for again when the session has expired.
        url: Of the service, if it is not `https://ACCOUNT.snowflakecomputing.com`.
        timeout_s: Longest wait for one answer of the service.

    >>> Connection("acme-eu1", "etl", "sales", "small").secrets
    ('SNOWFLAKE_PRIVATE_KEY',)
    """

    account: str
    user: str
    database: str
    warehouse: str
    schema: str = "PUBLIC"
    role: str = ""
    private_key: str = KEY_SECRET
    passphrase: str = ""
    oauth_token: str = ""
    url: str = ""
    timeout_s: float = 20.0

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the secrets that open a session."""
        if self.oauth_token:
            return (self.oauth_token,)
        return (self.private_key, *([self.passphrase] if self.passphrase else []))

    @property
    def account_key(self) -> str:
        """`JobRef.account`: jobs with the same one are answered by one history query."""
        return f"{self.account}/{self.user}"


class SnowflakeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The config of a `snowflake` task.

    Args:
        connection: Where and as whom.
        sql: One statement, or `statements` of them, with `:name` where an input's value goes.
        statements: How many statements the SQL has; the service refuses any other number. The result is that
            of the last one.
        query_tag: Follows the attempt's token in `QUERY_TAG`, at most 1,900 characters.
        statement_timeout_s: `STATEMENT_TIMEOUT_IN_SECONDS`. None: the service's own.
        queued_timeout_s: `STATEMENT_QUEUED_TIMEOUT_IN_SECONDS`. None: the service's own.
        bytes_scanned_max: A query that would scan more, as `EXPLAIN` tells, is refused before it runs.
        parameters: Further session parameters for the query, such as `USE_CACHED_RESULT`.
        destination: The table that the result becomes. The outputs, if any, are its name.
    """

    connection: Connection
    sql: SqlText
    statements: int = 1
    query_tag: str = ""
    statement_timeout_s: int | None = None
    queued_timeout_s: int | None = None
    bytes_scanned_max: int | None = None
    parameters: dict[str, Setting] = {}
    destination: Destination | None = None

    def __post_init__(self) -> None:
        if self.statements < 1:
            raise ValueError(f"`statements` must be at least 1, not {self.statements}")
        if self.destination is not None and self.statements > 1:
            raise ValueError(
                "`destination` takes the result of one statement, and `statements` is "
                f"{self.statements}: write `insert into …` in the script"
            )
        for name in self.parameters:
            if name.upper() in OWN_PARAMETERS:
                raise ValueError(
                    f"`{name}` is no parameter to set: `{OWN_PARAMETERS[name.upper()]}` is for it"
                )
        if len(self.query_tag) > 1900:
            raise ValueError(f"`query_tag` has {len(self.query_tag)} characters, at most 1,900 are kept")
