"""Resolving task types: what is refused, and in which words."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from hardpoint.plugin_api import HardpointError
from hardpoint.registry import (
    DuplicateTaskTypeError,
    IncompatiblePluginError,
    NoPluginError,
    PluginQuarantinedError,
    PluginState,
    Registry,
    UnresolvedTaskTypesError,
    load_registry,
)
from hardpoint.registry.discovery import FoundEntryPoint, scan
from hardpoint.registry.loading import load_object
from hardpoint.registry.quarantine import Quarantine

if TYPE_CHECKING:
    from tests.registry.conftest import Site


def state_of(registry: Registry, name: str) -> tuple[PluginState, str]:
    row = next(row for row in registry.installed() if row.name == name)
    return row.state, row.problem


def refusal(call: Callable[[], object], kind: type[HardpointError]) -> str:
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    return str(caught.value)


def test_a_task_type_is_loaded_when_it_is_asked_for(site: Site) -> None:
    site.echo()
    registry = load_registry()
    assert state_of(registry, "echo") == (PluginState.INSTALLED, "")
    declared = registry.task_type("echo")
    assert (declared.name, declared.config.__name__) == ("echo", "EchoConfig")
    assert registry.task_type("echo") is declared
    assert state_of(registry, "echo") == (PluginState.LOADED, "")


def test_a_missing_plugin_of_this_project_is_named(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry([], {})
    assert refusal(lambda: registry.task_type("notebook"), NoPluginError) == (
        "No installed plugin runs task type `notebook`\n\nhint: Run `pip install hardpoint-notebook`"
    )


def test_a_misspelt_task_type_gets_the_close_one(site: Site) -> None:
    site.echo()
    assert refusal(lambda: load_registry().task_type("ecko"), NoPluginError) == (
        "No installed plugin runs task type `ecko`\n\nhint: Did you mean `echo`?"
    )


def test_an_unknown_name_is_never_offered_to_pip() -> None:
    assert refusal(lambda: Registry([], {}).task_type("quantum"), NoPluginError) == (
        "No installed plugin runs task type `quantum`\n\nhint: Install the distribution that provides it; "
        "`hardpoint plugins list` shows what is installed"
    )


def test_two_distributions_that_claim_one_name_are_both_named_and_neither_imported(site: Site) -> None:
    site.echo("hardpoint-echo-b", "echo_b")
    site.echo("hardpoint-echo-a", "echo_a")
    registry = load_registry()
    assert refusal(lambda: registry.task_type("echo"), DuplicateTaskTypeError) == (
        "Task type `echo` is claimed by 2 installed plugins: `hardpoint-echo-a` 1.0 (`echo_a:plugin`) and "
        "`hardpoint-echo-b` 1.0 (`echo_b:plugin`)\n\n"
        "hint: Keep one of them, for example with `pip uninstall hardpoint-echo-b`, or with "
        '`deny = ["hardpoint-echo-b"]` under `[plugins]` in hardpoint.toml'
    )
    assert state_of(registry, "echo")[0] is PluginState.DUPLICATE
    assert not {"echo_a", "echo_b"} & set(sys.modules)


@pytest.mark.parametrize(
    ("api", "message"),
    [
        (
            ("1.7",),
            "Plugin `hardpoint-echo` 1.0 for `echo` is written for plugin API 1.7 to 1.x; "
            "this hardpoint has 1.0\n\nhint: Run `pip install --upgrade hardpoint`",
        ),
        (
            ("0.3",),
            "Plugin `hardpoint-echo` 1.0 for `echo` is written for plugin API 0.3 to 0.x; "
            "this hardpoint has 1.0\n\nhint: Run `pip install --upgrade hardpoint-echo`",
        ),
        (
            (),
            "Plugin `hardpoint-echo` 1.0 for `echo` does not say which plugin API it is written for"
            '\n\nhint: Its author adds `"1.0" = "echo_plugin"` under '
            '`[project.entry-points."hardpoint.api"]` '
            "to its pyproject.toml",
        ),
        (
            ("latest",),
            "Plugin `hardpoint-echo` 1.0 for `echo` does not say which plugin API it is written for, "
            "and `latest` is no version"
            '\n\nhint: Its author adds `"1.0" = "echo_plugin"` under '
            '`[project.entry-points."hardpoint.api"]` '
            "to its pyproject.toml",
        ),
    ],
)
def test_another_api_is_refused_before_the_import(site: Site, api: tuple[str, ...], message: str) -> None:
    site.install(
        "hardpoint-echo",
        task_types={"echo": "echo_plugin:plugin"},
        api=api,
        modules={"echo_plugin": "raise SystemExit"},
    )
    registry = load_registry()
    assert refusal(lambda: registry.task_type("echo"), IncompatiblePluginError) == message
    assert state_of(registry, "echo") == (PluginState.INCOMPATIBLE, message.partition("\n\n")[0])
    assert "echo_plugin" not in sys.modules


def test_a_plugin_may_serve_several_major_versions(site: Site) -> None:
    site.install("hardpoint-t-two", task_types={"two": "two:plugin"}, api=("1.0", "2.3"))
    row = next(row for row in load_registry().installed() if row.name == "two")
    assert (row.api, row.state) == ("1.0 to 1.x or 2.3 to 2.x", PluginState.INSTALLED)


@pytest.mark.parametrize(
    ("source", "summary"),
    [
        ("raise ValueError('no good')", "ValueError: no good"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("assert 1 == 2, 'sums'", "AssertionError: sums"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("class Odd(BaseException): pass\nraise Odd('odd')", "Odd: odd"),
        ("import no_such_vendor_sdk", "ModuleNotFoundError: No module named 'no_such_vendor_sdk'"),
        ("x = (", "SyntaxError: '(' was never closed (broken_plugin.py, line 1)"),
        ("other = 1", "AttributeError: module 'broken_plugin' has no attribute 'plugin'"),
        (
            "class Mute(Exception):\n    def __str__(self): raise SystemExit\nraise Mute",
            "Mute: <exception str() failed>",
        ),
    ],
)
def test_whatever_an_import_raises_is_quarantined_and_the_rest_works(
    site: Site, source: str, summary: str
) -> None:
    site.echo()
    site.install(
        "hardpoint-broken", task_types={"broken": "broken_plugin:plugin"}, modules={"broken_plugin": source}
    )
    registry = load_registry()
    message = f"Plugin `hardpoint-broken` 1.0 for `broken` failed when it was imported: `{summary}`"
    assert refusal(lambda: registry.task_type("broken"), PluginQuarantinedError) == (
        f"{message}\n\nhint: `hardpoint plugins show broken` prints its traceback, "
        "`pip install --upgrade hardpoint-broken` may repair it, `hardpoint plugins doctor` tries it again"
    )
    assert state_of(registry, "broken") == (PluginState.QUARANTINED, message)
    assert registry.task_type("echo").name == "echo"
    with pytest.raises(PluginQuarantinedError):
        registry.handler("broken")


def test_the_traceback_shows_the_plugins_lines_alone(site: Site) -> None:
    site.install(
        "hardpoint-broken",
        task_types={"broken": "broken_plugin:plugin"},
        modules={"broken_plugin": "def go():\n    raise ValueError('no good')\ngo()\n"},
    )
    with pytest.raises(PluginQuarantinedError) as caught:
        load_registry().task_type("broken")
    path = site.path / "broken_plugin.py"
    lines = caught.value.quarantine.traceback.splitlines()
    assert [line for line in lines if not set(line) <= set(" ~^")] == [
        "Traceback (most recent call last):",
        f'  File "{path}", line 3, in <module>',
        "    go()",
        f'  File "{path}", line 2, in go',
        "    raise ValueError('no good')",
        "ValueError: no good",
    ]


def test_ctrl_c_during_an_import_passes(site: Site) -> None:
    site.install(
        "hardpoint-t-c", task_types={"tc": "tc_mod:plugin"}, modules={"tc_mod": "raise KeyboardInterrupt"}
    )
    entry = next(entry for entry in scan_of(site) if entry.name == "tc")
    with pytest.raises(KeyboardInterrupt):
        load_object(entry.entry_point)


def test_an_import_that_hangs_is_given_up(site: Site) -> None:
    site.install(
        "hardpoint-t-hang",
        task_types={"hang": "hang_mod:plugin"},
        modules={"hang_mod": "import threading\nevent = threading.Event()\nevent.wait()\n"},
    )
    entry = next(entry for entry in scan_of(site) if entry.name == "hang")
    outcome = load_object(entry.entry_point, limit_s=0.5)
    sys.modules["hang_mod"].event.set()
    assert isinstance(outcome, Quarantine)
    assert outcome.summary == "not finished after 0.5 s"
    assert f'File "{site.path / "hang_mod.py"}", line 3, in <module>' in outcome.traceback


def scan_of(site: Site) -> list[FoundEntryPoint]:
    return [entry for entry in scan() if entry.distribution.startswith("hardpoint-t-")]


def test_all_problems_of_a_workflow_are_reported_together(site: Site) -> None:
    site.echo()
    site.install(
        "hardpoint-broken", task_types={"broken": "broken_plugin:plugin"}, modules={"broken_plugin": "1/0"}
    )
    registry = load_registry()
    registry.require(["echo", "echo"])
    assert refusal(lambda: registry.require({"echo", "quantum"}), NoPluginError).startswith("No installed")
    with pytest.raises(UnresolvedTaskTypesError) as caught:
        registry.require(["quantum", "broken", "echo"])
    assert [type(problem) for problem in caught.value.problems] == [PluginQuarantinedError, NoPluginError]
    assert str(caught.value) == (
        "2 task types cannot be resolved:\n"
        "  - Plugin `hardpoint-broken` 1.0 for `broken` failed when it was imported: "
        "`ZeroDivisionError: division by zero`\n"
        "  - No installed plugin runs task type `quantum`\n\n"
        "hint: `hardpoint plugins show broken` prints its traceback, "
        "`pip install --upgrade hardpoint-broken` may repair it, `hardpoint plugins doctor` tries it again; "
        "Install the distribution that provides it; `hardpoint plugins list` shows what is installed"
    )


def test_several_entry_points_may_lead_to_one_object(site: Site) -> None:
    source = """
        from hardpoint.plugin_api import Shape, TaskType, hookimpl
        class Handler:
            def run(self, context, inputs): return {}
        class Plugin:
            asked = 0
            @hookimpl
            def task_types(self):
                self.asked += 1
                return [TaskType("one", Shape.FUNCTION, Handler), TaskType("two", Shape.FUNCTION, Handler)]
        plugin = Plugin()
    """
    site.install(
        "hardpoint-t-pair", task_types={"one": "pair:plugin", "two": "pair:plugin"}, modules={"pair": source}
    )
    registry = load_registry()
    registry.require(["one", "two"])
    assert sys.modules["pair"].plugin.asked == 1


def test_threads_that_ask_at_once_get_one_handler(site: Site) -> None:
    source = """
        from hardpoint.plugin_api import Shape, TaskType, hookimpl
        made = []
        class Handler:
            def __init__(self): made.append(self)
            def run(self, context, inputs): return {}
        class Plugin:
            @hookimpl
            def task_types(self): return [TaskType("once", Shape.FUNCTION, Handler)]
        plugin = Plugin()
    """
    site.install("hardpoint-t-once", task_types={"once": "once_mod:plugin"}, modules={"once_mod": source})
    registry = load_registry()
    start = threading.Barrier(8)
    got: list[object] = []

    def ask() -> None:
        start.wait()
        got.append(registry.handler("once"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == sys.modules["once_mod"].made * 8
