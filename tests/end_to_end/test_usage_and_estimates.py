"""What jobs used, from a service to the command line: journaled once, whoever is killed; and estimates."""

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

FLOW = """
import os

from hardpoint.core import map_task, workflow
from hardpoint.plugin_api import Options, Retry
from hardpoint_jobservice import JobTask

USAGE = {"bytes_scanned": 4096.0, "cost_usd": 0.25}
settings = {"url": os.environ["JOB_URL"], "usage": USAGE}
scan = JobTask("scan", options=Options(retry=Retry(attempts=2)), **settings)
shaky = JobTask("shaky", options=Options(retry=Retry(attempts=2)), fail_attempts=1, **settings)
bulk = JobTask("bulk", type="jobservice_array", **settings)
silent = JobTask("silent", url=os.environ["JOB_URL"])


@workflow
def nightly(value: int, values: list[int]) -> list[int]:
    first = scan(value=value)
    again = shaky(value=first)
    quiet = silent(value=again)
    return map_task(bulk)(value=values)


@workflow
def single(value: int) -> int:
    return scan(value=value)


@workflow
def mapped(values: list[int]) -> list[int]:
    return map_task(scan)(value=values)
"""

DRIVER = """
import os
import sys

from flow import single
from hardpoint.executor import Executor
from hardpoint.plugin_api import PollPolicy, hookimpl
from hardpoint_jobservice import JobServicePlugin, TokenHandler
import msgspec


class Crashing(TokenHandler):
    def poll_many(self, context, jobs):
        return {
            job: msgspec.structs.replace(each, outputs=None)
            for job, each in super().poll_many(context, jobs).items()
        }

    def outputs(self, context, request, job):
        if sys.argv[1] == "submit":
            os._exit(9)
        return super().outputs(context, request, job)


class Plugin(JobServicePlugin):
    @hookimpl
    def task_types(self):
        for each in super().task_types():
            yield msgspec.structs.replace(each, handler=Crashing) if each.name == "jobservice" else each


with Executor(".hardpoint", plugins={"jobservice": Plugin(poll=PollPolicy(first_s=0.05))}) as executor:
    if sys.argv[1] == "submit":
        execution = executor.submit(single, value=7)
    else:
        (execution,) = executor.recover()
    print(execution.outcome(60).phase.value)
"""
USED = {"bytes_scanned": 4096.0, "cost_usd": 0.25}


def times(count: int) -> dict[str, float]:
    return {name: count * value for name, value in USED.items()}


@pytest.fixture
def service() -> Iterator[JobService]:
    with JobService() as running:
        yield running


