"""What crosses the line to a plugin: neither side can change what the other has."""

from __future__ import annotations

import logging
import math
import threading
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardpoint.executor.engine.job_calls import JobCalls
from hardpoint.executor.engine.log_budget import CHARS_PER_WINDOW, WINDOW_S, LogBudget
from hardpoint.executor.engine.plugin_errors import MESSAGE_CHARS
from hardpoint.executor.engine.plugin_values import (
    USAGE_NAMES_MAX,
    PluginOutputError,
    copied,
    own_request,
    plain,
    plain_status,
    sound_usage,
    with_sound_usage,
)
from hardpoint.executor.engine.steps import guarded
from hardpoint.plugin_api import (
    ArrayStatus,
    CreateRequest,
    ErrorKind,
    HardpointError,
    Idempotency,
    Interface,
    ItemStates,
    JobRef,
    Phase,
    Resources,
    Shape,
    Status,
    TaskSpec,
    TaskType,
    UserError,
    hookimpl,
)
from hardpoint.registry import Registry

WIRES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


def request_of(inputs: dict[str, Any], config: dict[str, Any]) -> CreateRequest:
    spec = TaskSpec("flow.py:work", "job", "v1", Interface((), ()), config)
    return CreateRequest("e1", "n", 1, "t", spec, inputs, "uri", Resources(), "p", "d")


def containers(wire: Any) -> set[int]:
    match wire:
        case dict():
            return {id(wire)}.union(*(containers(each) for each in wire.values()))
        case list():
            return {id(wire)}.union(*(containers(each) for each in wire))
        case _:
            return set()


@given(st.dictionaries(st.text(max_size=3), WIRES, max_size=3))
def test_a_plugins_request_is_equal_and_shares_nothing_that_can_be_changed(wire: dict[str, Any]) -> None:
    request = request_of(wire, {"config": wire})
    own = own_request(request)
    assert own == request
    assert not containers(own.inputs) & containers(request.inputs)
    assert not containers(own.spec.config) & containers(request.spec.config)
    assert copied(wire) == wire


class Mutating:
    """Changes whatever it is given, and keeps what it returned."""

    def __init__(self) -> None:
        self.extra: dict[str, Any] = {"a": [1]}

    def _change(self, request: CreateRequest) -> None:
        request.inputs["list"].append("mine")
        request.spec.config.clear()

    def prepare(self, context: Any, request: CreateRequest) -> Any: ...

    def create(self, context: Any, request: CreateRequest) -> JobRef:
        self._change(request)
        return JobRef("j1", extra=self.extra)

    def find(self, context: Any, request: CreateRequest) -> None:
        self._change(request)

    def poll_many(self, context: Any, jobs: Any) -> dict[str, Status]:
        jobs.clear()
        return {}

    def outputs(self, context: Any, request: CreateRequest, job: JobRef) -> dict[str, Any]:
        self._change(request)
        return {}

    def cancel(self, context: Any, job: JobRef, reason: str) -> None: ...


def calls_of(handler: Mutating) -> JobCalls:
    class Plugin:
        @hookimpl
        def task_types(self) -> list[TaskType]:
            return [TaskType("job", Shape.JOB, lambda: handler, idempotency=Idempotency.TOKEN)]

    registry = Registry((), {"job": Plugin()})
    context: Any = None
    return JobCalls(registry, registry.task_type("job"), context)


def test_no_verb_can_change_its_request_or_later_what_it_returned() -> None:
    handler = Mutating()
    calls, request = calls_of(handler), request_of({"list": [1]}, {"x": 1})
    made = calls.create(request)
    handler.extra["a"].append(2)
    assert calls.find(request) is None
    assert calls.outputs(request, made) == {}
    jobs = [made]
    calls.poll(jobs)
    assert (request.inputs, request.spec.config) == ({"list": [1]}, {"x": 1})
    assert (jobs, made.extra) == ([made], {"a": [1]})


