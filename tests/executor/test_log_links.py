"""Links that plugins declare beside attempts, as the views show them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.registry.conftest import Site, site

from hardpoint.core import task, workflow
from hardpoint.executor import Executor
from hardpoint.executor.attempt_links import rendered
from hardpoint.executor.journal.events import ChunkStarted, Event, JobCreated
from hardpoint.executor.log_links import link_templates
from hardpoint.executor.view import tries_of
from hardpoint.plugin_api import SINGLE_OUTPUT, JobRef, LogLink, Options, Parameter, TaskDefinition
from hardpoint.registry import PluginState, load_registry
from hardpoint.registry.manifest import to_json

__all__ = ["site"]

PLUGIN = """
from pathlib import Path
from hardpoint.plugin_api import (
    Idempotency, JobRef, LogLink, Phase, PollPolicy, Prepared, Shape, Status, TaskType, UserError, hookimpl
)

with Path(__file__).with_name("imported").open("a") as file:
    file.write("x")

class Handler:
    def prepare(self, context, request):
        return Prepared(account="eu")

    def create(self, context, request):
        if request.inputs["n"] < 0:
            raise UserError("negative")
        return JobRef(f"j-{request.inputs['n']}", account="eu")

    def find(self, context, request):
        return None

    def poll_many(self, context, jobs):
        told = {"Told": "https://told.example/", "Both": "https://told.example/both"}
        done = Path(__file__).with_name("polled").exists()
        Path(__file__).with_name("polled").touch()
        status = Status(Phase.SUCCEEDED, outputs={"result": 1}) if done else Status(Phase.RUNNING, links=told)
        return {job.id: status for job in jobs}

    def outputs(self, context, request, job):
        return {}

    def cancel(self, context, job, reason):
        pass

class Plugin:
    @hookimpl
    def task_types(self):
        poll = PollPolicy(first_s=0.01, max_s=0.1)
        return [TaskType("quick", Shape.JOB, Handler, idempotency=Idempotency.TOKEN, poll=poll)]

    @hookimpl
    def log_links(self):
        return [
            LogLink("Console", "https://c.example/{account}/{job}?run={execution}&node={node}&try={attempt}"),
            LogLink("Both", "https://declared.example/both"),
            LogLink("Other", "https://other.example/{job}", task_types=("somebody-elses",)),
        ]

plugin = Plugin()
"""
ENTRY_POINTS = "[hardpoint.plugins]\nquick = quick_plugin:plugin\n[hardpoint.api]\n1.0 = quick_plugin\n"
TRACES = """
from hardpoint.plugin_api import LogLink, hookimpl

class Plugin:
    @hookimpl
    def log_links(self):
        return [LogLink("Trace", "https://t.example/{execution}/{node}/{attempt}")]

plugin = Plugin()
"""


def quick(name: str) -> TaskDefinition:
    return TaskDefinition(
        name=name,
        task_type="quick",
        file=Path(__file__),
        inputs={"n": Parameter(int)},
        outputs={SINGLE_OUTPUT: int},
        config={},
        version="1",
        options=Options(),
    )


good, bad = quick("good"), quick("bad")


@task
def plain(n: int) -> int:
    return n


@workflow
def flow(n: int) -> int:
    result: int = plain(n=good(n=n))
    return result


@workflow
def failing(n: int) -> int:
    result: int = bad(n=n)
    return result


@pytest.fixture
def installed(site: Site, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install the plugin; return where it notes that it was imported."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site.path), *sys.path]))
    monkeypatch.setenv("XDG_CACHE_HOME", str(site.path.parent / "cache"))
    site.write_metadata("hardpoint-quick", "1.0", ENTRY_POINTS)
    (site.path / "quick_plugin.py").write_text(PLUGIN)
    return site.path / "imported"


def write_manifests() -> None:
    """As a build hook does, for every plugin that is installed as a plain module in the test's folder."""
    registry = load_registry()
    for row in registry.installed():
        if (
            row.entry is not None
            and row.state is PluginState.INSTALLED
            and row.target.startswith(("quick", "trace"))
        ):
            module = row.target.partition(":")[0]
            folder = Path(str(row.entry.entry_point.dist.locate_file("")))  # type: ignore[union-attr]
            (folder / f"{module}-hardpoint-manifest.json").write_bytes(to_json(registry.describe(row)))


