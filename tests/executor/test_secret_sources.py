"""Secrets that plugins look up: in jobs and in worker processes, after environment and files."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.registry.conftest import Site, site

from hardpoint.core import Retry, Secret, task, workflow
from hardpoint.executor import ExecutionFailedError, Executor
from hardpoint.executor.secret_sources import ask_sources
from hardpoint.plugin_api import (
    SINGLE_OUTPUT,
    Context,
    CreateRequest,
    Idempotency,
    JobRef,
    Options,
    Parameter,
    Phase,
    PollPolicy,
    Prepared,
    SecretSource,
    Shape,
    Status,
    TaskDefinition,
    TaskType,
    hookimpl,
)
from hardpoint.registry import load_registry

__all__ = ["site"]

# Put together here: this file is archived with the tasks in it.
VALUE = "-".join(("correct", "horse", "battery"))
VAULT = f"""
from pathlib import Path
from hardpoint.plugin_api import SecretSource, hookimpl

LOG = Path(__file__).with_name("asked")

def lookup(name):
    with LOG.open("a") as file:
        file.write(name + "\\n")
    return {VALUE!r} if name == "db" else None

def broken(name):
    raise ConnectionError("the safe is on fire")

class Plugin:
    @hookimpl
    def secret_sources(self):
        return [SecretSource("safe", broken), SecretSource("vault", lookup)]

plugin = Plugin()
"""
EXTENSION = "[hardpoint.extensions]\nvault = vault_plugin:plugin\n[hardpoint.api]\n1.0 = vault_plugin\n"


class Source:
    """A plugin with one source."""

    def __init__(self, name: str, lookup: Callable[[str], Any]) -> None:
        self.source = SecretSource(name, lookup)

    @hookimpl
    def secret_sources(self) -> Iterable[SecretSource]:
        return [self.source]


class Asking:
    """A job that tells the length of a secret, so that nothing shows the secret itself."""

    def prepare(self, context: Context, request: CreateRequest) -> Prepared:
        return Prepared()

    def create(self, context: Context, request: CreateRequest) -> JobRef:
        return JobRef(str(len(context.secret("db"))))

    def find(self, context: Context, request: CreateRequest) -> JobRef | None:
        return None

    def poll_many(self, context: Context, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
        return {job.id: Status(Phase.SUCCEEDED, outputs={SINGLE_OUTPUT: int(job.id)}) for job in jobs}

    def outputs(self, context: Context, request: CreateRequest, job: JobRef) -> Mapping[str, Any]:
        raise NotImplementedError

    def cancel(self, context: Context, job: JobRef, reason: str) -> None:
        """Nothing to cancel."""


class AskingPlugin:
    @hookimpl
    def task_types(self) -> Iterable[TaskType]:
        poll = PollPolicy(first_s=0.01, max_s=0.1)
        return [TaskType("asking", Shape.JOB, Asking, idempotency=Idempotency.TOKEN, poll=poll)]


length = TaskDefinition(
    name="length",
    task_type="asking",
    file=Path(__file__),
    inputs={"n": Parameter(int)},
    outputs={SINGLE_OUTPUT: int},
    config={},
    version="1",
    options=Options(),
)


@task(secrets=(Secret("db", env="DB_PASSWORD"),))
def masked_length(n: int) -> int:
    print("connecting")
    return len(os.environ["DB_PASSWORD"])


@task(secrets=(Secret("db", env="DB_PASSWORD"),))
def leaking(n: int) -> int:
    raise ValueError("cannot log in with " + os.environ["DB_PASSWORD"])


@task(secrets=(Secret("db", env="DB_PASSWORD"),), retry=Retry(2, delay_s=0.0))
def twice(place: str) -> int:
    file = Path(place)
    if not file.exists():
        file.touch()
        raise ValueError("once more")
    return len(os.environ["DB_PASSWORD"])


@task(secrets=(Secret("nobody", env="X"),))
def missing(n: int) -> int:
    return n


@task(secrets=(Secret("db", env="DB_PASSWORD"),))
def dying(n: int) -> int:
    print("password:", os.environ["DB_PASSWORD"], file=sys.stderr, flush=True)
    os._exit(3)


@workflow
def job_flow(n: int) -> int:
    result: int = length(n=n)
    return result


@workflow
def python_flow(n: int) -> int:
    return masked_length(n=n)


@workflow
def leaking_flow(n: int) -> int:
    return leaking(n=n)


@workflow
def dying_flow(n: int) -> int:
    return dying(n=n)


@workflow
def twice_flow(place: str) -> int:
    return twice(place=place)


@workflow
def missing_flow(n: int) -> int:
    return missing(n=n)


@pytest.fixture
def vault(site: Site, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a plugin with two sources; return the file in which one of them notes what it was asked for."""
    monkeypatch.setenv("PYTHONPATH", str(site.path))
    monkeypatch.delenv("HARDPOINT_SECRETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(site.path.parent / "cache"))
    site.write_metadata("hardpoint-vault", "1.0", EXTENSION)
    (site.path / "vault_plugin.py").write_text(VAULT)
    return site.path / "asked"


def failure_of(home: Path, flow: Any, **inputs: Any) -> str:
    with Executor(home, workers=1) as executor, pytest.raises(ExecutionFailedError) as failed:
        executor.submit(flow, **inputs).result()
    return str(failed.value)


def everything_in(home: Path) -> bytes:
    return b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file())


