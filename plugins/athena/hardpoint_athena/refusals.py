"""What the errors of the service and of its SDK mean."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hardpoint.plugin_api import (
    ContractViolation,
    HardpointError,
    PermanentSystemError,
    ThrottledError,
    TransientError,
    UserError,
)
from hardpoint.plugin_api.http_calls import error_of_status

THROTTLED = frozenset(
    {
        "ThrottlingException",
        "Throttling",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
    }
)
EXPIRED = frozenset({"ExpiredTokenException", "ExpiredToken", "TokenRefreshRequired"})
SKEWED = frozenset({"RequestExpired", "RequestTimeTooSkewed", "InvalidSignatureException"})
REFUSED = frozenset(
    {
        "AccessDeniedException",
        "AccessDenied",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "MissingAuthenticationToken",
        "OptInRequired",
    }
)
OTHER_REQUEST = "idempotent parameters do not match"
FINAL = frozenset({"MALFORMED_QUERY"})
"""Codes of requests that are wrong in themselves: trying them again changes nothing."""

CREDENTIALS_HINT = (
    "Check whose credentials these are, and their rights, with `aws sts get-caller-identity` "
    "and `hardpoint plugins doctor athena`"
)
SKEW_HINT = "Is this machine's clock right? `hardpoint plugins doctor athena` compares it with the service's"
EXPIRED_HINT = (
    "New credentials have expired as well: log in again, such as with `aws sso login`, or renew the secret"
)
QUOTA_HINT = (
    "Ask AWS for a higher quota of active queries, or set fewer slots for the pool in `hardpoint.toml`"
)


def error_of_answer(call: str, answer: Mapping[str, Any]) -> HardpointError:
    """The error that a refusal of the service means.

    Args:
        call: What was called.
        answer: `ClientError.response` of the SDK.

    >>> error_of_answer("`StopQueryExecution`", {"Error": {"Code": "ThrottlingException", "Message": "Rate"}})
    ThrottledError('`StopQueryExecution` was refused with ThrottlingException: Rate')
    """
    error, meta = answer.get("Error", {}), answer.get("ResponseMetadata", {})
    code, status = str(error.get("Code", "")), int(meta.get("HTTPStatusCode") or 400)
    words = " ".join(str(error.get("Message", "")).split())
    retry_after_s = _seconds(meta.get("HTTPHeaders", {}).get("retry-after"))
    what = f"{call} was refused with {code}"
    detail = str(answer.get("AthenaErrorCode", ""))
    # Words about credentials may repeat them: a signature's mismatch tells the whole request.
    if code in EXPIRED:
        return PermanentSystemError(what, hint=EXPIRED_HINT)
    if code in SKEWED:
        return PermanentSystemError(what, hint=SKEW_HINT)
    if code in REFUSED or status in (401, 403):
        return PermanentSystemError(what, hint=CREDENTIALS_HINT)
    if code in THROTTLED or status == 429:
        return ThrottledError(f"{what}: {words}", retry_after_s=retry_after_s, hint=QUOTA_HINT)
    if status >= 500 or status in (408, 409):
        return error_of_status(status, call, words, retry_after_s)
    if OTHER_REQUEST in words.lower():
        return ContractViolation(f"{what}: {words}")
    if detail in FINAL:
        return PermanentSystemError(f"{what} ({detail}): {words}", hint="Correct the query")
    return UserError(f"{what}: {words}", hint=_hint(words))


def _hint(words: str) -> str:
    lower = words.lower()
    if "output location" in lower or "outputlocation" in lower:
        return "Give the workgroup a location for results, or `output_location=` to the query"
    if "workgroup" in lower:
        return "See which there are with `aws athena list-work-groups`"
    return ""


def is_expired(answer: Mapping[str, Any]) -> bool:
    """Whether the credentials of the call were good once.

    >>> is_expired({"Error": {"Code": "ExpiredTokenException"}})
    True
    """
    return answer.get("Error", {}).get("Code") in EXPIRED


def error_without_answer(call: str, failure: Exception) -> HardpointError:
    """The error that a failure of the SDK means which is no answer of the service.

    Args:
        call: What was called.
        failure: A `BotoCoreError`; its class is told by name, since the SDK has many.
    """
    name = type(failure).__name__
    match name:
        case "ParamValidationError":
            return UserError(f"{call} cannot be made: {' '.join(str(failure).split())}")
        case "NoRegionError":
            return PermanentSystemError(
                f"{call} needs a region", hint='Give `Connection(region="…")`, or set `AWS_REGION`'
            )
        case "NoCredentialsError" | "PartialCredentialsError" | "CredentialRetrievalError":
            return PermanentSystemError(f"{call} found no credentials: {name}", hint=CREDENTIALS_HINT)
        case "ProfileNotFound" | "ConfigNotFound" | "ConfigParseError" | "InvalidConfigError":
            return PermanentSystemError(f"{call} cannot read its profile: {failure}", hint=CREDENTIALS_HINT)
        case _ if name.startswith(("SSO", "UnauthorizedSSO", "Login", "Refresh")) or "Token" in name:
            return PermanentSystemError(f"{call} found no credentials: {name}", hint=EXPIRED_HINT)
        case _:
            return TransientError(f"{call} got no answer: {name}")


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text or "")
    except ValueError:
        # Absent, or a date: then the executor waits by a rule of its own.
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
