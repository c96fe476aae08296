"""Queries that run before an attempt's own: each of the same attempt is started once, and waited for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from hardpoint.plugin_api import (
    Context,
    ErrorInfo,
    ErrorKind,
    HardpointError,
    PermanentSystemError,
    Phase,
    Status,
    TransientError,
    UserError,
)
from hardpoint_athena.client import AthenaClient, Gate
from hardpoint_athena.config import AthenaConfig
from hardpoint_athena.states import status_of

WAIT_S = 0.25
WAITS_MAX = 120
TRIES_MAX = 3
NOT_OF_OTHERS = ("ResultReuseConfiguration", "ExecutionParameters")


class Preliminaries:
    """What runs before one attempt's query.

    Args:
        client, context, config: As for every call.
        query: What would be sent for the attempt: settings and values.
        token: The attempt's. Those of the queries here follow from it, so that a repeated one is the same.
    """

    def __init__(
        self,
        client: AthenaClient,
        context: Context,
        config: AthenaConfig,
        query: Mapping[str, Any],
        token: str,
    ) -> None:
        self._client, self._context, self._config = client, context, config
        self._query, self._token = query, token

    def explain(self, how: str) -> tuple[str, Status]:
        """EXPLAIN of the attempt's query: id and end. Changes nothing.

        Raises:
            UserError: The service refuses it.
        """
        wanted = {name: each for name, each in self._query.items() if name != "ResultReuseConfiguration"}
        return self._run("read", {**wanted, "QueryString": f"EXPLAIN {how}\n{wanted['QueryString']}"}, "")

    def carry_out(self, sql: str) -> None:
        """A statement without values that changes something, and may be done twice.

        One that failed for a passing reason is tried again; a repeated create sees the same tries, in order.

        Raises:
            HardpointError: The service refuses it, or it failed.
        """
        wanted = {name: each for name, each in self._query.items() if name not in NOT_OF_OTHERS}
        for number in range(TRIES_MAX):
            _, status = self._run("write", {**wanted, "QueryString": sql}, f" {number}")
            if status.phase is Phase.SUCCEEDED:
                return
            failure = status.error or ErrorInfo("QueryFailed", f"`{sql}` was cancelled", ErrorKind.TRANSIENT)
            if failure.kind is not ErrorKind.TRANSIENT:
                break
        raise _error_of(failure)

    def read(self, operation: str, wanted: str, **arguments: Any) -> Mapping[str, Any]:
        """A call that changes nothing."""
        connection = self._config.connection
        return self._client.call(self._context, connection, "read", operation, wanted, **arguments)

    def _run(self, gate: Gate, wanted: Mapping[str, Any], which: str) -> tuple[str, Status]:
        told = f"{self._token} {wanted['QueryString']}{which}"
        started = self._client.call(
            self._context,
            self._config.connection,
            gate,
            "start_query_execution",
            "QueryExecutionId",
            ClientRequestToken=hashlib.sha256(told.encode()).hexdigest(),
            **wanted,
        )["QueryExecutionId"]
        for _ in range(WAITS_MAX):
            found = self.read("get_query_execution", "QueryExecution", QueryExecutionId=started)
            status = status_of(found["QueryExecution"])
            if status.phase.terminal:
                return started, status
            self._context.clock.sleep(WAIT_S)
        raise TransientError(
            f"`{wanted['QueryString'][:80]}` has not ended within {WAITS_MAX * WAIT_S:.0f} s"
        )


def _error_of(failure: ErrorInfo) -> HardpointError:
    match failure.kind:
        case ErrorKind.TRANSIENT:
            return TransientError(failure.message, hint=failure.hint)
        case ErrorKind.USER:
            return UserError(failure.message, hint=failure.hint)
        case _:
            return PermanentSystemError(failure.message, hint=failure.hint)