def test_a_job_gets_a_secret_that_only_a_plugin_has(tmp_path: Path) -> None:
    vault = Source("vault", lambda name: VALUE if name == "db" else None)
    with Executor(tmp_path / "home", plugins={"asking": AskingPlugin(), "vault": vault}) as executor:
        assert executor.submit(job_flow, n=1).result() == len(VALUE)
    assert VALUE.encode() not in everything_in(tmp_path / "home")


def test_a_job_without_its_secret_names_who_was_asked(tmp_path: Path) -> None:
    def on_fire(name: str) -> str:
        raise ConnectionError("on fire")

    plugins = {
        "asking": AskingPlugin(),
        "safe": Source("safe", on_fire),
        "empty": Source("box", lambda n: None),
    }
    with (
        Executor(tmp_path / "home", plugins=plugins) as executor,
        pytest.raises(ExecutionFailedError) as failed,
    ):
        executor.submit(job_flow, n=1).result()
    told = str(failed.value)
    assert "Secret `db` is not set; `box` of plugin `empty` does not have it" in told
    assert "passed over: `safe` of plugin `safe`: ConnectionError: on fire" in told


def test_a_worker_gets_a_secret_that_only_a_plugin_has(vault: Path, tmp_path: Path) -> None:
    with Executor(tmp_path / "home", workers=1) as executor:
        assert executor.submit(python_flow, n=1).result() == len(VALUE)
    assert vault.read_text().split() == ["db"]
    assert VALUE.encode() not in everything_in(tmp_path / "home")


def test_its_value_is_masked_in_errors(vault: Path, tmp_path: Path) -> None:
    told = failure_of(tmp_path / "home", leaking_flow, n=1)
    assert "cannot log in with ***" in told
    assert VALUE.encode() not in everything_in(tmp_path / "home")


def test_what_a_dead_worker_printed_is_not_shown_where_it_may_hold_the_secret(
    vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = failure_of(tmp_path / "home", dying_flow, n=1)
    assert "exited with code 3" in told
    assert "(not shown: they may hold secret `db`, which is in no variable and no file)" in told
    assert VALUE not in told
    monkeypatch.setenv("HARDPOINT_SECRET_DB", VALUE)
    assert "password: ***" in failure_of(tmp_path / "other", dying_flow, n=1)


def test_every_attempt_asks_anew(vault: Path, tmp_path: Path) -> None:
    with Executor(tmp_path / "home", workers=1) as executor:
        assert executor.submit(twice_flow, place=str(tmp_path / "tried")).result() == len(VALUE)
    assert vault.read_text().split() == ["db", "db"]


def test_environment_and_file_come_first(
    vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/db").write_text("file")
    monkeypatch.setenv("HARDPOINT_SECRETS", str(tmp_path / "secrets"))
    with Executor(tmp_path / "home", workers=1) as executor:
        assert executor.submit(python_flow, n=1).result() == len("file")
    monkeypatch.setenv("HARDPOINT_SECRET_DB", "variable")
    with Executor(tmp_path / "other", workers=1) as executor:
        assert executor.submit(python_flow, n=1).result() == len("variable")
    assert not vault.exists()


def test_a_task_whose_secret_nobody_has_names_the_sources(vault: Path, tmp_path: Path) -> None:
    told = failure_of(tmp_path / "home", missing_flow, n=1)
    assert "Secret `nobody` is not set; `vault` of plugin `hardpoint-vault` does not have it" in told
    assert "passed over: `safe` of plugin `hardpoint-vault`: ConnectionError: the safe is on fire" in told


def test_sources_are_asked_in_the_order_of_their_plugins_names() -> None:
    order: list[str] = []

    def source(name: str) -> Source:
        return Source(name, lambda secret: order.append(name))

    registry = load_registry(
        {"b": source("of-b"), "a": source("of-a"), "c": Source("of-c", lambda n: "found")}
    )
    assert ask_sources(registry, "x").value == "found"
    assert order == ["of-a", "of-b"]


def test_a_slow_source_and_one_that_returns_no_text_are_passed_over() -> None:
    plugins = {
        "a-slow": Source("slow", lambda name: time.sleep(5)),
        "b-odd": Source("odd", lambda name: 7),
        "c-rude": Source("rude", lambda name: exit(3)),
        "d-good": Source("good", lambda name: "found" if name == "x" else None),
    }
    registry = load_registry(plugins)
    began = time.monotonic()
    assert ask_sources(registry, "x", budget_s=0.1).value == "found"
    told = ask_sources(registry, "y", budget_s=0.1).told
    assert time.monotonic() - began < 4
    assert "`good` of plugin `d-good` does not have it" in told
    assert "`slow` of plugin `a-slow`: an earlier call has not come back yet" in told
    assert "`odd` of plugin `b-odd`: it returned a `int`, not text" in told
    assert "`rude` of plugin `c-rude`: SystemExit: 3" in told
