"""Plugins decide about runs: refused, rewritten, or, where a plugin cannot decide, let through without it."""

from __future__ import annotations

import json
import textwrap
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hardpoint.core import workflow
from hardpoint.core.compiled import from_json
from hardpoint.executor import Executor
from hardpoint.executor.cli.entry import run_command_line
from hardpoint.executor.deciding import ExecutionRefusedError
from hardpoint.plugin_api import (
    AdmissionRequest,
    AnyHandler,
    Context,
    CreateRequest,
    Idempotency,
    JobRef,
    Outputs,
    Parameter,
    Phase,
    Prepared,
    Refusal,
    Shape,
    Status,
    TaskDefinition,
    TaskSpec,
    TaskType,
    hookimpl,
)
from hardpoint.plugin_api.hookspecs import BUDGET_S, FAILURES_MAX
from hardpoint.registry.verdicts import Finder, Verdicts, cache_folder, files_digest

PATIENCE_S = 30.0


class QueryConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    workgroup: str = "free"
    dear: bool = False


class Queries:
    """A service in memory whose jobs end at once; it notes the config that each came with."""

    def __init__(self) -> None:
        self.configs: list[dict[str, Any]] = []

    def prepare(self, context: Context, request: CreateRequest) -> Prepared:
        return Prepared("here")

    def create(self, context: Context, request: CreateRequest) -> JobRef:
        self.configs.append(request.spec.config)
        return JobRef(request.token, "here")

    def find(self, context: Context, request: CreateRequest) -> JobRef | None:
        return None

    def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
        return {job.id: Status(Phase.SUCCEEDED) for job in jobs}

    def outputs(self, context: Context, request: CreateRequest, job: JobRef) -> Outputs:
        return {"result": 7}

    def cancel(self, context: Context, job: JobRef, reason: str) -> None:
        """Nothing runs long enough."""


class Sql:
    def __init__(self) -> None:
        self.service = Queries()

    @hookimpl
    def task_types(self) -> Iterable[TaskType]:
        def make() -> AnyHandler:
            return self.service

        return [TaskType("sql", Shape.JOB, make, config=QueryConfig, idempotency=Idempotency.TOKEN)]


class Policy:
    """Decides as it is told, and counts how often it is asked."""

    def __init__(
        self,
        admit: Callable[[AdmissionRequest], Any] = lambda request: None,
        rewrite: Callable[[TaskSpec], Any] = lambda spec: None,
    ) -> None:
        self._admit, self._rewrite = admit, rewrite
        self.asked: list[AdmissionRequest] = []

    @hookimpl
    def admit_execution(self, request: AdmissionRequest) -> Any:
        self.asked.append(request)
        return self._admit(request)

    @hookimpl
    def rewrite_task(self, spec: TaskSpec) -> Any:
        return self._rewrite(spec)


query = TaskDefinition(
    name="query",
    task_type="sql",
    file=Path(__file__),
    inputs={"day": Parameter(int)},
    outputs={"result": int},
    config={"workgroup": "free"},
)


@workflow
def report(day: int = 1) -> int:
    result: int = query(day=day)
    return result


def gold(spec: TaskSpec) -> TaskSpec:
    return msgspec.structs.replace(spec, config={**spec.config, "workgroup": "gold"})


def run_with(home: Path, policy: Policy, sql: Sql | None = None) -> Queries:
    sql = sql or Sql()
    with Executor(home, plugins={"sql": sql, "policy": policy}) as executor:
        assert executor.submit(report).result(PATIENCE_S) == 7
    return sql.service


def test_a_refused_run_is_an_error_that_names_the_plugin_and_nothing_is_journaled(tmp_path: Path) -> None:
    policy = Policy(lambda request: Refusal("`report` is no release", "Run `make release`", 90.0))
    with Executor(tmp_path, plugins={"sql": Sql(), "policy": policy}) as executor:
        with pytest.raises(ExecutionRefusedError) as caught:
            executor.submit_with(report, {"day": 3}, project="acme", priority=5, qos="high")
        assert executor.journal.rows() == []
    assert str(caught.value) == (
        "Plugin `policy` refuses the run: `report` is no release\n\n"
        "hint: Run `make release`; Try again in about 90 s"
    )
    assert (caught.value.plugin, caught.value.info().retry_after_s) == ("policy", 90.0)
    [asked] = policy.asked
    assert (asked.workflow, asked.project, asked.inputs, asked.task_types, asked.nodes, asked.priority) == (
        "tests/executor/test_deciding.py:report",
        "acme",
        {"day": 3},
        ("sql",),
        1,
        105,
    )
    assert asked.digest == report.compile().digest


