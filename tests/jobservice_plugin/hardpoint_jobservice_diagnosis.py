"""Whether the job service could be used now: where it is, if it takes our token, its clock, its quota."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hardpoint_jobservice_client import Address, Quota, ServiceClient

from hardpoint.plugin_api import (
    Context,
    Finding,
    PermanentSystemError,
    SecretMissingError,
    Severity,
    TransientError,
)
from hardpoint.plugin_api.clock_skew import clock_finding

URL_VARIABLE = "HARDPOINT_JOBSERVICE_URL"
TOKEN_SECRET = "JOBSERVICE_TOKEN"
TENANT = "default"
TIMEOUT_S = 3.0


def findings(context: Context, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Ask the service that the environment names; tasks may name others in their config."""
    url = environ.get(URL_VARIABLE)
    if not url:
        yield Finding(Severity.OK, "service", f"not asked: `{URL_VARIABLE}` names no service")
        return
    client = ServiceClient()
    address = Address(url, TENANT, TIMEOUT_S, _token(context))
    try:
        with context.calls.read():
            client.call(address, "GET", "/healthz")
        yield Finding(Severity.OK, "service", f"`{url}` answers")
        with context.calls.read():
            answer = client.call(address, "GET", "/v1/quota", token_secret=TOKEN_SECRET)
    except TransientError as error:
        hint = f"Check that the service is up, and `{URL_VARIABLE}`"
        yield Finding(Severity.ERROR, "service", error.message, hint)
        return
    except PermanentSystemError as error:
        yield Finding(Severity.ERROR, "credentials", error.message, error.hint)
        return
    yield Finding(Severity.OK, "credentials", f"tenant `{TENANT}` may look")
    yield clock_finding(answer.date, context.clock)
    yield _of_quota(answer.read(Quota))


def _token(context: Context) -> str:
    try:
        return context.secret(TOKEN_SECRET)
    except SecretMissingError:
        return ""  # a service may want none


def _of_quota(quota: Quota) -> Finding:
    if quota.queued >= quota.max_queued:
        return Finding(
            Severity.WARNING,
            "quota",
            f"tenant `{TENANT}` has {quota.queued} jobs waiting, of {quota.max_queued} that it may have",
            "Jobs are refused until some have begun; raise `max_queued` of the service",
        )
    return Finding(
        Severity.OK, "quota", f"{quota.running} of {quota.slots} slots in use, {quota.queued} jobs waiting"
    )
