"""The hooks that decide: who is asked, what counts, and who is passed over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest

from hardpoint.plugin_api import AdmissionRequest, Interface, Refusal, Shape, TaskSpec, TaskType, hookimpl
from hardpoint.registry import (
    TRUSTING,
    PluginState,
    Refused,
    Registry,
    Rewritten,
    UnresolvedTaskTypesError,
    load_registry,
)
from hardpoint.registry.errors import DuplicateTaskTypeError

if TYPE_CHECKING:
    from tests.registry.conftest import Site

replace = msgspec.structs.replace
REQUEST = AdmissionRequest("etl", "d1", "acme", "development", {"day": 1}, ("sql",), 2)
LOAD = TaskSpec("flow.py:load", "sql", "v1", Interface((), ()), config={"workgroup": "free"})
CLEAN = TaskSpec("flow.py:clean", "sql", "v1", Interface((), ()))
SPECS = {"load": LOAD, "clean": CLEAN}
Answer = Callable[..., Any]


class Sql:
    """Has the task type that the run uses."""

    @hookimpl
    def task_types(self) -> list[TaskType]:
        return [TaskType("sql", Shape.FUNCTION, cast(Any, object))]


class Admits:
    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    @hookimpl
    def admit_execution(self, request: AdmissionRequest) -> Any:
        return self.answer(request)


class Rewrites:
    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    @hookimpl
    def rewrite_task(self, spec: TaskSpec, request: AdmissionRequest) -> Any:
        return self.answer(spec)


def registry_with(**plugins: object) -> Registry:
    return Registry([], {"sql": Sql(), **plugins})


def rewrite(
    registry: Registry, misfit_of: Callable[[TaskSpec], str] = lambda spec: ""
) -> Rewritten | Refused:
    return registry.rewrite_task(SPECS, REQUEST, misfit_of)


def specs_of(answer: Rewritten | Refused) -> Mapping[str, TaskSpec]:
    assert isinstance(answer, Rewritten)
    return answer.specs


def raises(*_: object) -> Any:
    raise SystemExit("rules are broken")


# --- admit_execution -----------------------------------------------------------------------------------


def test_hook_admit_execution() -> None:
    no = Refusal("no release", "Run `make release`", 60.0)
    asked: list[str] = []

    def noting(name: str, answer: Refusal | None) -> Admits:
        def admit(request: AdmissionRequest) -> Refusal | None:
            asked.append(f"{name} {request.workflow}")
            return answer

        return Admits(admit)

    registry = registry_with(c=noting("c", Refusal("later")), b=noting("b", no), a=noting("a", None))
    assert registry.admit_execution(REQUEST) == Refused("b", no)
    assert asked == ["a etl", "b etl"], "in the order of their names, up to the first refusal"
    assert registry_with(a=noting("a", None)).admit_execution(REQUEST) is None


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (raises, "SystemExit: rules are broken"),
        (lambda request: False, "`admit_execution` returned a `bool`, not a `Refusal`"),
        (lambda request: request, "returned a `AdmissionRequest`, not a `Refusal`"),
    ],
)
def test_one_that_fails_to_decide_is_passed_over_and_named(
    answer: Answer, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    registry = registry_with(acme=Admits(answer), strict=Admits(lambda request: Refusal("no")))
    assert registry.admit_execution(REQUEST) == Refused("strict", Refusal("no"))
    assert "plugin acme is passed over in `admit_execution`" in caplog.text
    [trouble] = registry.troubles()
    assert trouble.plugin == "acme"
    assert message in trouble.message


def test_a_refusal_that_is_badly_put_still_refuses() -> None:
    registry = registry_with(acme=Admits(lambda request: Refusal(None)))  # type: ignore[arg-type]
    refused = registry.admit_execution(REQUEST)
    assert refused is not None
    assert "Expected `str`, got `null` - at `$.message`" in refused.refusal.message


def test_what_a_plugin_does_to_its_arguments_nobody_else_sees() -> None:
    def spoil(request: AdmissionRequest) -> None:
        request.inputs.clear()

    def spoil_spec(spec: TaskSpec) -> None:
        spec.config["workgroup"] = "spoilt"

    seen: list[dict[str, Any]] = []
    registry = registry_with(
        a=Admits(spoil), b=Admits(lambda request: seen.append(request.inputs)), c=Rewrites(spoil_spec)
    )
    assert registry.admit_execution(REQUEST) is None
    assert seen == [{"day": 1}]
    assert specs_of(rewrite(registry)) == SPECS
    assert LOAD.config == {"workgroup": "free"}


# --- rewrite_task --------------------------------------------------------------------------------------


def test_hook_rewrite_task() -> None:
    def to_gold(spec: TaskSpec) -> TaskSpec | None:
        return replace(spec, config={"workgroup": "gold"}) if spec.config else None

    def bounded(spec: TaskSpec) -> TaskSpec:
        return replace(spec, timeout_s=600.0 if spec.config.get("workgroup") == "gold" else 60.0)

    answer = rewrite(registry_with(b=Rewrites(bounded), a=Rewrites(to_gold)))
    assert answer == Rewritten(
        {
            "load": replace(LOAD, config={"workgroup": "gold"}, timeout_s=600.0),
            "clean": replace(CLEAN, timeout_s=60.0),
        },
        {"load": ("a", "b"), "clean": ("b",)},
    )


def test_a_spec_changed_in_place_and_returned_counts_as_rewritten() -> None:
    def in_place(spec: TaskSpec) -> TaskSpec:
        spec.config["workgroup"] = "gold"
        return spec

    answer = rewrite(registry_with(acme=Rewrites(in_place)))
    assert {spec.config["workgroup"] for spec in specs_of(answer).values()} == {"gold"}


def test_a_spec_returned_as_it_came_is_not_rewritten() -> None:
    assert rewrite(registry_with(acme=Rewrites(lambda spec: spec))) == Rewritten(SPECS, {})


def test_a_task_can_be_refused() -> None:
    def veto(spec: TaskSpec) -> Refusal | None:
        return Refusal("too dear") if spec is not None and spec.config else None

    assert rewrite(registry_with(acme=Rewrites(veto))) == Refused("acme", Refusal("too dear"), LOAD.name)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (raises, "SystemExit: rules are broken"),
        (lambda spec: {"config": {}}, "`rewrite_task` returned a `dict`, not a `Refusal`"),
        (lambda spec: replace(spec, type="other"), "changed the type of task `flow.py:clean`"),
        (lambda spec: replace(spec, name="other"), "changed the name of task `flow.py:clean`"),
        (lambda spec: replace(spec, interface=None), "Expected `object`, got `null` - at `$.interface`"),
        (
            lambda spec: replace(spec, timeout_s="long"),
            "Expected `float | null`, got `str` - at `$.timeout_s`",
        ),
        (lambda spec: replace(spec, config={"x": object()}), "TypeError"),
        (lambda spec: replace(spec, config={"size": -1}), "its config does not fit"),
    ],
)
def test_one_that_rewrites_wrongly_changes_no_task_at_all(answer: Answer, message: str) -> None:
    def half(spec: TaskSpec) -> Any:
        return replace(spec, timeout_s=1.0) if spec.name == LOAD.name else answer(spec)

    def misfit_of(spec: TaskSpec) -> str:
        return "its config does not fit" if "size" in spec.config else ""

    registry = registry_with(acme=Rewrites(half))
    assert rewrite(registry, misfit_of) == Rewritten(SPECS, {})
    [trouble] = registry.troubles()
    assert (trouble.plugin, trouble.hook) == ("acme", "rewrite_task")
    assert message in trouble.message


# --- choose_plugin -------------------------------------------------------------------------------------

CHOOSER = """
    from hardpoint.plugin_api import hookimpl
    class Plugin:
        asked = []
        @hookimpl
        def choose_plugin(self, task_type, candidates):
            self.asked.append((task_type, [each.distribution for each in candidates]))
            return {answer}
    plugin = Plugin()
