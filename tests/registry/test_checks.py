"""The contract that a plugin is held to when it is loaded, one case for each rule."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hardpoint.plugin_api import (
    Capability,
    ContractViolation,
    Idempotency,
    PollPolicy,
    RateLimit,
    ResourcePool,
    Shape,
    TaskType,
    hookimpl,
)
from hardpoint.plugin_api.verbs import verbs_of
from hardpoint.registry import PluginQuarantinedError, Registry, load_registry
from hardpoint.registry.checks import (
    HANDLER_CHECKS,
    PLUGIN_CHECKS,
    TYPE_CHECKS,
    HandlerSubject,
    PluginSubject,
    first_violation,
)


class RunHandler:
    def run(self, context: Any, inputs: Any) -> Any:
        return {}


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    n: int = 0


class LooseConfig(msgspec.Struct, frozen=True):
    n: int = 0


class UnwritableConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    n: complex = 0j


GOOD = TaskType("good", Shape.FUNCTION, RunHandler, config=Config)


class Declares:
    """A plugin that declares what it was made with."""

    def __init__(self, types: Any = (), pools: Any = (), rates: Any = ()) -> None:
        self.types, self.pools, self.rates = types, pools, rates

    @hookimpl
    def task_types(self) -> Any:
        return self.types

    @hookimpl
    def resource_pools(self) -> Any:
        return self.pools

    @hookimpl
    def rate_limits(self) -> Any:
        return self.rates


def refused(plugin: object) -> str:
    """Why a built-in plugin is refused; embedders' objects pass the same checks as installed ones."""
    with pytest.raises(ContractViolation) as caught:
        load_registry({"mine": plugin})
    prefix, _, problem = caught.value.message.partition(" cannot be used: ")
    assert prefix == "Built-in plugin `mine`"
    assert caught.value.hint == "Correct the object that is given to `load_registry(builtin=...)`"
    return problem


def changed(**changes: Any) -> TaskType:
    return msgspec.structs.replace(GOOD, **changes)


def test_a_plugin_that_keeps_the_contract_passes() -> None:
    pools, rates = [ResourcePool("good:*", 2)], [RateLimit("good:*")]
    registry = load_registry({"mine": Declares([GOOD], pools, rates)})
    assert registry.task_type("good") is GOOD
    assert (registry.pools(), registry.rates()) == (tuple(pools), tuple(rates))


class NoHook:
    pass


class Misspelt:
    @hookimpl
    def task_typs(self) -> list[TaskType]:
        return []


class WrongArgument:
    @hookimpl
    def create_job(self, request: Any, retries: int) -> None:
        return None


class Leaves:
    @hookimpl
    def task_types(self) -> list[TaskType]:
        raise SystemExit(2)


