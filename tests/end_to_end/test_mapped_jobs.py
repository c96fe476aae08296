"""`map_task` over external jobs: one job an item, or many items in one request; crashes in between."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hardpoint.plugin_api.testing.jobservice import JobService, ScriptedFault

PLUGIN_FOLDER = Path(__file__).parents[1] / "jobservice_plugin"

DRIVER = """
import json
import os
import sys

import msgspec

from hardpoint.core import map_task, workflow
from hardpoint.executor import Executor
from hardpoint.plugin_api import Options, PollPolicy, hookimpl
from hardpoint_jobservice import ArrayHandler, JobServicePlugin, JobTask

KIND, CRASH, ACT = sys.argv[1:4]
CONFIG = json.loads(os.environ["JOB_CONFIG"])
MAP = json.loads(os.environ["JOB_MAP"])
OPTIONS = msgspec.json.decode(os.environ["JOB_OPTIONS"], type=Options)
work = JobTask("work", type=KIND, options=OPTIONS, **CONFIG)


@workflow
def flow(values: list[int]) -> list[int | None]:
    return map_task(work, **MAP)(value=values)


@workflow
def single(values: list[int]) -> int:
    return work(value=values[0])


class Crashing(ArrayHandler):
    def create_array(self, context, request, items):
        if CRASH == "before-create":
            os._exit(9)
        made = super().create_array(context, request, items)
        if CRASH == "after-create":
            os._exit(9)
        return made

    def item_outputs(self, context, job, indices):
        if CRASH == "before-outputs":
            os._exit(9)
        return super().item_outputs(context, job, indices)


class Plugin(JobServicePlugin):
    @hookimpl
    def task_types(self):
        for each in super().task_types():
            if each.name == "jobservice_array":
                most = int(os.environ["JOB_CHUNK"])
                each = msgspec.structs.replace(each, handler=Crashing, items_min=2, items_max=most)
            yield each


