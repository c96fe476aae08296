"""Each hook through the registry: one `test_hook_<name>` per hook, and how wrappers apply."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from hardpoint.plugin_api import (
    ContractViolation,
    Idempotency,
    JobRef,
    JournaledEvent,
    Phase,
    RateLimit,
    ResourcePool,
    Shape,
    Status,
    TaskType,
    UserError,
    hookimpl,
)
from hardpoint.registry import PluginState, Registry, load_registry

if TYPE_CHECKING:
    from tests.registry.conftest import Site

CONTEXT: Any = "the context"
REQUEST: Any = "the request"
Wrapper = Generator[None, Any, Any]


class Doubler:
    def run(self, context: Any, inputs: Any) -> Any:
        return inputs["answer"] if "answer" in inputs else {"result": inputs["x"] * 2}


class Machine:
    """A job handler that notes each call."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def prepare(self, context: Any, request: Any) -> Any: ...

    def create(self, context: Any, request: Any) -> Any:
        self.calls.append(("create", context, request))
        return JobRef("job-1")

    def find(self, context: Any, request: Any) -> Any: ...

    def poll_many(self, context: Any, jobs: Any) -> Any:
        self.calls.append(("poll_many", context, jobs))
        return {job.id: Status(Phase.RUNNING) for job in jobs}

    def outputs(self, context: Any, request: Any, job: Any) -> Any: ...

    def cancel(self, context: Any, job: Any, reason: Any) -> Any:
        self.calls.append(("cancel", context, job, reason))


class Machines:
    """Declares task types `double` and `machine`, a pool and a rate."""

    def __init__(self) -> None:
        self.machine = Machine()

    @hookimpl
    def task_types(self) -> Iterable[TaskType]:
        yield TaskType("double", Shape.FUNCTION, Doubler)
        yield TaskType("machine", Shape.JOB, lambda: self.machine, idempotency=Idempotency.TOKEN)

    @hookimpl
    def resource_pools(self) -> Iterable[ResourcePool]:
        return [ResourcePool("machine:*", 3)]

    @hookimpl
    def rate_limits(self) -> Iterable[RateLimit]:
        return [RateLimit("machine:*", writes_per_s=1)]