@pytest.mark.parametrize(
    ("plugin", "problem"),
    [
        (
            Declares,
            "it is the class `Declares`; an entry point names an object, such as `plugin = Declares()`",
        ),
        (NoHook(), "it has no `@hookimpl` method"),
        (Leaves(), "SystemExit: 2"),
        (Declares(7), "TypeError: 'int' object is not iterable"),
        (Declares(["good"]), "`task_types` returned a `str`, not a `TaskType`"),
        (Declares([GOOD, GOOD]), "it declares task type `good` twice"),
        (Declares(pools=["x"]), "`resource_pools` returned a `str`, not a `ResourcePool`"),
        (Declares(pools=[ResourcePool("", 1)]), "a resource pool has the name `''`"),
        (
            Declares(pools=[ResourcePool("p", -1)]),
            "resource pool `p` has capacity `-1`, not a number of units",
        ),
        (Declares(rates=[3]), "`rate_limits` returned a `int`, not a `RateLimit`"),
        (
            Declares(rates=[RateLimit("r", reads_per_s=0)]),
            "rate limit `r` must have positive rates and a burst of at least 1",
        ),
        (
            Declares([changed(name="Big Name")]),
            "task type name `Big Name` is not lower-case letters, digits, `_` and `-`",
        ),
        (Declares([changed(shape="job")]), "task type `good` has shape `'job'`"),
        (Declares([changed(handler=7)]), "the handler of task type `good` cannot be called to make one"),
        (Declares([changed(handler=lambda x: x)]), "the handler of task type `good` must need no argument"),
        (Declares([changed(config=dict)]), "the config of task type `good` is no msgspec Struct class"),
        (
            Declares([changed(config=LooseConfig)]),
            "the config `LooseConfig` of task type `good` accepts unknown fields, so a misspelt one would be "
            "ignored: give it `forbid_unknown_fields=True`",
        ),
        (
            Declares([changed(config=UnwritableConfig)]),
            "the config `UnwritableConfig` of task type `good` has no JSON schema: "
            "type <class 'complex'> is not supported",
        ),
        (Declares([changed(idempotency="token")]), "task type `good` has idempotency `'token'`"),
        (
            Declares([changed(settling_delay_s=-1)]),
            "task type `good` has settling delay `-1`, not a number of seconds",
        ),
        (Declares([changed(poll=None)]), "task type `good` has poll policy `None`"),
        (
            Declares([changed(call_timeout_s=0)]),
            "task type `good` has call timeout `0`, not a number of seconds",
        ),
        (
            Declares([changed(claims=["slots"])]),
            "the claims of task type `good` are not a tuple of `ResourceClaim`",
        ),
        (
            Declares([changed(claims_of=())]),
            "task type `good` has a `claims_of` that is not callable, or is not of shape `function`",
        ),
        (
            Declares([changed(claims_of=len, shape=Shape.JOB, idempotency=Idempotency.TOKEN)]),
            "task type `good` has a `claims_of` that is not callable, or is not of shape `function`",
        ),
        (
            Declares([changed(poll=PollPolicy(first_s=0))]),
            "task type `good` has a poll policy that would never or always poll: "
            "`PollPolicy(first_s=0, fraction=0.1, max_s=30.0, batch_max=100, resync_s=60.0)`",
        ),
        (Declares([changed(secrets=["a"])]), "the secrets of task type `good` are not a tuple of names"),
        (
            Declares([changed(capabilities=["logs"])]),
            "the capabilities of task type `good` are not a tuple",
        ),
        (
            Declares([changed(capabilities=(Capability.PUSH,))]),
            "task type `good` declares the capability `Capability.PUSH`; to be declared are Capability.LOGS, "
            "Capability.USAGE alone",
        ),
    ],
)
def test_every_rule_says_what_is_wrong(plugin: object, problem: str) -> None:
    assert refused(plugin) == problem


def test_hooks_are_checked_by_name_and_arguments() -> None:
    assert "unknown hook 'task_typs' in plugin" in refused(Misspelt())
    problem = refused(WrongArgument())
    assert problem.startswith(
        "a hook implementation does not fit its hook: Plugin 'mine' for hook 'create_job'"
    )
    assert "{'retries'} are declared in the hookimpl but can not be found in the hookspec" in problem


def subject(*types: TaskType, entry_points: set[str]) -> PluginSubject:
    return PluginSubject(
        plugin=object(),
        target="pkg:plugin",
        hooks=frozenset({"task_types"}),
        types=types,
        pools=(),
        rates=(),
        entry_points=frozenset(entry_points),
    )


def test_entry_points_and_declared_task_types_must_agree() -> None:
    assert first_violation(PLUGIN_CHECKS, [subject(GOOD, entry_points={"good"})]) == ""
    assert first_violation(PLUGIN_CHECKS, [subject(GOOD, entry_points={"bad", "good"})]) == (
        "its entry point is named `bad`, but it declares `good`"
    )
    assert first_violation(PLUGIN_CHECKS, [subject(entry_points={"bad"})]) == (
        "its entry point is named `bad`, but it declares no task type"
    )
    assert first_violation(PLUGIN_CHECKS, [subject(GOOD, entry_points=set())]) == (
        "it declares task type `good`, which nobody can find without an entry point: "
        '`good = "pkg:plugin"` under `[project.entry-points."hardpoint.plugins"]`'
    )


