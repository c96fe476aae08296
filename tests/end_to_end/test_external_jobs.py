"""One external job per attempt: crashes before and after the call, lost replies, outages, aborts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hardpoint.plugin_api.testing.jobservice import JobService, ScriptedFault

KINDS = ["jobservice", "jobservice_name", "jobservice_search", "jobservice_push"]
PLUGIN_FOLDER = Path(__file__).parents[1] / "jobservice_plugin"

DRIVER = """
import json
import os
import sys

from hardpoint.core import workflow
from hardpoint.executor import Executor
from hardpoint.plugin_api import Options, PollPolicy, Retry, hookimpl
from hardpoint_jobservice import JobServicePlugin, JobTask

KIND, CRASH, ACT = sys.argv[1:4]
CONFIG = json.loads(os.environ["JOB_CONFIG"])
OPTIONS = Options(**json.loads(os.environ.get("JOB_OPTIONS", "{}")))
work = JobTask("work", type=KIND, options=OPTIONS, **CONFIG)


@workflow
def flow(value: int) -> int:
    return work(value=value)


class Plugin(JobServicePlugin):
    @hookimpl(wrapper=True)
    def create_job(self):
        if CRASH == "before-create":
            os._exit(9)
        made = yield
        if CRASH == "after-create":
            os._exit(9)
        return made

    @hookimpl(wrapper=True)
    def poll_jobs(self):
        if CRASH == "before-poll":
            os._exit(9)
        return (yield)


POLL = PollPolicy(first_s=0.05, fraction=0.2, max_s=0.5)
plugins = {KIND: Plugin(settling_delay_s=0.3, poll=POLL)}
with Executor("home", plugins=plugins) as executor:
    if ACT == "submit":
        execution = executor.submit(flow, value=7)
    else:
        (execution,) = executor.recover()
    if CRASH == "abort":
        for event in execution.events():
            if event.kind == "JobCreated":
                execution.abort("enough")
    outcome = execution.outcome(60)
    tries = [e.kind for e in execution.events()].count("AttemptStarted")
    error = outcome.error and outcome.error.code
    print(json.dumps([outcome.phase.value, outcome.outputs, error, tries]))