class Place:
    """A folder with the workflows, in which commands are run."""

    def __init__(self, folder: Path, service: JobService) -> None:
        self.folder = folder
        self.env = {**os.environ, "JOB_URL": service.url}
        (folder / "flow.py").write_text(FLOW)
        (folder / "drive.py").write_text(DRIVER)

    def run(self, *words: str, exit_code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == exit_code, done.stdout + done.stderr
        return done.stdout

    def hardpoint(self, *words: str, exit_code: int = 0) -> str:
        return self.run("-m", "hardpoint.executor.cli", *words, exit_code=exit_code)

    def json(self, *words: str) -> Any:
        return json.loads(self.hardpoint(*words, "--json"))


@pytest.fixture
def place(tmp_path: Path, service: JobService) -> Place:
    return Place(tmp_path, service)


def test_usage_is_summed_by_task_and_by_tenant(place: Place) -> None:
    """A failed attempt counts, an array counts once, and a job that tells nothing is not there."""
    place.hardpoint("run", "flow.py", "nightly", "--value", "7", "--values", "[1, 2, 3]")
    told = place.json("executions", "show", "last", "--usage")
    assert {each["task"]: (each["attempts"], each["usage"]) for each in told["tasks"]} == {
        "flow.py:scan": (1, USED),
        "flow.py:shaky": (2, times(2)),
        "flow.py:bulk": (1, USED),
    }
    assert told["total"] == times(4)
    place.hardpoint("run", "flow.py", "single", "--value", "7", "--project", "other")
    assert place.json("executions", "list", "--usage") == [
        {"project": "default", "domain": "development", "runs": 1, "usage": times(4)},
        {"project": "other", "domain": "development", "runs": 1, "usage": USED},
    ]
    lines = place.hardpoint("executions", "show", "last", "--usage").splitlines()
    assert [" ".join(line.split()) for line in lines[3:]] == [
        "TASK ATTEMPTS USED AMOUNT",
        "flow.py:scan 1 bytes_scanned 4,096 (4.0 KiB)",
        "cost_usd 0.25",
        "Total bytes_scanned 4,096 (4.0 KiB)",
        "cost_usd 0.25",
    ]


def test_an_engine_killed_before_the_outputs_are_read_leaves_the_usage_once(
    place: Place, service: JobService
) -> None:
    place.run("drive.py", "submit", exit_code=9)
    assert place.run("drive.py", "recover").split() == ["SUCCEEDED"]
    assert place.json("executions", "show", "last", "--usage")["total"] == USED
    [row] = [
        each for each in place.json("executions", "events", "last") if each["kind"] == "AttemptSucceeded"
    ]
    assert row["data"]["usage"] == USED
    assert service.stats().total.created == 1


def test_nothing_told_is_said(place: Place) -> None:
    (place.folder / "plain.py").write_text(
        "from hardpoint.core import task, workflow\n\n\n@task\ndef one() -> int:\n    return 1\n\n\n"
        "@workflow\ndef plain() -> int:\n    return one()\n"
    )
    assert place.json("executions", "list", "--usage") == []
    place.hardpoint("run", "plain.py", "plain")
    assert place.hardpoint("executions", "show", "last", "--usage").startswith("No attempt told what it used")
    assert place.hardpoint("executions", "list", "--usage").startswith(
        "No attempt told what it used in 1 run"
    )


def test_a_plan_asks_only_if_told_to_and_starts_nothing(place: Place, service: JobService) -> None:
    words = ("plan", "flow.py", "nightly", "--value", "7", "--values", "[1]")
    assert "estimates" not in place.json(*words)
    assert service.stats().total.calls == {}
    told = place.json(*words, "--estimate")["estimates"]
    assert told["nodes"] == [
        {"node": "scan", "usage": USED, "text": "a job of 0 s", "error": None},
    ]
    assert (told["total"], told["unknown"], told["left_out"]) == (USED, ["shaky", "silent"], 0)
    assert (service.stats().total.created, set(service.stats().total.calls)) == (
        0,
        {"POST /v1/jobs:estimate"},
    )
    assert not (place.folder / ".hardpoint").exists()


def test_each_item_whose_inputs_are_known_is_asked_about(place: Place) -> None:
    text = place.hardpoint("plan", "flow.py", "mapped", "--values", "[1, 2]", "--estimate")
    shown = [" ".join(line.split()) for line in text.partition("Estimates\n")[2].splitlines()]
    assert shown == [
        "scan[0] bytes_scanned 4,096 (4.0 KiB), cost_usd 0.25",
        "a job of 0 s",
        "scan[1] bytes_scanned 4,096 (4.0 KiB), cost_usd 0.25",
        "a job of 0 s",
        "Total bytes_scanned 8,192 (8.0 KiB), cost_usd 0.5",
    ]
    unknown = place.json("plan", "flow.py", "mapped", "--estimate")["estimates"]
    assert (unknown["nodes"], unknown["unknown"]) == ([], ["scan"])


def test_an_estimate_that_fails_is_shown_and_the_plan_goes_on(place: Place, service: JobService) -> None:
    service.script(ScriptedFault("POST /v1/jobs:estimate", "503"))
    words = ("plan", "flow.py", "mapped", "--values", "[1, 2]", "--estimate")
    told = place.json(*words)["estimates"]
    failed = [each["error"]["code"] for each in told["nodes"] if each["error"]]
    assert (failed, told["total"]) == (["TransientError"], USED)
    service.script(ScriptedFault("POST /v1/jobs:estimate", "503", times=2))
    assert "failed: TransientError: " in place.hardpoint(*words)
