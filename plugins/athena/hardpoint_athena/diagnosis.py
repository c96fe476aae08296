"""Whether queries could run here: the SDK, whose credentials, which workgroup, and the service's clock."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from hardpoint.plugin_api import Finding, Severity
from hardpoint.plugin_api.clock_skew import clock_finding

WORKGROUP_VARIABLE = "ATHENA_WORKGROUP"
TIMEOUT_S = 5.0


class _SystemClock:
    """The real time: a diagnosis runs outside any execution."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def findings() -> Iterator[Finding]:
    """What is there, and what is missing."""
    try:
        boto3: Any = import_module("boto3")
        config: Any = import_module("botocore.config").Config
    except Exception as error:  # whatever a damaged installation raises
        yield Finding(
            Severity.ERROR,
            "libraries",
            f"`boto3` cannot be imported: {type(error).__name__}: {error}",
            f"Run `{sys.executable} -m pip install --force-reinstall boto3`",
        )
        return
    yield Finding(Severity.OK, "libraries", f"boto3 {boto3.__version__} can be imported")
    session = boto3.session.Session()
    if not session.region_name:
        yield Finding(
            Severity.WARNING,
            "region",
            "no region is configured",
            "Set `AWS_REGION`, or give each query `connection=Connection(region=…)`",
        )
        return
    limits = config(connect_timeout=TIMEOUT_S, read_timeout=TIMEOUT_S, retries={"total_max_attempts": 1})
    yield from _identity(session.client("sts", config=limits), session.region_name)
    yield from _workgroup(session.client("athena", config=limits))


def _identity(sts: Any, region: str) -> Iterator[Finding]:
    try:
        told = sts.get_caller_identity()
    except Exception as error:  # refusals, no network, no credentials: the SDK has a class for each
        yield _failed("credentials", "who we are", error, "Log in, such as with `aws sso login`")
        return
    yield Finding(Severity.OK, "credentials", f"we are `{told.get('Arn')}` in `{region}`")
    yield clock_finding(told["ResponseMetadata"]["HTTPHeaders"].get("date", ""), _SystemClock())


def _workgroup(athena: Any) -> Iterator[Finding]:
    name = os.environ.get(WORKGROUP_VARIABLE, "primary")
    try:
        told = athena.get_work_group(WorkGroup=name)["WorkGroup"]
    except Exception as error:
        hint = f"Set `{WORKGROUP_VARIABLE}` to one of `aws athena list-work-groups`"
        yield _failed("workgroup", f"the workgroup `{name}`", error, hint)
        return
    if told.get("State", "ENABLED") != "ENABLED":
        hint = f"Run `aws athena update-work-group --work-group {name} --state ENABLED`"
        yield Finding(Severity.ERROR, "workgroup", f"workgroup `{name}` is {told['State']}", hint)
        return
    settings = told.get("Configuration") or {}
    location = (settings.get("ResultConfiguration") or {}).get("OutputLocation")
    where = f"writes to `{location}`" if location else "has no location for results of its own"
    yield Finding(Severity.OK, "workgroup", f"workgroup `{name}` is enabled and {where}")


def _failed(subject: str, what: str, error: Exception, hint: str) -> Finding:
    code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
    return Finding(
        Severity.ERROR, subject, f"Athena does not tell {what}: {code or type(error).__name__}", hint
    )