class Notes:
    """A plugin without task types whose wrappers note what passes."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    @hookimpl(wrapper=True)
    def run_function(self, context: Any) -> Wrapper:
        result = yield
        self.seen.append(("run_function", context, result))
        return result

    @hookimpl(wrapper=True)
    def create_job(self, request: Any) -> Wrapper:
        result = yield
        self.seen.append(("create_job", request, result))
        return result

    @hookimpl(wrapper=True)
    def poll_jobs(self, jobs: Any) -> Wrapper:
        result = yield
        self.seen.append(("poll_jobs", jobs, result))
        return result

    @hookimpl(wrapper=True)
    def cancel_job(self, job: Any, reason: Any) -> Wrapper:
        result = yield
        self.seen.append(("cancel_job", job, reason, result))
        return result


def registry_with(**plugins: object) -> Registry:
    return Registry([], plugins)


def test_hook_task_types() -> None:
    registry = registry_with(machines=Machines())
    assert [registry.task_type(name).shape for name in ("double", "machine")] == [Shape.FUNCTION, Shape.JOB]


def test_hook_resource_pools() -> None:
    assert registry_with(machines=Machines(), notes=Notes()).pools() == (ResourcePool("machine:*", 3),)


def test_hook_rate_limits() -> None:
    assert registry_with(machines=Machines(), notes=Notes()).rates() == (
        RateLimit("machine:*", writes_per_s=1),
    )


@pytest.mark.parametrize("wrapped", [False, True])
def test_hook_run_function(wrapped: bool) -> None:
    notes = Notes()
    registry = registry_with(machines=Machines(), **({"notes": notes} if wrapped else {}))
    assert registry.run_function("double", CONTEXT, {"x": 4}) == {"result": 8}
    assert notes.seen == ([("run_function", CONTEXT, {"result": 8})] if wrapped else [])


@pytest.mark.parametrize("wrapped", [False, True])
def test_hook_create_job(wrapped: bool) -> None:
    machines, notes = Machines(), Notes()
    registry = registry_with(machines=machines, **({"notes": notes} if wrapped else {}))
    assert registry.create_job("machine", CONTEXT, REQUEST) == JobRef("job-1")
    assert machines.machine.calls == [("create", CONTEXT, REQUEST)]
    assert notes.seen == ([("create_job", REQUEST, JobRef("job-1"))] if wrapped else [])


@pytest.mark.parametrize("wrapped", [False, True])
def test_hook_poll_jobs(wrapped: bool) -> None:
    machines, notes = Machines(), Notes()
    registry = registry_with(machines=machines, **({"notes": notes} if wrapped else {}))
    jobs, statuses = [JobRef("a")], {"a": Status(Phase.RUNNING)}
    assert registry.poll_jobs("machine", CONTEXT, jobs) == statuses
    assert machines.machine.calls == [("poll_many", CONTEXT, jobs)]
    assert notes.seen == ([("poll_jobs", jobs, statuses)] if wrapped else [])


@pytest.mark.parametrize("wrapped", [False, True])
def test_hook_cancel_job(wrapped: bool) -> None:
    machines, notes = Machines(), Notes()
    registry = registry_with(machines=machines, **({"notes": notes} if wrapped else {}))
    registry.cancel_job("machine", CONTEXT, JobRef("a"), "no longer needed")
    assert machines.machine.calls == [("cancel", CONTEXT, JobRef("a"), "no longer needed")]
    assert notes.seen == ([("cancel_job", JobRef("a"), "no longer needed", True)] if wrapped else [])


class Observer:
    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.seen: list[str] = []

    @hookimpl
    def events_journaled(self, events: Sequence[JournaledEvent]) -> None:
        if self.error is not None:
            raise self.error
        self.seen += [event.id for event in events]


EVENTS = [JournaledEvent("e1", 1, "ExecutionStarted", 0.0, {}), JournaledEvent("e1", 2, "NodeReady", 0.0, {})]


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(2), AssertionError()])
def test_hook_events_journaled(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    first, second = Observer(), Observer()
    registry = registry_with(first=first, broken=Observer(error), second=second, machines=Machines())
    assert registry.observers() == ("first", "broken", "second")
    with caplog.at_level(logging.WARNING):
        failures = registry.events_journaled(EVENTS)
    assert first.seen == second.seen == ["e1/1", "e1/2"]
    assert list(failures) == ["broken"]
    assert failures["broken"].code == type(error).__name__
    assert "events_journaled" in failures["broken"].traceback
    assert "plugin broken is passed over in `events_journaled`" in caplog.text


def test_ctrl_c_in_an_observer_passes() -> None:
    with pytest.raises(KeyboardInterrupt):
        registry_with(one=Observer(KeyboardInterrupt())).events_journaled(EVENTS)


def test_observers_can_be_told_one_at_a_time() -> None:
    first, second = Observer(), Observer()
    registry = registry_with(first=first, second=second)
    assert registry.notify("second", EVENTS[:1]) is None
    assert (first.seen, second.seen) == ([], ["e1/1"])


class Trace:
    def __init__(self, name: str, log: list[str]) -> None:
        self.name, self.log = name, log

    @hookimpl(wrapper=True)
    def run_function(self) -> Wrapper:
        self.log.append(f"{self.name} in")
        try:
            return (yield)
        finally:
            self.log.append(f"{self.name} out")


class TracedDouble(Trace):
    @hookimpl
    def task_types(self) -> list[TaskType]:
        return [TaskType(self.name, Shape.FUNCTION, Doubler)]


def test_a_plugins_wrappers_see_its_own_task_types_and_global_ones_see_all() -> None:
    log: list[str] = []
    registry = registry_with(a=TracedDouble("a", log), everywhere=Trace("all", log), b=TracedDouble("b", log))
    registry.run_function("a", CONTEXT, {"x": 1})
    registry.run_function("b", CONTEXT, {"x": 1})
    assert log == ["all in", "a in", "a out", "all out", "all in", "b in", "b out", "all out"]


def test_a_wrapper_may_refuse_before_the_handler_is_called() -> None:
    class Limit:
        @hookimpl(wrapper=True)
        def create_job(self, request: Any) -> Wrapper:
            raise UserError("too large")
            yield

    machines = Machines()
    with pytest.raises(UserError, match="too large"):
        registry_with(machines=machines, limit=Limit()).create_job("machine", CONTEXT, REQUEST)
    assert machines.machine.calls == []


def test_a_plugin_may_answer_instead_of_the_handler() -> None:
    class Cached:
        @hookimpl
        def poll_jobs(self, jobs: Sequence[JobRef]) -> Mapping[str, Status]:
            return {job.id: Status(Phase.SUCCEEDED) for job in jobs}

    machines = Machines()
    registry = registry_with(machines=machines, cached=Cached())
    assert registry.poll_jobs("machine", CONTEXT, [JobRef("a")]) == {"a": Status(Phase.SUCCEEDED)}
    assert machines.machine.calls == []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "`run` of task type `double` returned a `NoneType`, not a mapping of output names to values"),
        ([1], "`run` of task type `double` returned a `list`, not a mapping of output names to values"),
    ],
)
def test_a_handler_that_returns_something_else_is_named(answer: object, message: str) -> None:
    with pytest.raises(ContractViolation) as caught:
        registry_with(machines=Machines()).run_function("double", CONTEXT, {"answer": answer})
    assert str(caught.value) == (
        f"{message}\n\nhint: Return it from the handler, and pass it on from every hook wrapper: "
        "`return (yield)`"
    )


class Forgets:
    @hookimpl(wrapper=True)
    def create_job(self) -> Wrapper:
        yield


class RaisesBefore:
    @hookimpl(wrapper=True)
    def create_job(self) -> Wrapper:
        raise SystemExit("early")
        yield


class RaisesAfter:
    @hookimpl(wrapper=True)
    def create_job(self) -> Wrapper:
        yield
        raise ValueError("late")


class Never:
    @hookimpl(wrapper=True)
    def create_job(self) -> Wrapper:
        if self is None:
            yield


class Answers:
    @hookimpl
    def create_job(self) -> Any:
        return "an answer of its own"


@pytest.mark.parametrize(
    ("wrapper", "what"),
    [
        (Forgets(), "returned a `NoneType` instead of passing the answer on"),
        (RaisesBefore(), "raised `SystemExit: early`"),
        (RaisesAfter(), "raised `ValueError: late`"),
        (Never(), "raised `RuntimeError: "),
        (Answers(), "returned a `str` instead of passing the answer on"),
    ],
)
def test_a_wrapper_of_everything_that_breaks_is_passed_over_and_named_once(
    wrapper: object, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    machines = Machines()
    registry = registry_with(machines=machines, outer=wrapper, notes=Notes())
    for calls in (1, 2):
        assert registry.create_job("machine", CONTEXT, REQUEST) == JobRef("job-1")
        assert len(machines.machine.calls) == calls
    assert caplog.text.count(f"plugin outer is passed over in `create_job`: it {what}") == 1


def test_what_a_handler_raises_passes_through_a_wrapper_that_breaks_on_it() -> None:
    class Refuses(Machine):
        def create(self, context: Any, request: Any) -> Any:
            raise ValueError("of the handler")

    class Stumbles:
        @hookimpl(wrapper=True)
        def create_job(self) -> Wrapper:
            try:
                return (yield)
            except ValueError:
                raise TypeError("of the wrapper") from None

    machines = Machines()
    machines.machine = Refuses()
    registry = registry_with(machines=machines, stumbles=Stumbles())
    with pytest.raises(ValueError, match="of the handler"):
        registry.create_job("machine", CONTEXT, REQUEST)


def test_a_wrapper_that_forgets_the_result_of_its_own_task_type_is_named() -> None:
    class ForgetsItsOwn(Machines, Forgets):
        pass

    with pytest.raises(ContractViolation, match=r"`create` of task type `machine` returned a `NoneType`"):
        registry_with(machines=ForgetsItsOwn()).create_job("machine", CONTEXT, REQUEST)


def test_what_a_handler_raises_passes_through() -> None:
    class Refuses(Machine):
        def create(self, context: Any, request: Any) -> Any:
            raise UserError("no such queue")

    machines = Machines()
    machines.machine = Refuses()
    with pytest.raises(UserError, match="no such queue"):
        registry_with(machines=machines, notes=Notes()).create_job("machine", CONTEXT, REQUEST)


EXTENSION = """
    from hardpoint.plugin_api import hookimpl
    class Plugin:
        seen = []
        @hookimpl
        def events_journaled(self, events):
            self.seen += [event.id for event in events]
        @hookimpl(wrapper=True)
        def run_function(self, inputs):
            self.seen.append(dict(inputs))
            return (yield)
    plugin = Plugin()
