"""Real, tiny distributions on `sys.path`: what the registry finds is what `importlib.metadata` finds."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

NOTHING: Mapping[str, str] = {}

ECHO = """
from collections.abc import Iterable
import msgspec
from hardpoint.plugin_api import Shape, TaskType, hookimpl

class EchoConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    times: int = 1

class EchoHandler:
    def run(self, context, inputs):
        return {"result": inputs["text"]}

class Plugin:
    @hookimpl
    def task_types(self):
        return [TaskType("echo", Shape.FUNCTION, EchoHandler, config=EchoConfig)]

plugin = Plugin()
"""


class Site:
    """A folder on `sys.path` into which distributions are installed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def install(
        self,
        distribution: str,
        *,
        version: str = "1.0",
        task_types: Mapping[str, str] = NOTHING,
        extensions: Mapping[str, str] = NOTHING,
        api: Sequence[str] = ("1.0",),
        modules: Mapping[str, str] = NOTHING,
    ) -> None:
        """Write what `pip install` would: the modules, and the metadata beside them."""
        groups = {
            "hardpoint.plugins": dict(task_types),
            "hardpoint.extensions": dict(extensions),
            "hardpoint.api": dict.fromkeys(api, "package"),
        }
        lines = [
            line
            for group, entries in groups.items()
            if entries
            for line in (f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()), "")
        ]
        self.write_metadata(distribution, version, "\n".join(lines))
        for name, source in modules.items():
            (self.path / f"{name}.py").write_text(textwrap.dedent(source), encoding="utf-8")

    def write_metadata(self, distribution: str, version: str, entry_points: str) -> None:
        """Write a `.dist-info` folder with the given text of `entry_points.txt`."""
        folder = self.path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n", encoding="utf-8"
        )
        (folder / "entry_points.txt").write_text(entry_points, encoding="utf-8")

    def echo(self, distribution: str = "hardpoint-echo", module: str = "echo_plugin", **changes: str) -> None:
        """Install a plugin that works: task type `echo`."""
        self.install(
            distribution,
            task_types={"echo": f"{module}:plugin"},
            modules={module: ECHO},
            version=changes.get("version", "1.0"),
        )


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An empty folder of installed distributions; modules imported from it are forgotten afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    yield Site(folder)
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]
