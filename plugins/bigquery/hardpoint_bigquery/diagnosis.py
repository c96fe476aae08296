"""Whether BigQuery could be used now: credentials, and a dry run, which costs nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from google.cloud import bigquery

from hardpoint.plugin_api import (
    Context,
    Finding,
    HardpointError,
    PermanentSystemError,
    SecretMissingError,
    Severity,
)
from hardpoint_bigquery.client import Connections, Place, classed
from hardpoint_bigquery.config import DEFAULT_LOCATION

PROJECT_VARIABLE, LOCATION_VARIABLE = "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION"
SECRET_VARIABLE = "HARDPOINT_BIGQUERY_CREDENTIALS_SECRET"  # noqa: S105 - says which secret
ENDPOINT_VARIABLE = "HARDPOINT_BIGQUERY_ENDPOINT"
TIMEOUT_S = 5.0


def findings(context: Context, environ: Mapping[str, str] | None = None) -> Iterator[Finding]:
    """Ask as the environment says; tasks may name other projects, places and secrets."""
    known = os.environ if environ is None else environ
    yield Finding(Severity.OK, "client", f"google-cloud-bigquery {bigquery.__version__}")
    project = known.get(PROJECT_VARIABLE)
    if not project:
        hint = f"Set `{PROJECT_VARIABLE}` to try one; tasks name theirs by `project`"
        yield Finding(Severity.WARNING, "service", f"not asked: `{PROJECT_VARIABLE}` names no project", hint)
        return
    place = Place(
        project,
        known.get(LOCATION_VARIABLE) or DEFAULT_LOCATION,
        known.get(ENDPOINT_VARIABLE, ""),
        known.get(SECRET_VARIABLE, ""),
        TIMEOUT_S,
    )
    yield _tried(context, place)


def _tried(context: Context, place: Place) -> Finding:
    shown = f"project `{place.project}` in `{place.location}`"
    try:
        with classed("a dry run by `jobs.insert`"):
            client = Connections().client(context, place, context.calls.read)
            job = bigquery.QueryJobConfig(dry_run=True)
            client.query("SELECT 1", job_config=job, retry=None, job_retry=None)
    except (PermanentSystemError, SecretMissingError) as error:
        return Finding(Severity.ERROR, "credentials", error.message, error.hint)
    except HardpointError as error:
        hint = error.hint or "Check the network, the project's name and the location"
        return Finding(Severity.ERROR, "service", error.message, hint)
    return Finding(Severity.OK, "service", f"{shown} takes queries")
