"""Estimates: asked of those who make any, for a limited time; whatever a plugin does, there is an answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hardpoint.executor.config.settings import NO_SETTINGS
from hardpoint.executor.estimating import TEXT_CHARS, Estimated, ask_for_estimates, looking_contexts
from hardpoint.plugin_api import (
    Context,
    CreateRequest,
    Estimate,
    Idempotency,
    Interface,
    Shape,
    TaskSpec,
    TaskType,
    ThrottledError,
    hookimpl,
)
from hardpoint.plugin_api.testing.fakes import fake_request
from hardpoint.registry import Registry

Verb = Callable[[Context, CreateRequest], Any]
REQUEST = fake_request(TaskSpec("flow.py:scan", "scan", "v1", Interface()), {"rows": [1]})


class Handler:
    """All verbs of a job, of which none is called."""

    def prepare(self, context: Any, request: Any) -> Any: ...
    def create(self, context: Any, request: Any) -> Any: ...
    def find(self, context: Any, request: Any) -> Any: ...
    def poll_many(self, context: Any, jobs: Any) -> Any: ...
    def outputs(self, context: Any, request: Any, job: Any) -> Any: ...
    def cancel(self, context: Any, job: Any, reason: str) -> Any: ...


def asked(folder: Path, estimate: Verb | None, limit_s: float = 10.0) -> tuple[Estimated, ...]:
    body = {} if estimate is None else {"estimate": lambda self, *words: estimate(*words)}
    handler = type("Handler", (Handler,), body)

    class Plugin:
        @hookimpl
        def task_types(self) -> Iterator[TaskType]:
            yield TaskType("scan", Shape.JOB, handler, idempotency=Idempotency.TOKEN)

    registry = Registry((), {"scan": Plugin()})
    contexts = looking_contexts(registry, NO_SETTINGS, str(folder / "blobs"))
    return ask_for_estimates(registry, [REQUEST], contexts, limit_s=limit_s)


def failed(folder: Path, estimate: Verb, limit_s: float = 10.0) -> str:
    [found] = asked(folder, estimate, limit_s)
    assert found.estimate is None and found.error is not None
    return f"{found.error.code}: {found.error.message}"


def test_what_a_plugin_says_is_kept_as_far_as_it_is_a_figure(tmp_path: Path) -> None:
    usage: dict[str, Any] = {"bytes": 7, "cost_usd": float("nan")}
    [found] = asked(tmp_path, lambda context, request: Estimate(usage, "x" * (2 * TEXT_CHARS)))
    assert found == Estimated("node", Estimate({"bytes": 7.0}, "x" * TEXT_CHARS))


def test_who_makes_no_estimates_is_not_in_the_answer(tmp_path: Path) -> None:
    assert asked(tmp_path, None) == ()


def test_a_read_passes_and_a_write_is_refused(tmp_path: Path) -> None:
    def reads(context: Context, request: CreateRequest) -> Estimate:
        with context.calls.read():
            return Estimate(text="looked")

    def writes(context: Context, request: CreateRequest) -> Estimate:
        with context.calls.write():
            return Estimate(text="changed")

    assert asked(tmp_path, reads) == (Estimated("node", Estimate(text="looked")),)
    told = failed(tmp_path, writes)
    assert told == "ContractViolation: `estimate` called `context.calls.write()`, but must change nothing"


def test_a_plugin_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    let_go = threading.Event()
    told = failed(tmp_path, lambda context, request: let_go.wait(), limit_s=0.2)
    let_go.set()
    assert told == "TimeoutError: no answer within 0.2 s"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ThrottledError("slow down"), "ThrottledError: slow down"),
        (KeyError("rows"), "KeyError: A call to task type `scan` raised `KeyError: 'rows'`"),
        (SystemExit(3), "SystemExit: A call to task type `scan` raised `SystemExit: 3`"),
    ],
    ids=["own", "foreign", "exit"],
)
def test_what_a_plugin_raises_is_its_answer(error: BaseException, told: str, tmp_path: Path) -> None:
    def estimate(context: Context, request: CreateRequest) -> Estimate:
        raise error

    assert failed(tmp_path, estimate).startswith(told)


def test_what_is_no_estimate_is_refused(tmp_path: Path) -> None:
    told = failed(tmp_path, lambda context, request: {"usage": {}})
    assert told == "PluginOutputError: `estimate` of task type `scan` returned `dict`, not `Estimate`"


def test_a_plugin_cannot_change_the_request(tmp_path: Path) -> None:
    def estimate(context: Context, request: CreateRequest) -> Estimate:
        request.inputs["rows"].append(2)
        return Estimate(text="changed")

    asked(tmp_path, estimate)
    assert REQUEST.inputs == {"rows": [1]}
    assert not (tmp_path / "blobs").exists()