def test_a_task_that_is_refused_refuses_the_run(tmp_path: Path) -> None:
    policy = Policy(rewrite=lambda spec: Refusal("too dear"))
    with Executor(tmp_path, plugins={"sql": Sql(), "policy": policy}) as executor:
        with pytest.raises(ExecutionRefusedError) as caught:
            executor.submit(report)
        assert executor.journal.rows() == []
    assert caught.value.message == (
        "Plugin `policy` refuses task `tests/executor/test_deciding.py:query` of the run: too dear"
    )


def test_the_handler_gets_the_rewritten_config_and_the_journal_keeps_it(tmp_path: Path) -> None:
    service = run_with(tmp_path, Policy(rewrite=gold))
    assert service.configs == [{"workgroup": "gold"}]
    with Executor(tmp_path, plugins={"sql": Sql()}) as executor:
        [row] = executor.journal.rows()
        kept = from_json(executor.journal.workflow(row.digest))
    assert row.digest == kept.digest != report.compile().digest
    assert [spec.config for spec in kept.tasks.values()] == [{"workgroup": "gold"}]
    assert [spec.config for spec in report.compile().tasks.values()] == [{"workgroup": "free"}]


def test_decisions_are_taken_once_whoever_goes_on_with_the_run(tmp_path: Path) -> None:
    policy, sql = Policy(rewrite=gold), Sql()
    with Executor(tmp_path, plugins={"sql": Sql(), "policy": policy}) as executor:
        execution = executor.enqueue(report, {"day": 1})
    assert len(policy.asked) == 1
    refuses_all = Policy(lambda request: Refusal("never"), lambda spec: Refusal("never"))
    with Executor(tmp_path, plugins={"sql": sql, "policy": refuses_all}) as other:
        assert other.resume(execution).result(PATIENCE_S) == 7
    assert sql.service.configs == [{"workgroup": "gold"}]
    assert refuses_all.asked == []


