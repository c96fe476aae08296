"""A session of the official connector: opened by key pair or OAuth, and closed without ending its queries."""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from snowflake import connector

from hardpoint.plugin_api import Context, PermanentSystemError, TransientError
from hardpoint_snowflake.config import Connection

SIGN_IN_TIMEOUT_S = 20
"""Longest wait for a session; the connector takes whole seconds only."""

_PORTS = {"http": 80, "https": 443}


class Credentials(msgspec.Struct, frozen=True):
    """What the secrets of a connection hold. Never kept, shown or compared but by its digest."""

    private_key: str = ""
    passphrase: str = ""
    oauth_token: str = ""

    def __repr__(self) -> str:
        return "Credentials(…)"

    @classmethod
    def resolved(cls, context: Context, connection: Connection) -> Credentials:
        """Ask for the secrets now; raises `SecretMissingError`."""
        if connection.oauth_token:
            return cls(oauth_token=context.secret(connection.oauth_token))
        passphrase = context.secret(connection.passphrase) if connection.passphrase else ""
        return cls(context.secret(connection.private_key), passphrase)

    def digest(self) -> str:
        """What a session is kept under: with another token another one is opened."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()


def sign_in(connection: Connection, credentials: Credentials) -> connector.SnowflakeConnection:
    """Open a session: one call to the service, inside the caller's gate.

    Raises:
        PermanentSystemError: The service refuses the credentials, or the private key cannot be read.
        TransientError: It cannot be reached.
    """
    parts = urlsplit(connection.url or f"https://{connection.account}.snowflakecomputing.com")
    proof = _proof(connection, credentials)
    try:
        return connector.connect(
            account=connection.account,
            user=connection.user,
            host=parts.hostname,
            port=parts.port or _PORTS[parts.scheme],
            protocol=parts.scheme,
            database=connection.database,
            schema=connection.schema,
            warehouse=connection.warehouse,
            role=connection.role or None,
            login_timeout=SIGN_IN_TIMEOUT_S,
            network_timeout=SIGN_IN_TIMEOUT_S,
            socket_timeout=SIGN_IN_TIMEOUT_S,
            application="hardpoint",
            # Closing the session would end the queries that run in it.
            server_session_keep_alive=True,
            session_parameters={"ABORT_DETACHED_QUERY": False, "CLIENT_TELEMETRY_ENABLED": False},
            platform_detection_timeout_seconds=0.0,
            arrow_number_to_decimal=True,
            **proof,
        )
    except connector.errors.OperationalError as error:
        raise TransientError(f"Snowflake `{parts.netloc}` cannot be reached: {error.msg}") from None
    except connector.errors.Error as error:
        raise PermanentSystemError(
            f"Snowflake refuses user `{connection.user}` of `{connection.account}`: {error.msg}",
            hint=f"Check the secret `{connection.secrets[0]}`, `user`, `role` and `warehouse`",
        ) from None


def _proof(connection: Connection, credentials: Credentials) -> dict[str, object]:
    if credentials.oauth_token:
        return {"authenticator": "oauth", "token": credentials.oauth_token}
    try:
        key = load_pem_private_key(credentials.private_key.encode(), credentials.passphrase.encode() or None)
    except (ValueError, TypeError):  # its words may repeat what was read
        raise PermanentSystemError(
            f"The secret `{connection.private_key}` is not a private key in PEM that its passphrase opens",
            hint="Give the content of the `.p8` file; name the passphrase's secret in `passphrase`",
        ) from None
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return {"authenticator": "SNOWFLAKE_JWT", "private_key": der}