"""


def test_an_installed_extension_observes_and_wraps_without_being_asked_for(site: Site) -> None:
    site.echo()
    site.install(
        "hardpoint-watch", extensions={"watch": "watch_ext:plugin"}, modules={"watch_ext": EXTENSION}
    )
    registry = load_registry()
    assert registry.run_function("echo", CONTEXT, {"text": "hi"}) == {"result": "hi"}
    assert registry.events_journaled(EVENTS[:1]) == {}
    import watch_ext  # type: ignore[import-not-found]

    assert watch_ext.plugin.seen == [{"text": "hi"}, "e1/1"]
    assert registry.observers() == ("hardpoint-watch/watch_ext:plugin",)


def test_a_broken_extension_is_quarantined_and_runs_go_on(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.echo()
    site.install(
        "hardpoint-dead", extensions={"dead": "dead_ext:plugin"}, modules={"dead_ext": "raise SystemExit"}
    )
    site.install("hardpoint-old", extensions={"old": "old_ext:plugin"}, api=("0.1",))
    registry = load_registry()
    with caplog.at_level(logging.WARNING):
        assert registry.run_function("echo", CONTEXT, {"text": "hi"}) == {"result": "hi"}
    states = {row.name: row.state for row in registry.installed()}
    assert (states["dead"], states["old"]) == (PluginState.QUARANTINED, PluginState.INCOMPATIBLE)
    assert "plugin `hardpoint-dead` 1.0 is quarantined: SystemExit" in caplog.text
    assert "is written for plugin API 0.1 to 0.x; this hardpoint has 1.0" in caplog.text


def test_a_built_in_task_type_comes_before_an_installed_one(site: Site) -> None:
    site.install(
        "hardpoint-usurper", task_types={"double": "usurper:plugin"}, modules={"usurper": "raise SystemExit"}
    )
    registry = load_registry({"machines": Machines()})
    assert registry.run_function("double", CONTEXT, {"x": 1}) == {"result": 2}
    rows = [row for row in registry.installed() if row.name == "double"]
    assert [(row.distribution, row.state, row.problem) for row in rows] == [
        ("", PluginState.LOADED, ""),
        (
            "hardpoint-usurper",
            PluginState.DUPLICATE,
            "Task type `double` is built in; `hardpoint-usurper` 1.0 claims it too and is ignored",
        ),
    ]


def test_listing_shows_a_failing_observer_and_a_failing_handler(site: Site) -> None:
    site.install(
        "hardpoint-grumpy",
        extensions={"grumpy": "grumpy_ext:plugin"},
        modules={"grumpy_ext": EXTENSION.replace("self.seen += [event.id for event in events]", "1 / 0")},
    )
    source = """
        from hardpoint.plugin_api import Shape, TaskType, hookimpl
        class Plugin:
            @hookimpl
            def task_types(self): return [TaskType("bare", Shape.FUNCTION, object)]
        plugin = Plugin()
    """
    site.install("hardpoint-bare", task_types={"bare": "bare_plugin:plugin"}, modules={"bare_plugin": source})
    registry = load_registry()
    registry.events_journaled(EVENTS)
    with pytest.raises(Exception, match="lacks `run`"):
        registry.handler("bare")
    rows = {row.name: (row.state, row.problem) for row in registry.installed()}
    assert rows["grumpy"] == (
        PluginState.LOADED,
        "its `events_journaled` failed: ZeroDivisionError: division by zero",
    )
    assert rows["bare"] == (
        PluginState.QUARANTINED,
        "Plugin `hardpoint-bare` 1.0 for `bare` breaks the plugin contract: "
        "the handler `object` of shape `function` lacks `run`",
    )