POLL = PollPolicy(first_s=0.05, fraction=0.2, max_s=0.5)
plugins = {KIND: Plugin(settling_delay_s=0.3, poll=POLL, slots=int(os.environ["JOB_SLOTS"]))}
with Executor("home", plugins=plugins) as executor:
    if ACT == "submit":
        chosen = single if CRASH == "single" else flow
        execution = executor.submit(chosen, values=json.loads(os.environ["JOB_VALUES"]))
    elif ACT == "resume":
        execution = executor.resume(executor.journal.rows()[0].execution)
    else:
        (execution,) = executor.recover()
    if CRASH == "abort":
        for event in execution.events():
            if event.kind == "JobCreated":
                execution.abort("enough")
    outcome = execution.outcome(60)
    error = outcome.error and outcome.error.code
    print(json.dumps([outcome.phase.value, outcome.outputs, error]))
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
    folder: Path,
    service: JobService,
    kind: str,
    crash: str = "",
    act: str = "submit",
    *,
    values: list[int] | None = None,
    mapped: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
    chunk: int = 100,
    slots: int = 1000,
    **config: Any,
) -> Any:
    """Run the driver; return what it printed, or None if it crashed as told."""
    done = subprocess.run(
        [sys.executable, "drive.py", kind, crash, act],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(PLUGIN_FOLDER),
            "JOB_CONFIG": json.dumps({"url": service.url, "duration_s": 0.1, **config}),
            "JOB_MAP": json.dumps(mapped or {}),
            "JOB_OPTIONS": json.dumps(options or {}),
            "JOB_VALUES": json.dumps(values or []),
            "JOB_CHUNK": str(chunk),
            "JOB_SLOTS": str(slots),
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


VALUES = list(range(7))


def sizes(service: JobService) -> list[int]:
    """How many items each array had that the service started."""
    return sorted(Counter((record.label or "").partition("[")[0] for record in service.records()).values())


@pytest.mark.parametrize("kind", ["jobservice", "jobservice_name", "jobservice_search", "jobservice_push"])
def test_an_item_is_a_job(folder: Path, service: JobService, kind: str) -> None:
    assert drive(folder, service, kind, values=VALUES) == ["SUCCEEDED", {"result": VALUES}, None]
    assert service.stats().total.created == len(VALUES)


def test_concurrency_is_a_ceiling(folder: Path, service: JobService) -> None:
    found = drive(folder, service, "jobservice", values=VALUES, mapped={"concurrency": 2})
    assert found == ["SUCCEEDED", {"result": VALUES}, None]
    assert service.stats().total.max_unfinished == 2


def test_items_that_fail_are_none(folder: Path, service: JobService) -> None:
    found = drive(
        folder, service, "jobservice", values=VALUES, fail_values=[2, 5], mapped={"min_success_ratio": 0.5}
    )
    assert found == ["SUCCEEDED", {"result": [0, 1, None, 3, 4, None, 6]}, None]


def test_an_array_takes_many_items_in_one_request(folder: Path, service: JobService) -> None:
    found = drive(folder, service, "jobservice_array", values=VALUES, chunk=3)
    assert found == ["SUCCEEDED", {"result": VALUES}, None]
    assert sizes(service) == [1, 3, 3]


def test_only_failed_items_are_tried_again(folder: Path, service: JobService) -> None:
    found = drive(
        folder,
        service,
        "jobservice_array",
        values=VALUES,
        fail_values=[2, 5],
        mapped={"min_successes": 5},
        options={"retry": {"attempts": 2, "delay_s": 0.0}},
    )
    assert found == ["SUCCEEDED", {"result": [0, 1, None, 3, 4, None, 6]}, None]
    assert sum(sizes(service)) == len(VALUES) + 2


def test_a_plain_node_of_an_array_shaped_type(folder: Path, service: JobService) -> None:
    assert drive(folder, service, "jobservice_array", "single", values=[7]) == [
        "SUCCEEDED",
        {"result": 7},
        None,
    ]


def test_an_array_waits_for_what_its_items_claim(folder: Path, service: JobService) -> None:
    found = drive(folder, service, "jobservice_array", values=VALUES, slots=2)
    assert found == ["SUCCEEDED", {"result": VALUES}, None]
    assert max(sizes(service)) <= 2


@pytest.mark.parametrize("crash", ["before-create", "after-create", "before-outputs"])
def test_a_crash_starts_no_second_array(folder: Path, service: JobService, crash: str) -> None:
    assert drive(folder, service, "jobservice_array", crash, values=VALUES) is None
    found = drive(folder, service, "jobservice_array", "", "recover")
    assert found == ["SUCCEEDED", {"result": VALUES}, None]
    assert sizes(service) == [len(VALUES)]


def test_a_lost_reply_starts_no_second_array(folder: Path, service: JobService) -> None:
    service.script(ScriptedFault("POST /v1/arrays", "lost"))
    found = drive(folder, service, "jobservice_array", values=VALUES, http_timeout_s=0.5)
    assert found == ["SUCCEEDED", {"result": VALUES}, None]
    assert sizes(service) == [len(VALUES)]


@pytest.mark.parametrize("kind", ["jobservice", "jobservice_array"])
def test_an_abort_is_confirmed(folder: Path, service: JobService, kind: str) -> None:
    found = drive(folder, service, kind, "abort", values=VALUES, duration_s=60.0)
    assert found[0] == "ABORTED"
    assert service.stats().total.unfinished == 0


@pytest.mark.parametrize("kind", ["jobservice", "jobservice_array"])
def test_a_timeout_ends_attempts(folder: Path, service: JobService, kind: str) -> None:
    found = drive(folder, service, kind, values=[1, 2], duration_s=60.0, options={"timeout_s": 1.0})
    assert found == ["FAILED", {}, "TimeoutExpired"]
    assert service.stats().total.unfinished == 0


def test_a_resumed_array_keeps_what_succeeded(folder: Path, service: JobService) -> None:
    found = drive(folder, service, "jobservice_array", values=VALUES, fail_values=[3])
    assert found[::2] == ["FAILED", "JobFailed"]
    again = drive(folder, service, "jobservice_array", "", "resume")
    assert again[::2] == ["FAILED", "JobFailed"]
    assert sizes(service) == [1, 7]