def test_a_check_that_trips_over_the_plugins_object_is_a_violation_itself() -> None:
    class Trap:
        @property
        def name(self) -> str:
            raise OSError("trap")

    trap: Any = Trap()
    assert first_violation(TYPE_CHECKS, [trap]) == "checking it raised OSError"


class HalfAJob:
    def prepare(self, context: Any, request: Any) -> Any: ...

    def create(self, context: Any) -> Any: ...

    def poll_many(self, context: Any, jobs: Any) -> Any: ...

    def outputs(self, context: Any, request: Any, job: Any) -> Any: ...

    find = None


class WholeJob(HalfAJob):
    find: Any = HalfAJob.prepare

    def cancel(self, context: Any, job: Any, reason: Any) -> Any: ...


@pytest.mark.parametrize(
    ("shape", "handler", "problem"),
    [
        (Shape.FUNCTION, RunHandler(), ""),
        (Shape.FUNCTION, object(), "the handler `object` of shape `function` lacks `run`"),
        (Shape.JOB, HalfAJob(), "the handler `HalfAJob` of shape `job` lacks `find`, `cancel`"),
        (Shape.JOB, WholeJob(), "`WholeJob.create` cannot be called as `create(context, request)`"),
        (
            Shape.ARRAY,
            WholeJob(),
            "the handler `WholeJob` of shape `array` lacks `create_array`, `poll_arrays`, `item_outputs`",
        ),
    ],
)
def test_a_handler_must_have_the_verbs_of_its_shape(shape: Shape, handler: object, problem: str) -> None:
    type = TaskType("t", shape, RunHandler, idempotency=Idempotency.TOKEN)
    assert first_violation(HANDLER_CHECKS, [HandlerSubject(type, handler)]) == problem


def test_verbs_come_from_the_protocols() -> None:
    assert {shape: list(verbs_of(shape)) for shape in Shape} == {
        Shape.FUNCTION: ["run"],
        Shape.JOB: ["prepare", "create", "find", "poll_many", "outputs", "cancel"],
        Shape.ARRAY: ["prepare", "create_array", "find", "poll_arrays", "item_outputs", "cancel"],
    }


def test_a_factory_that_fails_puts_its_task_type_in_quarantine_once() -> None:
    calls: list[int] = []

    def factory() -> Any:
        calls.append(1)
        raise SystemExit("no driver")

    other = changed(name="other")
    registry = Registry([], {"mine": Declares([changed(handler=factory), other])})
    for _ in range(2):
        with pytest.raises(PluginQuarantinedError) as caught:
            registry.handler("good")
        assert caught.value.message == (
            "Plugin `mine` for `good` failed when its handler was made: `SystemExit: no driver`"
        )
    assert calls == [1]
    assert isinstance(registry.handler("other"), RunHandler)


def test_a_handler_of_the_wrong_shape_is_quarantined() -> None:
    registry = Registry([], {"mine": Declares([changed(handler=object)])})
    with pytest.raises(PluginQuarantinedError) as caught:
        registry.handler("good")
    assert str(caught.value) == (
        "Plugin `mine` for `good` breaks the plugin contract: "
        "the handler `object` of shape `function` lacks `run`"
    )


def test_ctrl_c_in_a_factory_passes_and_is_not_remembered() -> None:
    raised: list[BaseException] = [KeyboardInterrupt()]

    def factory() -> Any:
        if raised:
            raise raised.pop()
        return RunHandler()

    registry = Registry([], {"mine": Declares([changed(handler=factory)])})
    with pytest.raises(KeyboardInterrupt):
        registry.handler("good")
    assert isinstance(registry.handler("good"), RunHandler)