"""


@pytest.fixture
def service() -> Iterator[JobService]:
    with JobService() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "drive.py").write_text(DRIVER)
    return tmp_path


def drive(
    folder: Path, service: JobService, kind: str, crash: str, act: str, *, options: str = "{}", **config: Any
) -> Any:
    """Run the driver; return what it printed, or None if it crashed as told."""
    settings = {"url": service.url, "duration_s": 0.2, **config}
    done = subprocess.run(
        [sys.executable, "drive.py", kind, crash, act],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(PLUGIN_FOLDER),
            "JOB_CONFIG": json.dumps(settings),
            "JOB_OPTIONS": options,
        },
        capture_output=True,
        text=True,
        timeout=90,
    )
    if crash.startswith(("before", "after")):
        assert done.returncode == 9, done.stderr
        return None
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_runs_once_and_its_outputs_come_back(kind: str, folder: Path, service: JobService) -> None:
    assert drive(folder, service, kind, "never", "submit") == ["SUCCEEDED", {"result": 7}, None, 1]
    stats = service.stats().total
    assert (stats.created, stats.orphans) == (1, 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("crash", ["before-create", "after-create", "before-poll"])
def test_an_engine_that_died_leaves_one_job(kind: str, crash: str, folder: Path, service: JobService) -> None:
    drive(folder, service, kind, crash, "submit")
    assert service.stats().total.created == (0 if crash == "before-create" else 1)
    assert drive(folder, service, kind, "never", "recover") == ["SUCCEEDED", {"result": 7}, None, 1]
    stats = service.stats().total
    assert (stats.created, stats.double_submits, stats.orphans) == (1, 0, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_reply_leaves_one_job(kind: str, folder: Path, service: JobService) -> None:
    service.script(ScriptedFault("POST /v1/jobs", "lost"))
    assert drive(folder, service, kind, "never", "submit") == ["SUCCEEDED", {"result": 7}, None, 1]
    assert service.stats().total.created == 1


@pytest.mark.parametrize("kind", KINDS)
def test_crash_then_lost_reply_leaves_one_job(kind: str, folder: Path, service: JobService) -> None:
    service.configure(listing_lag_s=0.2)
    drive(folder, service, kind, "after-create", "submit")
    service.script(ScriptedFault("POST /v1/jobs", "lost"))
    assert drive(folder, service, kind, "never", "recover") == ["SUCCEEDED", {"result": 7}, None, 1]
    assert service.stats().total.created == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_throttling_or_failing_service_costs_the_author_nothing(
    kind: str, folder: Path, service: JobService
) -> None:
    service.script(
        ScriptedFault("POST /v1/jobs", "429", times=2, retry_after_s=0.1),
        ScriptedFault("POST /v1/jobs", "503", times=2),
        ScriptedFault("GET *", "500", times=2),
    )
    assert drive(folder, service, kind, "never", "submit") == ["SUCCEEDED", {"result": 7}, None, 1]
    assert service.stats().total.created == 1


def test_a_failed_job_is_the_authors_error(folder: Path, service: JobService) -> None:
    phase, outputs, error, tries = drive(folder, service, "jobservice", "never", "submit", fail=True)
    assert (phase, outputs, tries) == ("FAILED", {}, 1)
    assert error == "JobFailed"


def test_a_job_over_its_time_is_cancelled_and_its_end_confirmed(folder: Path, service: JobService) -> None:
    options = '{"timeout_s": 0.5}'
    answer = drive(folder, service, "jobservice", "never", "submit", options=options, duration_s=60.0)
    assert answer == ["FAILED", {}, "TimeoutExpired", 1]
    stats = service.stats().total
    assert (stats.cancelled, stats.unfinished) == (1, 0)


def test_an_abort_cancels_the_job(folder: Path, service: JobService) -> None:
    answer = drive(folder, service, "jobservice", "abort", "submit", duration_s=60.0)
    assert answer == ["ABORTED", {}, "Aborted", 1]
    stats = service.stats().total
    assert (stats.cancelled, stats.unfinished) == (1, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_that_come_with_the_status_cost_no_call(kind: str, folder: Path, service: JobService) -> None:
    drive(folder, service, kind, "never", "submit")
    assert "GET /v1/jobs/ID" not in service.stats().total.calls


def test_a_stream_tells_what_polls_would_find_much_later(folder: Path, service: JobService) -> None:
    answer = drive(folder, service, "jobservice_push", "never", "submit", duration_s=8.0)
    assert answer == ["SUCCEEDED", {"result": 7}, None, 1]
    stats = service.stats().total
    # One when the job is young; a stream that delivers makes the next one due after a minute.
    assert stats.calls["POST /v1/jobs:batchGet"] <= 2
    assert stats.orphans == 0


def test_a_stream_that_is_cut_again_and_again_costs_nothing_but_time(
    folder: Path, service: JobService
) -> None:
    service.script(ScriptedFault("GET /v1/events", "cut", times=20))
    answer = drive(folder, service, "jobservice_push", "never", "submit", duration_s=2.0)
    assert answer == ["SUCCEEDED", {"result": 7}, None, 1]
    assert service.stats().total.calls["POST /v1/jobs:batchGet"] >= 4


def test_a_repeated_request_leaves_one_job_of_a_service_that_must_be_searched(
    folder: Path, service: JobService
) -> None:
    service.script(ScriptedFault("POST /v1/jobs", "dup"))
    answer = drive(folder, service, "jobservice_search", "never", "submit", duration_s=5.0)
    assert answer == ["SUCCEEDED", {"result": 7}, None, 1]
    stats = service.stats().total
    assert (stats.created, stats.double_submits, stats.double_survivors, stats.cancelled) == (2, 1, 0, 1)