def show(home: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "hardpoint.executor.cli", "executions", "show", *words, "--home", str(home)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run(home: Path, what: Any = flow, n: int = 7) -> str:
    with Executor(home, workers=1) as executor:
        execution = executor.submit(what, n=n)
        execution.outcome(60)
        return execution.id


def test_views_show_what_a_plugin_declares_for_its_jobs(installed: Path, tmp_path: Path) -> None:
    id = run(tmp_path / "home")
    url = f"https://c.example/eu/j-7?run={id}&node=good&try=1"
    assert f"Link      Console: {url}" in show(tmp_path / "home", "last", "good")
    assert url in show(tmp_path / "home", "last")
    told = json.loads(show(tmp_path / "home", "last", "--json"))
    job, function = told["nodes"]
    assert job["attempts"][0]["links"] == {"Console": url, "Both": "https://declared.example/both"}
    assert job["links"] == {
        "Console": url,
        "Told": "https://told.example/",
        "Both": "https://told.example/both",
    }
    assert (function["links"], function["attempts"][0]["links"]) == ({}, {})


def test_a_job_that_was_never_created_has_no_link_to_it(installed: Path, tmp_path: Path) -> None:
    run(tmp_path / "home", failing, n=-1)
    told = json.loads(show(tmp_path / "home", "last", "bad", "--json"))
    assert told["links"] == {"Both": "https://declared.example/both"}


def test_a_view_imports_no_plugin_that_has_a_manifest(installed: Path, tmp_path: Path) -> None:
    run(tmp_path / "home")
    write_manifests()
    installed.unlink()
    told = json.loads(show(tmp_path / "home", "last", "--json"))
    assert "Console" in told["nodes"][0]["links"]
    assert not installed.exists()


def test_a_view_imports_only_plugins_of_the_task_types_it_shows(
    installed: Path, site: Site, tmp_path: Path
) -> None:
    site.write_metadata("hardpoint-trap", "1.0", ENTRY_POINTS.replace("quick", "trap"))
    (site.path / "trap_plugin.py").write_text("raise SystemExit('imported')")
    run(tmp_path / "home")
    assert "Console" in show(tmp_path / "home", "last", "good")


def test_an_extension_links_attempts_of_every_task_type(installed: Path, site: Site, tmp_path: Path) -> None:
    site.write_metadata(
        "trace-links", "1.0", "[hardpoint.extensions]\ntrace = trace_links:plugin\n[hardpoint.api]\n1.0 = t\n"
    )
    (site.path / "trace_links.py").write_text(TRACES)
    write_manifests()
    id = run(tmp_path / "home")
    job, function = json.loads(show(tmp_path / "home", "last", "--json"))["nodes"]
    assert job["links"]["Trace"] == f"https://t.example/{id}/good/1"
    assert function["links"] == {"Trace": f"https://t.example/{id}/plain/1"}


@pytest.mark.parametrize("broken", ["raise SystemExit(3)", "import no_such_sdk", None])
def test_a_plugin_that_is_broken_or_gone_fails_no_view(
    broken: str | None, installed: Path, site: Site, tmp_path: Path
) -> None:
    run(tmp_path / "home")
    if broken is None:
        (site.path / "hardpoint_quick-1.0.dist-info" / "entry_points.txt").unlink()
    else:
        (site.path / "quick_plugin.py").write_text(broken)
    told = json.loads(show(tmp_path / "home", "last", "--json"))
    assert set(told["nodes"][0]["links"]) == {"Told", "Both"}


def test_a_manifest_with_a_template_that_cannot_be_filled_in_fails_no_view(
    installed: Path, site: Site, tmp_path: Path
) -> None:
    run(tmp_path / "home")
    write_manifests()
    file = site.path / "quick_plugin-hardpoint-manifest.json"
    file.write_text(file.read_text().replace("{account}", "{nobody}"))
    told = json.loads(show(tmp_path / "home", "last", "--json"))
    assert set(told["nodes"][0]["links"]) == {"Told", "Both"}


def test_items_of_a_chunk_know_its_job() -> None:
    job = JobRef("array-7", account="eu")
    events: list[Event] = [
        ChunkStarted(0.0, "squares#1", "t", ((2, 3),)),
        JobCreated(1.0, "squares#1", 1, job),
    ]
    assert [(each.node, each.job) for each in tries_of(events)] == [("squares[2]", job), ("squares[3]", job)]


@pytest.mark.parametrize("template", ["{nobody}", "{0}", "{job.__class__.x}", "{job!x}", "{", "{attempt:s}"])
def test_a_template_that_cannot_be_filled_in_is_passed_over(template: str) -> None:
    links: Sequence[LogLink] = [LogLink("Broken", template), LogLink("Good", "https://x.example/{node}")]
    made = rendered(links, execution="e", node="n", attempt=1, job=JobRef("j"))
    assert made == {"Good": "https://x.example/n"}


def test_a_plugin_whose_template_has_an_unknown_field_breaks_the_contract(
    installed: Path, site: Site
) -> None:
    (site.path / "quick_plugin.py").write_text(PLUGIN.replace("{account}", "{nobody}"))
    registry = load_registry()
    assert link_templates(registry, {"quick"}) == {"quick": []}
    row = next(each for each in registry.installed() if each.name == "quick")
    assert row.state is PluginState.QUARANTINED
    assert "log link `Console` cannot be made" in row.problem