@pytest.mark.parametrize(
    "value",
    [
        JobRef(object()),  # type: ignore[arg-type]
        JobRef("j", extra={"lock": threading.Lock()}),
        JobRef("j", secrets=(1,)),  # type: ignore[arg-type]
        "j",
    ],
)
def test_what_the_journal_could_not_keep_is_refused(value: Any) -> None:
    with pytest.raises(PluginOutputError, match="a `JobRef` that cannot be kept"):
        plain(value, JobRef)


@given(st.sampled_from(Phase), st.text(max_size=5), st.dictionaries(st.text(max_size=3), WIRES, max_size=3))
def test_a_sound_status_stays_as_it_is(phase: Phase, reason: str, outputs: dict[str, Any]) -> None:
    for status in (Status(phase), Status(phase, reason, outputs=outputs, links={"Logs": "https://x"})):
        assert plain_status(status, "job") == status


@pytest.mark.parametrize("phase", list(Phase))
def test_an_end_that_cannot_be_kept_is_a_failure_and_all_else_is_asked_again(phase: Phase) -> None:
    found = plain_status(Status(phase, outputs={"result": object()}), "job")
    if phase.terminal:
        assert found is not None
        assert found.phase is Phase.FAILED
        assert found.error is not None
        assert found.error.kind is ErrorKind.CONTRACT
        assert found.error.message.startswith("Task type `job` told a `Status` that cannot be kept")
    else:
        assert found is None


def test_an_error_is_kept_in_bounds_and_plain() -> None:
    class Odd(HardpointError):
        def info(self) -> Any:
            return object()

    def raises(error: Exception) -> Any:
        def call() -> None:
            raise error

        return guarded(call, "job").error

    long = raises(UserError("x" * 10_000_000))
    assert (long.kind, len(long.message)) == (ErrorKind.USER, MESSAGE_CHARS)
    odd = raises(Odd("odd"))
    assert odd.message.startswith("A call to task type `job` raised `Odd: odd` at call:")
    assert msgspec.json.decode(msgspec.json.encode(odd), type=type(odd)) == odd


class Clock:
    at_s = 0.0

    def now(self) -> float:
        return self.at_s

    def monotonic(self) -> float:
        return self.at_s

    def sleep(self, seconds: float) -> None:
        self.at_s += seconds


def test_a_plugin_that_logs_too_much_is_cut_off_for_a_minute() -> None:
    clock, budget = Clock(), None
    budget = LogBudget(clock)

    def passes(text: str) -> str | None:
        record = logging.LogRecord("hardpoint.plugins.job", logging.WARNING, "", 0, "%s", (text,), None)
        return record.getMessage() if budget.filter(record) else None

    said = [passes("x" * 9_000) for _ in range(1_000)]
    let_in = [each for each in said if each is not None]
    assert sum(map(len, let_in)) < CHARS_PER_WINDOW + 20_000
    assert let_in[-1].endswith(
        "[hardpoint.plugins.job has logged too much: its lines of one minute are left out]"
    )
    clock.sleep(WINDOW_S)
    assert passes("again") == "again"
    assert passes("y" * 100_000) == "y" * 10_000 + "… (100000 characters)"


FIGURES = st.one_of(st.floats(), st.integers(), st.booleans(), st.text(max_size=3), st.none())


@given(st.dictionaries(st.text(max_size=120), FIGURES, max_size=2 * USAGE_NAMES_MAX))
def test_what_is_kept_of_a_usage_can_be_summed_and_survives_the_journal(told: dict[str, Any]) -> None:
    sound = sound_usage(told)
    assert all(type(each) is float and math.isfinite(each) and each >= 0.0 for each in sound.values())
    assert len(sound) <= USAGE_NAMES_MAX
    assert {name: told[name] for name in sound} == sound
    assert plain_status(Status(Phase.RUNNING, usage=told), "job") == Status(Phase.RUNNING, usage=sound)


def test_a_wrong_usage_is_said_once_for_a_task_type(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        with_sound_usage(Status(Phase.RUNNING, usage={"cost_usd": float("inf")}), "told_once")
        with_sound_usage(ArrayStatus(Phase.RUNNING, ItemStates("R"), usage={"x": -1.0}), "told_once")
    [line] = [record.getMessage() for record in caplog.records if "told_once" in record.getMessage()]
    assert line == "task type told_once tells a usage that is none; such figures are left out"