"""


def chooser(site: Site, answer: str) -> Registry:
    """Two distributions that offer `echo`, and an extension that says which."""
    site.echo("hardpoint-echo-a", "echo_a")
    site.echo("hardpoint-echo-b", "echo_b")
    site.install(
        "hardpoint-choice",
        extensions={"choice": "choice_ext:plugin"},
        modules={"choice_ext": CHOOSER.format(answer=answer)},
    )
    return load_registry(examiner=TRUSTING)


def test_hook_choose_plugin(site: Site) -> None:
    registry = chooser(site, "'hardpoint-echo-b' if task_type == 'echo' else None")
    assert registry.run_function("echo", None, {"text": "hi"}) == {"result": "hi"}  # type: ignore[arg-type]
    registry.task_type("echo")
    import choice_ext  # type: ignore[import-not-found]

    assert choice_ext.plugin.asked == [("echo", ["hardpoint-echo-a", "hardpoint-echo-b"])], "once"
    states = {row.distribution: row.state for row in registry.installed()}
    assert states["hardpoint-echo-a"] is PluginState.DUPLICATE
    assert states["hardpoint-echo-b"] is PluginState.LOADED


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        ("None", ""),
        ("'hardpoint-echo-c'", "returned `'hardpoint-echo-c'` for `echo`, not one of `hardpoint-echo-a`"),
        ("7", "returned `7` for `echo`, not one of"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_without_a_choice_a_task_type_of_two_stays_an_error(site: Site, answer: str, trouble: str) -> None:
    registry = chooser(site, answer)
    with pytest.raises(DuplicateTaskTypeError) as caught:
        registry.require(["echo"])
    assert 'with `deny = ["hardpoint-echo-b"]` under `[plugins]` in hardpoint.toml' in caught.value.hint
    assert [trouble in each.message for each in registry.troubles()] == ([True] if trouble else [])
    with pytest.raises(UnresolvedTaskTypesError):
        registry.require(["echo", "missing"])
