"""A plugin is uninstalled while its job runs: the run waits, can be shown and aborted, and goes on later."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hardpoint.plugin_api.testing.jobservice import JobService

SERVICE_PLUGIN = Path(__file__).parents[1] / "jobservice_plugin"
PATIENCE_S = 30.0
MISSING = "No installed plugin runs task type `away`"

PLUGIN = """
from hardpoint_jobservice_handlers import JobConfig, TokenHandler

from hardpoint.plugin_api import Idempotency, PollPolicy, Shape, TaskType, hookimpl


class AwayHandler(TokenHandler):
    task_type = "away"


class Plugin:
    @hookimpl
    def task_types(self):
        poll = PollPolicy(first_s=0.05, max_s=0.2)
        yield TaskType(
            "away", Shape.JOB, AwayHandler, config=JobConfig, idempotency=Idempotency.TOKEN, poll=poll
        )


plugin = Plugin()
"""

FLOW = """
from hardpoint.core import workflow
from hardpoint_jobservice import JobTask

work = JobTask("work", type="away", url={url!r}, duration_s={duration_s})


@workflow
def flow(value: int = 7) -> int:
    return work(value=value)
"""


class Place:
    """A project, a store, and a plugin that is installed for some processes only."""

    def __init__(self, folder: Path, service: JobService) -> None:
        self.folder = folder
        self.service = service
        self.site = folder / "site"
        metadata = self.site / "hardpoint_away-1.0.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: hardpoint-away\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(
            "[hardpoint.plugins]\naway = away_plugin:plugin\n[hardpoint.api]\n1.0 = away_plugin\n"
        )
        (self.site / "away_plugin.py").write_text(PLUGIN)

    def start(self, *words: str, installed: bool) -> subprocess.Popen[str]:
        path = [str(SERVICE_PLUGIN), *([str(self.site)] if installed else [])]
        environ = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "HARDPOINT_HOME": str(self.folder / "home"),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "hardpoint.executor.cli", *words],
            cwd=self.folder,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def said(self, *words: str, installed: bool, code: int = 0) -> str:
        process = self.start(*words, installed=installed)
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == code, (out, err)
        return out + err

    def killed_run(self, duration_s: float) -> str:
        """A run whose executor is gone while its job goes on."""
        (self.folder / "flow.py").write_text(FLOW.format(url=self.service.url, duration_s=duration_s))
        process = self.start("run", "flow.py", "flow", installed=True)
        until(lambda: self.phases() == [("RUNNING", "RUNNING")])
        process.kill()
        process.communicate()
        return str(self.row()["execution"])

    def phases(self) -> list[tuple[str, str]]:
        """Of the run, and of the job as the service has it."""
        states = [record.state for record in self.service.records()]
        return [(self.row()["phase"], state) for state in states] if states else []

    def row(self) -> dict[str, Any]:
        (row,) = json.loads(self.said("executions", "list", "--json", installed=False))
        return dict(row)

    def serve(self, *, installed: bool, until_said: str) -> None:
        """Run `executor start` until it says something."""
        process = self.start("executor", "start", installed=installed)
        watchdog = time.monotonic() + PATIENCE_S
        assert process.stdout is not None
        assert process.stderr is not None
        stream = process.stdout if installed else process.stderr
        for line in stream:
            if until_said in line:
                break
            assert time.monotonic() < watchdog
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with JobService() as service:
        yield Place(tmp_path, service)


def test_a_run_waits_for_its_plugin_and_finds_its_job_again(place: Place) -> None:
    run = place.killed_run(duration_s=5.0)
    shown = place.said("executions", "show", run, installed=False)
    assert f"Waits     {MISSING}" in shown
    assert "work" in shown
    explained = place.said("explain", run, installed=False)
    assert f"it cannot go on here: {MISSING}" in explained
    assert "`hardpoint executor start`" in explained
    place.serve(installed=False, until_said=MISSING)
    assert place.row()["phase"] == "RUNNING"
    place.serve(installed=True, until_said="SUCCEEDED")
    assert place.phases() == [("SUCCEEDED", "SUCCEEDED")]
    assert place.service.stats().total.created == 1


def test_an_abort_is_kept_until_the_plugin_that_can_end_the_job_is_back(place: Place) -> None:
    run = place.killed_run(duration_s=3600.0)
    for _ in range(2):
        said = place.said("executions", "abort", run, "--reason", "enough", installed=False, code=2)
        assert "is marked to be aborted, and waits: its jobs cannot be ended here" in said
        assert MISSING in said
    assert place.phases() == [("ABORTING", "RUNNING")]
    assert f"Waits     {MISSING}" in place.said("executions", "show", run, installed=False)
    assert f"its jobs cannot be ended here: {MISSING}" in place.said("explain", run, installed=False)
    place.serve(installed=False, until_said=MISSING)
    assert place.phases() == [("ABORTING", "RUNNING")]
    assert "ABORTED" in place.said("executions", "abort", run, installed=True)
    assert place.phases() == [("ABORTED", "CANCELLED")]
    assert place.service.stats().total.created == 1


def test_a_run_of_which_nothing_is_in_flight_needs_no_plugin_to_end(place: Place) -> None:
    (place.folder / "flow.py").write_text(FLOW.format(url=place.service.url, duration_s=1.0))
    place.said("run", "flow.py", "flow", "--detach", installed=True)
    run = str(place.row()["execution"])
    assert MISSING in place.said("executions", "show", run, installed=False)
    assert "ABORTED" in place.said("executions", "abort", run, installed=False)
    assert place.row()["phase"] == "ABORTED"
    assert place.service.stats().total.created == 0


def test_recovering_leaves_it_alone_and_goes_on_with_others(place: Place) -> None:
    place.killed_run(duration_s=3600.0)
    code = (
        "from hardpoint.executor import Executor\n"
        "with Executor() as executor: print('recovered', len(executor.recover()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=place.folder,
        env={**os.environ, "HARDPOINT_HOME": str(place.folder / "home")},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert done.stdout == "recovered 0\n"
    assert MISSING in done.stderr
    assert place.phases() == [("RUNNING", "RUNNING")]
