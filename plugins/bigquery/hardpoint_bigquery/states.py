"""From a job as Google describes it to a status: pure functions over its JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hardpoint.plugin_api import Phase, Status
from hardpoint_bigquery.failures import STOPPED, failure

PHASES: Mapping[str, Phase] = {"PENDING": Phase.QUEUED, "RUNNING": Phase.RUNNING, "DONE": Phase.SUCCEEDED}
TIB = 2**40


def status_of(job: Mapping[str, Any], price_usd_per_tib: float | None = None) -> Status:
    """What a job resource says.

    Args:
        job: Of jobs.get or jobs.list.
        price_usd_per_tib: What reading a TiB costs; None: usage tells no `cost_usd`.

    >>> status_of({"status": {"state": "PENDING"}}).phase
    <Phase.QUEUED: 'QUEUED'>
    >>> stopped = {"state": "DONE", "errorResult": {"reason": "stopped", "message": "Job was cancelled"}}
    >>> status_of({"status": stopped}).phase
    <Phase.CANCELLED: 'CANCELLED'>
    """
    told = job.get("status") or {}
    state = str(told.get("state") or "")
    error = told.get("errorResult")
    links, usage = links_of(job), usage_of(job, price_usd_per_tib)
    if state not in PHASES:
        return Status(Phase.RUNNING, f"{state}, a state this plugin does not know", links=links, usage=usage)
    if state != "DONE" or not error:
        return Status(PHASES[state], links=links, usage=usage)
    reason = f"{error.get('reason', '')}: {error.get('message', '')}"
    if error.get("reason") == STOPPED:
        return Status(Phase.CANCELLED, reason, links=links, usage=usage)
    return Status(Phase.FAILED, reason, failure(error, sql_of(job)), links, usage=usage)


def sql_of(job: Mapping[str, Any]) -> str:
    """The SQL of a job; empty if the resource does not tell it."""
    return str(((job.get("configuration") or {}).get("query") or {}).get("query") or "")


def usage_of(job: Mapping[str, Any], price_usd_per_tib: float | None = None) -> dict[str, float]:
    """What a job used: `bytes_scanned`, `bytes_billed`, `slot_ms`, and `cost_usd` if its price is known.

    >>> told = {"totalBytesProcessed": "7", "totalBytesBilled": "1099511627776"}
    >>> usage_of({"statistics": {"query": told}}, 6.25)
    {'bytes_scanned': 7.0, 'bytes_billed': 1099511627776.0, 'cost_usd': 6.25}
    """
    whole = job.get("statistics") or {}
    query = whole.get("query") or {}
    told = {
        "bytes_scanned": _number(query.get("totalBytesProcessed", whole.get("totalBytesProcessed"))),
        "bytes_billed": _number(query.get("totalBytesBilled")),
        "slot_ms": _number(query.get("totalSlotMs", whole.get("totalSlotMs"))),
    }
    usage = {name: value for name, value in told.items() if value is not None}
    if price_usd_per_tib is not None and "bytes_billed" in usage:
        usage["cost_usd"] = usage["bytes_billed"] / TIB * price_usd_per_tib
    return usage


def links_of(job: Mapping[str, Any]) -> dict[str, str]:
    """The job's page in Google's console."""
    name = job.get("jobReference") or {}
    if not {"projectId", "jobId", "location"} <= name.keys():
        return {}
    place = f"{name['projectId']}:{name['location']}:{name['jobId']}"
    project = name["projectId"]
    return {"BigQuery": f"https://console.cloud.google.com/bigquery?project={project}&j=bq:{place}"}


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number >= 0 else None