def test_a_rewrite_that_its_task_type_does_not_take_is_not_made(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    policy = Policy(rewrite=lambda spec: msgspec.structs.replace(spec, config={"colour": "red"}))
    assert run_with(tmp_path, policy).configs == [{"workgroup": "free"}]
    assert "plugin policy is passed over in `rewrite_task`" in caplog.text
    assert "its config does not fit: Object contains unknown field `colour`" in caplog.text


@pytest.mark.parametrize("fault", [ValueError("broken"), SystemExit(3)])
def test_a_plugin_that_cannot_decide_is_passed_over_with_a_warning(
    tmp_path: Path, fault: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(anything: object) -> Any:
        raise fault

    assert run_with(tmp_path, Policy(fail, fail)).configs == [{"workgroup": "free"}]
    assert "plugin policy is passed over in `admit_execution`" in caplog.text


def test_a_plugin_that_hangs_costs_one_budget_and_runs_go_on(tmp_path: Path) -> None:
    let_go = threading.Event()
    policy = Policy(lambda request: let_go.wait(PATIENCE_S))
    with Executor(tmp_path, plugins={"sql": Sql(), "policy": policy}) as executor:
        began = time.monotonic()
        runs = [executor.submit(report) for _ in range(FAILURES_MAX + 2)]
        took_s = time.monotonic() - began
        assert [run.result(PATIENCE_S) for run in runs] == [7] * len(runs)
        [trouble] = executor.registry.troubles()
        let_go.set()
    assert BUDGET_S <= took_s < FAILURES_MAX * BUDGET_S
    assert len(policy.asked) == 1
    assert (trouble.plugin, trouble.hook, trouble.failures) == ("policy", "admit_execution", FAILURES_MAX)


def test_after_enough_failures_a_plugin_is_not_asked(tmp_path: Path) -> None:
    policy = Policy(lambda request: "rubbish")
    with Executor(tmp_path, plugins={"sql": Sql(), "policy": policy}) as executor:
        for _ in range(FAILURES_MAX + 2):
            executor.submit(report).result(PATIENCE_S)
    assert len(policy.asked) == FAILURES_MAX


# --- an installed extension, on the command line -------------------------------------------------------

FLOW = """
    from hardpoint.core import task, workflow

    @task(timeout=30)
    def half(number: int) -> float:
        return number / 2

    @workflow
    def main(number: int = 4) -> float:
        return half(number=number)
"""
EXTENSION = """
    import msgspec
    from hardpoint.plugin_api import Refusal, hookimpl

    class Plugin:
        @hookimpl
        def admit_execution(self, request):
            if request.project == "broken":
                raise RuntimeError("no rules for it")
            if request.project != "acme":
                return Refusal(f"project `{request.project}` is closed", "Use `--project acme`", 60.0)

        @hookimpl
        def rewrite_task(self, spec):
            return msgspec.structs.replace(spec, timeout_s=9.0)

    plugin = Plugin()
"""


@pytest.fixture
def info(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `flow.py`, and an installed extension that has rules; its metadata."""
    site = tmp_path / "site"
    info = site / "acme_rules-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "acme_rules.py").write_text(textwrap.dedent(EXTENSION))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-rules\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[hardpoint.extensions]\nrules = acme_rules:plugin\n[hardpoint.api]\n1.0 = acme_rules\n"
    )
    (tmp_path / "flow.py").write_text(textwrap.dedent(FLOW))
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARDPOINT_HOME", "home")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return info


def test_run_refuses_with_exit_code_2(info: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["run", "flow.py", "main", "--json"]) == 2
    [said] = json.loads(capfd.readouterr().err)
    assert said == {
        "code": "ExecutionRefusedError",
        "message": "Plugin `acme-rules/acme_rules:plugin` refuses the run: project `default` is closed",
        "hint": "Use `--project acme`; Try again in about 60 s",
        "retry_after_s": 60.0,
    }
    assert run_command_line(["executions", "list", "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == []


def test_plan_shows_what_would_be_refused_and_rewritten(
    info: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["plan", "flow.py", "main"]) == 0
    assert (
        "\nIt would be refused. Plugin `acme-rules/acme_rules:plugin` refuses the run: project `default` is "
        "closed\nhint: Use `--project acme`; Try again in about 60 s\n"
    ) in capfd.readouterr().out
    assert run_command_line(["plan", "flow.py", "main", "--project", "acme"]) == 0
    assert (
        "\nRewritten by plugins\n  flow.py:half: timeout_s 30.0 → 9.0 (acme-rules/acme_rules:plugin)\n"
    ) in capfd.readouterr().out
    assert run_command_line(["plan", "flow.py", "main", "--project", "acme", "--json"]) == 0
    planned = json.loads(capfd.readouterr().out)
    assert (planned["refused"], planned["nodes"][0]["timeout_s"]) == (None, 9.0)
    assert planned["rewritten"] == [
        {
            "task": "flow.py:half",
            "field": "timeout_s",
            "before": 30.0,
            "after": 9.0,
            "plugins": ["acme-rules/acme_rules:plugin"],
        }
    ]


def test_a_breaker_that_opened_can_be_read_by_another_process(info: Path) -> None:
    name, digest = "acme-rules/acme_rules:plugin", files_digest(PathDistribution(info))
    with Executor("home", plugins={"sql": Sql()}, project="broken") as executor:
        for _ in range(FAILURES_MAX):
            executor.submit(report).result(PATIENCE_S)
        verdict = Verdicts(cache_folder()).read(Finder.BREAKER, name, digest)
    assert verdict is not None
    assert verdict.summary == ("`admit_execution` failed 3 times in a row: RuntimeError: no rules for it")
    assert 'raise RuntimeError("no rules for it")' in verdict.traceback
    with Executor("home", plugins={"sql": Sql()}, project="acme") as executor:
        executor.submit(report).result(PATIENCE_S)
    assert Verdicts(cache_folder()).read(Finder.BREAKER, name, digest) is None
