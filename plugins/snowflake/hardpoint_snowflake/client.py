"""Calls to Snowflake, each one HTTP request in a session of the official connector.

The connector signs in, keeps the HTTP session (proxies, TLS, revoked certificates) and reads results. Calls
are made by hand: its own repeat a request past the gate, and would wait, after a session was renewed, for a
query that was submitted to run by itself.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
from snowflake import connector
from snowflake.connector.network import PYTHON_CONNECTOR_USER_AGENT, SnowflakeAuth
from snowflake.connector.vendored.requests.exceptions import RequestException
from snowflake.connector.vendored.urllib3 import Retry

from hardpoint.plugin_api import Context, PermanentSystemError, TransientError
from hardpoint.plugin_api.http_calls import SUCCESS, error_of_status
from hardpoint_snowflake.config import Connection
from hardpoint_snowflake.failures import SESSION_OVER
from hardpoint_snowflake.signing_in import Credentials, sign_in

WORDS_MAX = 200
_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/snowflake",
    "User-Agent": PYTHON_CONNECTOR_USER_AGENT,
}
_ONCE = Retry(0, read=False, redirect=False)


class Answer(msgspec.Struct, frozen=True):
    """What the service answers to everything.

    Args:
        success: Whether it was done; False also for a statement that failed.
        data: What was asked for.
        code: Of an error, or of a state such as "in progress".
        message: The service's words.
        date: The header of that name.
    """

    success: bool
    data: dict[str, Any] | None = None
    code: str | None = None
    message: str | None = None
    date: str = ""

    @property
    def query_id(self) -> str:
        """The query it is about; empty if none."""
        return str((self.data or {}).get("queryId") or "")


class Call(msgspec.Struct, frozen=True):
    """One request.

    Args:
        verb, path: With the query string, if it has one.
        body: Sent as JSON.
        changes: Whether it changes something, and so must pass `calls.write()`.
    """

    verb: str
    path: str
    body: dict[str, Any] | None = None
    changes: bool = False

    def __str__(self) -> str:
        return f"`{self.verb} {self.path.partition('?')[0]}`"


class _Slot:
    """The session of one connection, and the secrets it was opened with."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.digest = ""
        self.session: connector.SnowflakeConnection | None = None

    def close(self) -> None:
        """End it on our side; its queries go on."""
        session, self.session = self.session, None
        if session is not None:
            session.close()


class SnowflakeClient:
    """One session for each connection, closed with the client; calls from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._slots: dict[Connection, _Slot] = {}
        weakref.finalize(self, _close_all, self._slots)

    def call(self, context: Context, connection: Connection, call: Call) -> Answer:
        """Make one call; if the session is over, sign in again and make it once more.

        Raises:
            ThrottledError, TransientError, PermanentSystemError, UserError: As `error_of_status` says.
            SecretMissingError: A secret of the connection has no value.
        """
        session = self._session(context, connection)
        answer = _send(context, connection, session, call)
        if answer.code not in SESSION_OVER:
            return answer
        self._forget(connection, session)
        # Secrets are resolved anew: whoever rotates a token has changed it meanwhile.
        session = self._session(context, connection)
        answer = _send(context, connection, session, call)
        if answer.code in SESSION_OVER:
            raise PermanentSystemError(
                f"{call} was refused in a new session of `{connection.account_key}`: {answer.message}",
                hint=f"Check the secret `{connection.secrets[0]}`",
            )
        return answer

    @contextmanager
    def reading(self, context: Context, connection: Connection, data: Mapping[str, Any]) -> Iterator[Any]:
        """A cursor of the connector over the result that an answer's `data` describes.

        Large results are fetched from the service's object store, past the gate: no call to the service.

        Raises:
            TransientError: The result cannot be fetched.
        """
        session = self._session(context, connection)
        # Its time zone and formats are taken from the session at this moment. What is public of the cursor
        # would ask for the result once more.
        try:
            with self._slot(connection).lock:
                parameters = {each["name"]: each["value"] for each in data.get("parameters", ())}
                session._update_parameters(parameters)
                cursor = session.cursor()
                cursor._init_result_and_meta(dict(data))
            yield cursor
        except (connector.errors.Error, KeyError) as error:
            raise TransientError(f"The result cannot be read: {type(error).__name__}: {error}") from None

    def _slot(self, connection: Connection) -> _Slot:
        with self._lock:
            return self._slots.setdefault(connection, _Slot())

    def _session(self, context: Context, connection: Connection) -> connector.SnowflakeConnection:
        credentials = Credentials.resolved(context, connection)
        digest = credentials.digest()
        slot = self._slot(connection)
        # Others of this connection wait for the same session, those of other connections do not.
        with slot.lock:
            if slot.digest != digest:
                slot.close()
            if slot.session is None:
                with context.calls.read():
                    slot.session = sign_in(connection, credentials)
                slot.digest = digest
            return slot.session

    def _forget(self, connection: Connection, session: connector.SnowflakeConnection) -> None:
        slot = self._slot(connection)
        with slot.lock:
            # Another thread may have signed in again already.
            if slot.session is session:
                slot.close()


def _close_all(slots: dict[Connection, _Slot]) -> None:
    for slot in slots.values():
        slot.close()


def _send(
    context: Context, connection: Connection, session: connector.SnowflakeConnection, call: Call
) -> Answer:
    gate = context.calls.write() if call.changes else context.calls.read()
    with gate:
        status, headers, body = _exchange(connection, session, call)
    answer = _answer_of(body)
    if answer is not None and answer.code in SESSION_OVER:
        return answer
    if status not in SUCCESS:
        words = " ".join(body.decode(errors="replace").split())[:WORDS_MAX]
        raise error_of_status(status, str(call), words, _seconds(headers.get("Retry-After")))
    if answer is None:
        raise TransientError(f"The answer to {call} cannot be read")
    return msgspec.structs.replace(answer, date=headers.get("Date", ""))


def _exchange(
    connection: Connection, session: connector.SnowflakeConnection, call: Call
) -> tuple[int, Mapping[str, str], bytes]:
    rest = session.rest
    if rest is None:
        raise TransientError(f"{call} found its session closed by another thread")
    url = f"{rest.server_url}{call.path}"
    try:
        with rest.session_manager.use_session(url) as http:
            http.get_adapter(url).max_retries = _ONCE
            response = http.request(
                call.verb,
                url,
                data=_sent(session, call),
                headers=_HEADERS,
                timeout=connection.timeout_s,
                allow_redirects=False,
                auth=SnowflakeAuth(rest.token),
            )
            return response.status_code, response.headers, response.content
    except RequestException as failure:
        raise TransientError(
            f"{call} at `{rest.server_url}` got no answer: {type(failure).__name__}"
        ) from None


def _sent(session: connector.SnowflakeConnection, call: Call) -> bytes | None:
    if call.body is None:
        return None
    # Statements of a session are numbered by whoever sends them; it is no part of what is repeated.
    numbered = {"sequenceId": session._next_sequence_counter()} if "sqlText" in call.body else {}
    return msgspec.json.encode({**call.body, **numbered})


def _answer_of(body: bytes) -> Answer | None:
    try:
        return msgspec.json.decode(body, type=Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text or "")
    except ValueError:
        return None  # absent, or a date: the executor waits by a rule of its own
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
