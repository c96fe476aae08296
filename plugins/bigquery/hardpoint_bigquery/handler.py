"""Runs tasks of type `bigquery`: one job of the service for each attempt, named by its token."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import msgspec
from google.api_core.exceptions import Conflict, NotFound

from hardpoint.plugin_api import (
    Context,
    CreateRequest,
    Estimate,
    JobRef,
    Outputs,
    Phase,
    Prepared,
    ResourceClaim,
    Status,
    TransientError,
)
from hardpoint_bigquery import results
from hardpoint_bigquery.ceiling import expect_below, price
from hardpoint_bigquery.client import Client, Connections, Place, classed
from hardpoint_bigquery.config import QUERY, BigQueryConfig
from hardpoint_bigquery.inserting import dry_run, insert
from hardpoint_bigquery.states import status_of, usage_of
from hardpoint_bigquery.submission import Submission, config_of, place_of, submission

TASK_TYPE = "bigquery"
PAGE_JOBS_MIN, PAGE_JOBS_MAX = 100, 1000


class BigQueryHandler:
    """Keeps open connections and nothing else."""

    def __init__(self) -> None:
        self._connections = Connections()

    def prepare(self, context: Context, request: CreateRequest) -> Prepared:
        """Hold one place in the queue of the project and location, which batch jobs have another one of.

        Jobs that load, copy or extract wait in neither; Google limits how many there are in a day.
        """
        config = config_of(request)
        if config.kind != QUERY:
            return Prepared(config.account, ())
        batch = config.job.get("query", {}).get("priority") == "BATCH"
        pool = f"{TASK_TYPE}:batch:{config.account}" if batch else f"{TASK_TYPE}:{config.account}"
        return Prepared(config.account, (ResourceClaim(pool),))

    def create(self, context: Context, request: CreateRequest) -> JobRef:
        """Insert the job under the attempt's name, or adopt the one that has it, also if that has ended."""
        config, job = config_of(request), submission(request, context)
        if config.ceiling_bytes is not None or config.ceiling_usd is not None:
            # First, as the tables of a job that runs already may have grown above its ceiling.
            found = self._existing(context, config, job)
            if found is not None:
                return found
            expect_below(config, self._estimate(context, config, job).usage["bytes_scanned"])
        try:
            with classed("`jobs.insert`", job.sql, passing=(Conflict,)):
                client = self._client(context, config, context.calls.write)
                return _reference(config, job, _resource(insert(client, job, context.store)))
        except Conflict:
            return self._adopted(context, config, job)

    def find(self, context: Context, request: CreateRequest) -> JobRef | None:
        """The job of the attempt's name."""
        return self._existing(context, config_of(request), submission(request, context))

    def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
        """One listing for all of them; a job that is not in it is asked for by its name."""
        if not jobs:
            return {}
        found = self._listed(context, jobs) if len(jobs) > 1 else {}
        for job in jobs:
            if job.id not in found:
                one = self._get(context, _place(job), job.id)
                if one is not None:
                    found[job.id] = one
        return {
            job.id: status_of(found[job.id], job.extra.get("price"))
            if job.id in found
            else Status(Phase.ABSENT)
            for job in jobs
        }

    def outputs(self, context: Context, request: CreateRequest, job: JobRef) -> Outputs:
        """What the task declares: rows as a table, scalars, the table they were written to."""
        place, declared = _place(job), request.spec.interface.outputs
        config = config_of(request)
        tables = config.table_outputs
        rows = [each for each in declared if each.name not in tables]
        outputs: dict[str, Any] = {}
        if rows:
            with classed("`jobs.getQueryResults`"):
                client = self._client(context, place, context.calls.read)
                outputs |= results.read_outputs(context, rows, results.finished(client, place, job.id))
        if tables:
            outputs |= dict.fromkeys(tables, self._destination(context, config, job))
        return outputs

    def cancel(self, context: Context, job: JobRef, reason: str) -> None:
        """Ask for the end of the job; one that the service forgot has ended."""
        try:
            with classed("`jobs.cancel`", passing=(NotFound,)):
                self._client(context, _place(job), context.calls.write).cancel_job(job.id, retry=None)
        except NotFound:
            return

    def estimate(self, context: Context, request: CreateRequest) -> Estimate:
        """What a dry run says that a query would read; it costs nothing."""
        config, job = config_of(request), submission(request, context)
        if job.kind != QUERY:
            return Estimate({}, f"A job that does `{job.kind}` reads no bytes of queries, and has no dry run")
        return self._estimate(context, config, job)

    def _estimate(self, context: Context, config: BigQueryConfig, job: Submission) -> Estimate:
        with classed("a dry run by `jobs.insert`", job.sql):
            client = self._client(context, config, context.calls.read)
            told = _resource(dry_run(client, job))
            scanned = usage_of(told)["bytes_scanned"]
            kind = told["statistics"].get("query", {}).get("statementType", "statement")
        return price(config, scanned, kind)

    def _existing(self, context: Context, config: BigQueryConfig, job: Submission) -> JobRef | None:
        found = self._get(context, place_of(config), job.name)
        return None if found is None else _reference(config, job, found)

    def _adopted(self, context: Context, config: BigQueryConfig, job: Submission) -> JobRef:
        found = self._existing(context, config, job)
        if found is None:
            # The name is taken before the job can be read.
            raise TransientError(f"Job `{job.name}` exists already, but is not shown yet")
        return found

    def _get(self, context: Context, place: Place, job_id: str) -> dict[str, Any] | None:
        try:
            with classed("`jobs.get`", passing=(NotFound,)):
                found = self._client(context, place, context.calls.read).get_job(job_id, retry=None)
                return _resource(found)
        except NotFound:
            return None

    def _listed(self, context: Context, jobs: Sequence[JobRef]) -> dict[str, dict[str, Any]]:
        """Those of the jobs that a listing shows, from the creation of the first to that of the last one.

        Other jobs of the project are in it too, so it gives up after as many calls as a fourth of the jobs.
        """
        place, wanted = _place(jobs[0]), {job.id for job in jobs}
        created = [dt.datetime.fromtimestamp(job.extra["created_ms"] / 1000, dt.UTC) for job in jobs]
        found: dict[str, dict[str, Any]] = {}
        with classed("`jobs.list`"):
            pages = self._client(context, place, context.calls.read).list_jobs(
                page_size=min(PAGE_JOBS_MAX, max(PAGE_JOBS_MIN, 2 * len(jobs))),
                min_creation_time=min(created),
                max_creation_time=max(created),
                retry=None,
            )
            for number, page in enumerate(pages.pages, 1):
                for each in page:
                    if each.job_id in wanted and (each.location or "").lower() == place.location.lower():
                        found[each.job_id] = _resource(each)
                if len(found) == len(wanted) or number * 4 >= len(wanted):
                    break
        return found

    def _destination(self, context: Context, config: BigQueryConfig, job: JobRef) -> str:
        table = config.job.get(config.kind, {}).get("destinationTable")
        if table is None:
            # The service's own, for a day.
            found = self._get(context, _place(job), job.id) or {}
            table = found.get("configuration", {}).get(QUERY, {}).get("destinationTable")
        if not table:
            raise TransientError(f"Job `{job.id}` does not tell the table that its result is in")
        return f"{table.get('projectId', config.project)}.{table['datasetId']}.{table['tableId']}"

    def _client(
        self,
        context: Context,
        of: Place | BigQueryConfig,
        gate: Callable[[], AbstractContextManager[None]],
    ) -> Client:
        place = of if isinstance(of, Place) else place_of(of)
        return self._connections.client(context, place, gate)


def _place(job: JobRef) -> Place:
    known = {name: job.extra[name] for name in Place.__struct_fields__ if name in job.extra}
    return msgspec.convert({**known, "credentials_secret": "".join(job.secrets[:1])}, type=Place)


def _reference(config: BigQueryConfig, job: Submission, found: Mapping[str, Any]) -> JobRef:
    job.expect_same(found)
    place = msgspec.to_builtins(place_of(config))
    secret = place.pop("credentials_secret")
    created_ms = int(float(found["statistics"]["creationTime"]))
    known = {**place, "created_ms": created_ms}
    if config.price_usd_per_tib is not None:
        known["price"] = config.price_usd_per_tib
    return JobRef(job.name, config.account, (secret,) if secret else (), known)


def _resource(job: Any) -> dict[str, Any]:
    """The JSON behind a job of Google's client."""
    resource: dict[str, Any] = job._properties
    return resource
