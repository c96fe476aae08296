"""Google's client for BigQuery, with the gate around every call that it makes and its errors classed."""

from __future__ import annotations

import hashlib
import json
import math
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias

import google.auth
import google.auth.exceptions
import msgspec
import requests
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.auth.transport.requests import AuthorizedSession
from google.cloud import bigquery
from google.oauth2 import credentials as user
from google.oauth2 import service_account

from hardpoint.plugin_api import (
    Context,
    ContractViolation,
    ErrorKind,
    HardpointError,
    PermanentSystemError,
    ThrottledError,
    TransientError,
    UserError,
)
from hardpoint_bigquery.failures import HINTS, KINDS, with_line

# Google annotates some of this, and not that `retry=None` means none.
Client: TypeAlias = Any
_Session: Any = AuthorizedSession
_Anonymous: Any = AnonymousCredentials
_ServiceAccount: Any = service_account.Credentials
_User: Any = user.Credentials

Gate = Callable[[], AbstractContextManager[None]]

SCOPES = ("https://www.googleapis.com/auth/bigquery", "https://www.googleapis.com/auth/cloud-platform")
WORDS_MAX = 200
REFRESHES_MAX = 1
"""A token that ended in mid-run is fetched anew once for a call; refused again, it is not the token."""


class Place(msgspec.Struct, frozen=True):
    """Where jobs live and what reaches them: all that a job's reference keeps of its task's config."""

    project: str
    location: str
    endpoint: str = ""
    credentials_secret: str = ""
    http_timeout_s: float = 30.0


class _GatedSession:
    """What Google's client sends requests with: each one passes the gate and is waited for so long."""

    is_mtls = False

    def __init__(self, session: Any, gate: Gate, timeout_s: float) -> None:
        self._session, self._gate, self._timeout_s = session, gate, timeout_s

    def request(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["timeout"] = self._timeout_s
        with self._gate():
            return self._session.request(*args, **kwargs)


class Connections:
    """Clients from any thread; tokens and open connections are kept for each place and its credentials."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str], Any] = {}
        weakref.finalize(self, _close, self._open)

    def client(self, context: Context, place: Place, gate: Gate) -> Client:
        """A client whose every call passes `gate`.

        Raises:
            SecretMissingError: The secret is nowhere.
            PermanentSystemError: It holds no credentials, or there are no default ones.
        """
        text = context.secret(place.credentials_secret) if place.credentials_secret else ""
        key = (place.endpoint, hashlib.sha256(text.encode()).hexdigest())
        with self._lock:
            if key not in self._open:
                self._open[key] = _Session(_credentials(place, text), max_refresh_attempts=REFRESHES_MAX)
            session = self._open[key]
        make: Any = bigquery.Client
        return make(
            project=place.project,
            location=place.location,
            credentials=_Anonymous(),  # never used: the session has those that count
            client_options=ClientOptions(api_endpoint=place.endpoint) if place.endpoint else None,
            _http=_GatedSession(session, gate, place.http_timeout_s),
        )


def _close(sessions: dict[tuple[str, str], Any]) -> None:
    for session in sessions.values():
        session.close()


def _credentials(place: Place, text: str) -> Any:
    if text:
        return _of_secret(place.credentials_secret, text)
    if place.endpoint.startswith("http://"):
        return _Anonymous()
    try:
        found, _ = google.auth.default(scopes=SCOPES)
    except google.auth.exceptions.GoogleAuthError:
        raise PermanentSystemError(
            "There are no default credentials of Google here",
            hint="Run `gcloud auth application-default login`, or set `credentials_secret` of the task",
        ) from None
    return found


def _of_secret(name: str, text: str) -> Any:
    """By the kind of the file, as Google advises for files that come from elsewhere."""
    try:
        info = json.loads(text)
        match info["type"]:
            case "service_account":
                return _ServiceAccount.from_service_account_info(info, scopes=SCOPES)
            case "authorized_user":
                found = _User.from_authorized_user_info(info, scopes=SCOPES)
                return found.with_token_uri(info["token_uri"]) if "token_uri" in info else found
    except (ValueError, TypeError, KeyError, google.auth.exceptions.GoogleAuthError):
        pass  # their messages may repeat parts of the key
    raise PermanentSystemError(
        f"The secret `{name}` holds no credentials of Google",
        hint="Put the whole JSON of a service account's key, or of `application_default_credentials.json`, "
        "into it; what a machine has by itself needs no secret",
    )


@contextmanager
def classed(
    call: str, sql: str = "", *, passing: tuple[type[GoogleAPICallError], ...] = ()
) -> Iterator[None]:
    """Whatever Google's client raises inside leaves as an error of hardpoint's.

    Args:
        call: For messages, such as `` `jobs.insert` ``.
        sql: What was sent, for the line that an error is about.
        passing: Refusals that mean something to the caller, and leave as they are.
    """
    try:
        yield
    except HardpointError:
        raise
    except GoogleAPICallError as error:
        if isinstance(error, passing):
            raise
        raise refusal(error, call, sql) from None
    except google.auth.exceptions.RefreshError as error:
        if error.retryable:
            raise TransientError(f"{call} got no token from Google for now") from None
        raise PermanentSystemError(
            f"{call} got no token: Google does not accept the credentials",
            hint="Check that the key or account still exists: `gcloud auth application-default login`, "
            "or renew the secret that `credentials_secret` names",
        ) from None
    except (requests.RequestException, google.auth.exceptions.GoogleAuthError, TimeoutError) as error:
        raise TransientError(f"{call} got no answer: {type(error).__name__}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        told = f"{type(error).__name__}: {error}"[:WORDS_MAX]
        raise TransientError(f"The answer to {call} cannot be read: {told}") from None


def refusal(error: GoogleAPICallError, call: str, sql: str = "") -> HardpointError:
    """The error that a refused call means: by Google's reason where it says more than the status."""
    first = error.errors[0] if error.errors and isinstance(error.errors[0], dict) else {}
    reason = str(first.get("reason") or "")
    said = str(first.get("message") or error.message)
    status = int(error.code or 0)
    told = f"{call} was answered with {status}" + (f" {reason}" if reason else "")
    message = with_line(f"{told}: {said}", sql)
    kind = KINDS.get(reason) if status not in (401, 404, 409) else None
    hint = HINTS.get(reason, "")
    if status == 429 or kind is ErrorKind.THROTTLED:
        return ThrottledError(message, retry_after_s=_retry_after_s(error), hint=hint)
    if status >= 500 or status == 408 or kind is ErrorKind.TRANSIENT:
        return TransientError(message, hint=hint)
    if status in (401, 403):
        return PermanentSystemError(
            message, hint=hint or "Check the credentials, and what the account may do in the project"
        )
    if status == 409:
        return ContractViolation(message)
    return InvalidQuery(message, hint=hint) if reason == "invalidQuery" else UserError(message, hint=hint)


class InvalidQuery(UserError):
    """SQL that the service does not accept: the author's, and wrong however often it is tried."""

    kind = ErrorKind.SYSTEM


def _retry_after_s(error: GoogleAPICallError) -> float | None:
    headers = getattr(error.response, "headers", None) or {}
    try:
        seconds = float(headers.get("Retry-After", ""))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
