"""What the operator keeps out is imported neither by commands nor by executors nor by their workers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hardpoint.executor import Executor
from hardpoint.executor.cli.safe_mode import VARIABLE
from hardpoint.executor.config.reading import settings_from
from hardpoint.executor.config.settings import NO_SETTINGS
from hardpoint.plugin_api import UsageError
from hardpoint.registry import SAFE_MODE, PluginDeniedError

PLUGIN = """
from hardpoint.plugin_api import Shape, TaskType, hookimpl

class Handler:
    def run(self, context, inputs):
        return {"result": inputs["value"] + 1}

class Plugin:
    @hookimpl
    def task_types(self):
        return [TaskType("plus", Shape.FUNCTION, Handler)]

plugin = Plugin()
"""

MARKER = """
import os, sys
from hardpoint.plugin_api import hookimpl

with open(os.environ["MARKER"], "a") as file:
    file.write(" ".join(sys.argv[:1]) + "\\n")

class Plugin:
    @hookimpl(wrapper=True)
    def run_function(self):
        return (yield)

plugin = Plugin()
"""

FLOW = """
from pathlib import Path
from hardpoint.core import task, workflow
from hardpoint.plugin_api import Parameter, TaskDefinition

plus = TaskDefinition(
    name="plus", task_type="plus", file=Path(__file__),
    inputs={"value": Parameter(int)}, outputs={"result": int},
)

@workflow
def with_plugin(value: int = 1) -> int:
    return plus(value=value)

@task
def double(value: int) -> int:
    return 2 * value

@workflow
def without(value: int = 2) -> int:
    return double(value=value)
"""


class Place:
    """A project with a plugin and an extension installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "flow.py").write_text(FLOW)
        self.install("acme_plus", "hardpoint.plugins", "plus", PLUGIN)
        self.install("acme_marker", "hardpoint.extensions", "marker", MARKER)

    def install(self, module: str, group: str, name: str, source: str) -> None:
        metadata = self.folder / "site" / f"{module}-1.0.dist-info"
        metadata.mkdir(parents=True)
        text = f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: 1.0\n"
        (metadata / "METADATA").write_text(text)
        (metadata / "entry_points.txt").write_text(
            f"[{group}]\n{name} = {module}:plugin\n[hardpoint.api]\n1.0 = {module}\n"
        )
        (self.folder / "site" / f"{module}.py").write_text(source)

    def hardpoint(self, *words: str, **variables: str) -> tuple[int, str]:
        """Exit code and output of a command."""
        environ = {
            **os.environ,
            "PYTHONPATH": str(self.folder / "site"),
            "HARDPOINT_HOME": str(self.folder / "home"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "MARKER": str(self.folder / "marker"),
            **variables,
        }
        done = subprocess.run(
            [sys.executable, "-m", "hardpoint.executor.cli", *words],
            cwd=self.folder,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout

    @property
    def imports(self) -> int:
        """How often the extension was imported, by whatever process."""
        marker = self.folder / "marker"
        return len(marker.read_text().splitlines()) if marker.exists() else 0


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_without_rules_plugins_run_and_extensions_see_it(place: Place) -> None:
    code, said = place.hardpoint("run", "flow.py", "with_plugin", "--json")
    assert code == 0, said
    assert place.imports == 3  # where it is tried, in the executor, in the worker
    code, said = place.hardpoint("run", "flow.py", "with_plugin", "--json")
    assert code == 0, said
    assert place.imports == 5


@pytest.mark.parametrize("words", [("--safe-mode",), ("--safe-mode", "--safe-mode")])
def test_safe_mode_imports_no_installed_plugin(place: Place, words: tuple[str, ...]) -> None:
    for command in (("run", "flow.py", "with_plugin"), ("run", "--json", "flow.py", "with_plugin")):
        code, said = place.hardpoint(*words, *command)
        assert code == 2
        assert "Plugin `acme-plus` 1.0 for `plus` is denied by safe mode" in said
        assert "Leave out `--safe-mode`" in said
    code, said = place.hardpoint(*words, "run", "flow.py", "without", "--json")
    assert code == 0, said
    assert place.imports == 0


def test_command_line_and_registry_mean_the_same_variable() -> None:
    assert VARIABLE == SAFE_MODE


def test_safe_mode_may_be_set_for_all_processes(place: Place) -> None:
    code, said = place.hardpoint("plan", "flow.py", "with_plugin", HARDPOINT_SAFE_MODE="1")
    assert (code, "is denied by safe mode" in said) == (2, True)
    code, said = place.hardpoint("plugins", "list", HARDPOINT_SAFE_MODE="1")
    assert code == 0
    assert "marker: Plugin `acme-marker` 1.0 for `marker` is denied by safe mode" in said
    assert place.imports == 0


def test_the_operators_file_keeps_an_extension_out_of_every_process(place: Place) -> None:
    (place.folder / "hardpoint.toml").write_text('[plugins]\ndeny = ["acme-m*"]\n')
    code, said = place.hardpoint("run", "flow.py", "with_plugin", "--json")
    assert code == 0, said
    assert place.imports == 0
    code, said = place.hardpoint("plugins", "list")
    assert 'Plugin `acme-marker` 1.0 for `marker` is denied by `deny = ["acme-m*"]`' in said


def test_what_is_not_allowed_is_refused_with_the_edit_that_helps(place: Place) -> None:
    (place.folder / "hardpoint.toml").write_text('[plugins]\nallow = ["hardpoint-*"]\n')
    code, said = place.hardpoint("run", "flow.py", "with_plugin")
    assert code == 2
    assert 'Plugin `acme-plus` 1.0 for `plus` is denied by `allow = ["hardpoint-*"]`' in said
    assert "hint: Let `acme-plus` in under `[plugins]` of hardpoint.toml" in said
    assert place.imports == 0


def test_an_embedded_executor_reads_the_same_file(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(place.folder / "site"))
    config = place.folder / "rules.toml"
    config.write_text('[plugins]\ndeny = ["ACME_*"]\n')
    with (
        Executor(place.folder / "home", journal="memory", config=config) as executor,
        pytest.raises(PluginDeniedError, match="denied by"),
    ):
        executor.registry.task_type("plus")


@pytest.mark.parametrize(
    ("table", "message", "hint"),
    [
        ({"alow": []}, "there is no key `alow`, set to `[]`", "Did you mean `allow`?"),
        (
            {"deny": "acme"},
            '`deny` is `"acme"`: expected `array`, got `str`',
            '`deny` is a list of names of distributions, such as ["hardpoint-*", "acme-spark"]',
        ),
        (
            {"allow": [""]},
            '`allow` is `[""]`: expected `str` of length >= 1',
            '`allow` is a list of names of distributions, such as ["hardpoint-*", "acme-spark"]',
        ),
    ],
)
def test_a_rule_that_does_not_fit_is_told(table: dict[str, object], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        settings_from({"plugins": table}, "`x.toml`")
    assert caught.value.message == f"`x.toml`, table `[plugins]`: {message}"
    assert caught.value.hint == hint


def test_rules_are_read_and_everything_is_allowed_where_there_are_none() -> None:
    settings = settings_from({"plugins": {"allow": ["a*"], "deny": ["ab"]}}, "`x.toml`").plugins
    assert (settings.allow, settings.deny) == (("a*",), ("ab",))
    assert (NO_SETTINGS.plugins.allow, NO_SETTINGS.plugins.deny) == (("*",), ())
