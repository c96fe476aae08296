"""Calls through the core of boto3: a client for each connection, every call gated, every failure classed."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any, Literal

from hardpoint.plugin_api import Context, HardpointError, TransientError
from hardpoint_athena.config import Connection
from hardpoint_athena.refusals import error_of_answer, error_without_answer, is_expired

CONNECTIONS_MAX = 20
TALKATIVE = ("botocore.auth", "botocore.endpoint", "botocore.parsers", "botocore.hooks")
"""Loggers of the SDK that tell whole requests and answers at level DEBUG, with credentials in them."""
SESSION_NAME = "hardpoint"

Gate = Literal["read", "write"]


class AthenaClient:
    """The service as any thread may call it.

    Each client is kept with a digest of its credentials, so that a renewed secret gets a new one.
    """

    def __init__(self) -> None:
        self._sessions: Any = import_module("botocore.session")
        for name in TALKATIVE:
            logging.getLogger(name).addFilter(_above_debug)
        self._config: Any = import_module("botocore.config").Config
        errors: Any = import_module("botocore.exceptions")
        self._refusal: Any = errors.ClientError
        self._failures: Any = (errors.BotoCoreError, errors.HTTPClientError, OSError, ValueError, KeyError)
        self._lock = threading.Lock()
        self._clients: dict[Connection, tuple[str, Any]] = {}

    def call(
        self,
        context: Context,
        connection: Connection,
        gate: Gate,
        operation: str,
        wanted: str = "",
        **arguments: Any,
    ) -> Mapping[str, Any]:
        """One call. Credentials that have expired are replaced once, by those of a new session.

        Args:
            context: Of the verb.
            connection: How and as whom.
            gate: Whether it changes something.
            operation: Name in the SDK, such as `start_query_execution`.
            wanted: A key without which the answer is broken.
            arguments: As the service documents them.
        """
        try:
            return self._once(context, connection, gate, operation, wanted, arguments)
        except _ExpiredError:
            self._forget(connection)
        try:
            return self._once(context, connection, gate, operation, wanted, arguments)
        except _ExpiredError as error:
            raise error.meaning from None

    def _once(
        self,
        context: Context,
        connection: Connection,
        gate: Gate,
        operation: str,
        wanted: str,
        arguments: Mapping[str, Any],
    ) -> Mapping[str, Any]:
        client = self._client(context, connection)
        call = f"`{operation}` of Athena"
        with context.calls.write() if gate == "write" else context.calls.read():
            answer = self._answer(call, lambda: getattr(client, operation)(**arguments))
        if wanted and wanted not in answer:
            raise TransientError(f"The answer to {call} has no `{wanted}`")
        return answer

    def _answer(self, call: str, made: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        try:
            return made()
        except self._refusal as error:
            meaning = error_of_answer(call, error.response)
            if is_expired(error.response):
                raise _ExpiredError(meaning) from None
            raise meaning from None
        except self._failures as error:
            raise error_without_answer(call, error) from None

    def _client(self, context: Context, connection: Connection) -> Any:
        keys = {
            argument: context.secret(name)
            for argument, name in (
                ("aws_access_key_id", connection.access_key),
                ("aws_secret_access_key", connection.secret_key),
                ("aws_session_token", connection.session_token),
            )
            if name
        }
        whose = hashlib.sha256(repr(sorted(keys.items())).encode()).hexdigest()
        with self._lock:
            kept, client = self._clients.get(connection, ("", None))
        if kept != whose:
            client = self._made(context, connection, keys)
            with self._lock:
                self._clients[connection] = (whose, client)
        return client

    def _made(self, context: Context, connection: Connection, keys: Mapping[str, str]) -> Any:
        session = self._sessions.Session(profile=connection.profile or None)
        session.register_component("data_loader", _models())

        def service(name: str, url: str, given: Mapping[str, str]) -> Any:
            return session.create_client(
                name,
                region_name=connection.region or None,
                endpoint_url=url or None,
                config=self._config(
                    connect_timeout=connection.timeout_s,
                    read_timeout=connection.timeout_s,
                    max_pool_connections=CONNECTIONS_MAX,
                    # The executor repeats calls, and counts them.
                    retries={"total_max_attempts": 1},
                ),
                **given,
            )

        try:
            if connection.role_arn:
                keys = self._assumed(context, connection, service("sts", connection.sts_endpoint_url, keys))
            return service("athena", connection.endpoint_url, keys)
        except self._failures as error:
            raise error_without_answer("A client of Athena", error) from None

    def _assumed(self, context: Context, connection: Connection, sts: Any) -> Mapping[str, str]:
        asked = {"RoleArn": connection.role_arn, "RoleSessionName": SESSION_NAME}
        if connection.external_id:
            asked["ExternalId"] = connection.external_id
        call = f"`assume_role` for `{connection.role_arn}`"
        with context.calls.read():
            got = self._answer(call, lambda: sts.assume_role(**asked)).get("Credentials")
        if not got:
            raise TransientError(f"The answer to {call} has no `Credentials`")
        return {
            "aws_access_key_id": got["AccessKeyId"],
            "aws_secret_access_key": got["SecretAccessKey"],
            "aws_session_token": got["SessionToken"],
        }

    def _forget(self, connection: Connection) -> None:
        with self._lock:
            self._clients.pop(connection, None)


@cache
def _models() -> Any:
    """Descriptions of the service, read once in a process: they take longer than all else in a client."""
    return import_module("botocore.session").get_session().get_component("data_loader")


def _above_debug(record: logging.LogRecord) -> bool:
    return record.levelno > logging.DEBUG


class _ExpiredError(Exception):
    """Between two tries of one call; `meaning` is what the second one raises."""

    def __init__(self, meaning: HardpointError) -> None:
        super().__init__(meaning.message)
        self.meaning = meaning
